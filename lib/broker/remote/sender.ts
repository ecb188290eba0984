import { setTimeout as pause } from 'node:timers/promises'
import type { IConnackPacket, IPublishPacket, Packet } from 'mqtt-packet'
import { PlatziverseError } from '../../errors.ts'
import { faultOf, faultOfMessage, isHangUp, isOfNoMessage, tooLarge, unexpected } from '../../mqtt/link/faults.ts'
import { Link, type End } from '../../mqtt/link/link.ts'
import type { Oversized } from '../../mqtt/link/packet-limit.ts'
import type { Wire } from '../../mqtt/link/wire.ts'
import type { Problems } from '../../problems.ts'
import type { Delivered, OutgoingPublication, Subscriber } from '../publication.ts'
import { clientIdBeside } from './client-ids.ts'
import { LocalSubscribers } from './local-subscribers.ts'
import { lastMessageId, Outgoing } from './outgoing.ts'
import { readRetained } from './retained.ts'
import type { RemoteSettings } from './settings.ts'

/** ms in which the broker has to acknowledge a message, at least. */
const patience = 30_000
/** ms in the end for the broker to take what it was given. */
const farewell = 1_000

export type SenderState = { state: 'connecting', error?: PlatziverseError } | { state: 'connected' }

/**
 * Publishes at a broker elsewhere, and receives for this process what others publish there. It is a connection of its own, without a session that is kept:
 * on that of the consumer, subscriptions that overlap would bring the same message twice, and acknowledgements of what is published would wait while
 * the consumer does not read.
 */
export class Sender {
  readonly #settings: RemoteSettings
  readonly #problems: Problems
  readonly #changed: () => void
  readonly #link: Link
  readonly #outgoing = new Outgoing()
  readonly #subscribers = new LocalSubscribers()
  /** Whether the broker says which subscriptions a message is for. */
  #namesSubscriptions = false
  #state: SenderState = { state: 'connecting' }
  /** What SUBSCRIBE and UNSUBSCRIBE asked for, by packet id. */
  readonly #asked = new Map<number, string[]>()
  #lastAsked = 0
  /** Ends subscriptions that are not needed, by filter. */
  readonly #optional = new Map<string, () => void>()
  /** What came and was not given to the subscribers yet, and whether they are busy. */
  #incoming: IPublishPacket[] = []
  #isBusy = false
  #tooLarge = 0
  #watch: NodeJS.Timeout | undefined
  /** The broker did not acknowledge a message in time. */
  #stalled = false
  #closed = false

  constructor (settings: RemoteSettings, problems: Problems, changed: () => void) {
    this.#settings = settings
    this.#problems = problems
    this.#changed = changed
    this.#link = new Link(settings, { clientId: clientIdBeside(settings.clientId, 'send'), clean: true, properties: { receiveMaximum: settings.receiveMaximum } }, {
      letIn: (wire, connack) => { this.#letIn(wire, connack) },
      packet: (wire, packet) => { this.#receive(wire, packet) },
      oversized: packet => { this.#stepOver(packet) },
      drained: () => { this.#outgoing.room() },
      ended: end => { this.#ended(end) }
    })
    this.#link.open()
  }

  /** Messages that the broker took, and those that it sent and that were too large. */
  get counters (): { delivered: number, tooLarge: number } { return { delivered: this.#outgoing.delivered, tooLarge: this.#tooLarge } }

  get state (): SenderState { return this.#state }

  /** @throws PlatziverseError PUBLISH_FAILED */
  publish (publication: OutgoingPublication): Promise<void> {
    return this.#outgoing.add(publication)
  }

  /**
   * @param optional whether the broker may refuse, or hang up: it is not asked again then
   * @returns ends the subscription
   */
  subscribe (filter: string, subscriber: Subscriber, { optional = false } = {}): () => void {
    const end = this.#subscribers.add(filter, subscriber, isWanted => {
      if (this.#closed || this.#state.state !== 'connected') return
      if (isWanted) this.#subscribe([filter])
      else this.#link.wire?.send({ cmd: 'unsubscribe', messageId: this.#ask([]), unsubscriptions: [filter] })
    })
    if (optional) this.#optional.set(filter, end)
    return end
  }

  async * retained (filters: string[]): AsyncGenerator<Delivered> {
    yield * await readRetained({ ...this.#settings, version: this.#link.version === 5 ? '5' : '3.1.1' }, filters)
  }

  async close (): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#subscribers.clear()
    if (this.#state.state === 'connected') await Promise.race([this.#outgoing.drained(), pause(farewell, undefined, { ref: false })])
    this.#outgoing.close()
    await this.#link.close()
  }

  #letIn (wire: Wire, connack: IConnackPacket): void {
    wire.ready()
    this.#become({ state: 'connected' })
    this.#namesSubscriptions = this.#link.version === 5 && connack.properties?.subscriptionIdentifiersAvailable !== false
    this.#subscribe(this.#subscribers.filters)
    this.#outgoing.connected({
      write: bytes => wire.write(bytes),
      release: messageId => { wire.send({ cmd: 'pubrel', messageId, reasonCode: 0 }) }
    }, this.#link.version, connack)
    let oldest: object | undefined
    this.#watch = setInterval(() => {
      // While a subscriber is busy, the answer waits in the socket.
      const before = wire.isPaused ? undefined : oldest
      oldest = this.#outgoing.oldest
      this.#stalled = oldest !== undefined && oldest === before
      if (this.#stalled) wire.end(new Error('the broker did not acknowledge a message in time'))
    }, patience).unref()
  }

  #receive (wire: Wire, packet: Packet): void {
    const { messageId = 0 } = packet
    switch (packet.cmd) {
      case 'puback':
      case 'pubcomp': return this.#outgoing.acknowledged(messageId, packet.reasonCode)
      case 'pubrec': return this.#outgoing.received(messageId, packet.reasonCode)
      case 'publish': {
        const fault = faultOfMessage(packet)
        if (fault !== undefined) return wire.end(fault)
        this.#incoming.push(packet)
        if (!this.#isBusy) void this.#give()
        return
      }
      case 'suback': return this.#granted(wire, messageId, packet.granted)
      case 'unsuback': return void this.#asked.delete(messageId)
      default: wire.end(unexpected(packet.cmd))
    }
  }

  /** Until every subscriber is done with a message, the broker is read no further. */
  async #give (): Promise<void> {
    this.#isBusy = true
    for (let packet; (packet = this.#incoming.shift()) !== undefined;) {
      const { wire } = this.#link
      const working = this.#subscribers.give(packet)
      if (working !== undefined) {
        wire?.pause()
        await working
      }
      // A later connection has its own messages to acknowledge.
      if (packet.qos > 0 && wire === this.#link.wire) wire?.acknowledge(packet.messageId as number)
    }
    this.#isBusy = false
    this.#link.wire?.resume()
  }

  #subscribe (filters: readonly string[]): void {
    // An identifier is of all subscriptions of a packet.
    const packets = this.#namesSubscriptions ? filters.map(filter => [filter]) : filters.length > 0 ? [[...filters]] : []
    for (const some of packets) {
      const subscriptionIdentifier = this.#namesSubscriptions ? this.#subscribers.idOf(some[0]!) : undefined
      const properties = this.#link.version === 5 ? { properties: subscriptionIdentifier === undefined ? {} : { subscriptionIdentifier } } : {}
      this.#link.wire?.send({ cmd: 'subscribe', messageId: this.#ask(some), subscriptions: some.map(topic => ({ topic, qos: 1 })), ...properties })
    }
  }

  #ask (filters: string[]): number {
    this.#lastAsked = this.#lastAsked % (65_535 - lastMessageId) + 1
    const packetId = lastMessageId + this.#lastAsked
    this.#asked.set(packetId, filters)
    return packetId
  }

  #granted (wire: Wire, packetId: number, granted: readonly unknown[]): void {
    const filters = this.#asked.get(packetId)
    if (filters?.length !== granted.length) return wire.end(unexpected('suback'))
    this.#asked.delete(packetId)
    filters.forEach((filter, i) => {
      if (Number(granted[i]) < 0x80) return this.#problems.solved(`subscription ${filter}`)
      if (this.#optional.has(filter)) return this.#withdraw(filter)
      this.#problems.report(`subscription ${filter}`, new PlatziverseError('BROKER_SUBSCRIPTION_REFUSED', `The broker refused: ${filter}.`))
    })
  }

  #withdraw (filter: string): void {
    this.#optional.get(filter)?.()
    this.#optional.delete(filter)
  }

  #stepOver (packet: Oversized): void {
    this.#tooLarge++
    if (packet.packetId > 0) this.#link.wire?.acknowledge(packet.packetId)
    this.#problems.report('received packet', tooLarge(packet))
  }

  #ended ({ letIn, lasted, cause, code }: End): void {
    clearInterval(this.#watch)
    for (const filter of [...this.#asked.values()].flat()) this.#withdraw(filter)
    this.#asked.clear()
    this.#incoming = []
    const blame = letIn && (this.#stalled || (code === undefined ? isHangUp(cause) : !isOfNoMessage(code)))
    if (lasted) {
      this.#problems.solved('sending')
      if (!this.#stalled) this.#outgoing.lasted()
    }
    this.#stalled = false
    // What is given up was all that was wrong.
    if (this.#outgoing.disconnected(blame)) this.#link.resetBackoff()
    if (this.#closed) return
    const error = faultOf(cause)
    this.#problems.report('sending', error)
    this.#become({ state: 'connecting', error })
  }

  #become (state: SenderState): void {
    this.#state = state
    this.#changed()
  }
}
