import type { IConnackPacket, IPublishPacket, ISubackPacket, Packet } from 'mqtt-packet'
import { PlatziverseError } from '../../errors.ts'
import type { Problems } from '../../problems.ts'
import type { Publication, Settle } from '../publication.ts'
import { clientIdTaken, faultOf, faultOfMessage, tooLarge, unexpected } from '../../mqtt/link/faults.ts'
import { bytesOf, InFlight, type Entry } from './session/in-flight.ts'
import { Link, type End } from '../../mqtt/link/link.ts'
import type { Oversized } from '../../mqtt/link/packet-limit.ts'
import { Notices } from './notices.ts'
import type { RemoteSettings } from './settings.ts'
import { RememberedFilters } from './session/remembered-filters.ts'
import { Subscriptions } from './session/subscriptions.ts'
import type { Task } from './tasks.ts'
import type { Wire } from '../../mqtt/link/wire.ts'
import { fromPacket } from '../../mqtt/link/packet-properties.ts'

/** Bytes of messages that may be unacknowledged before nothing more is read. */
const mostBytes = 64_000_000
/** ms after which a message that nobody stored is given to the flow again. */
const retryAfter = 2_000
/** How many connections in a row the broker ends soon before another client is blamed: most brokers do not say that one came with the same client id. */
const takeovers = 3

export type ConsumerState = { state: 'idle' } | { state: 'connecting', error?: PlatziverseError } | { state: 'connected', address: string }

export interface ConsumerCounters { received: number, tooLarge: number, connections: number }

/** Subscriptions that are named in what is reported. */
const mostNamed = 5

/**
 * Takes what is published at a broker elsewhere. The broker gets the acknowledgement of a message once the taker has settled it, in the order of
 * receipt, and keeps it until then: in a session that outlives connections, under a client id that stays the same.
 */
export class Consumer {
  readonly counters: ConsumerCounters = { received: 0, tooLarge: 0, connections: 0 }
  readonly #task: Task
  readonly #settings: RemoteSettings
  readonly #problems: Problems
  readonly #changed: () => void
  readonly #link: Link
  readonly #notices: Notices
  readonly #subscriptions: Subscriptions
  #state: ConsumerState = { state: 'idle' }
  #inFlight = new InFlight()
  /** What the last connection left unsettled: it is given again if the session is kept. */
  #left = new InFlight()
  /** Bytes of messages that the flow has, or is to get again, of this connection and of those before. */
  #unsettled = 0
  /** Connections in a row that the broker ended soon after it had let this worker in. */
  #short = 0
  /** Whether an earlier connection of this process subscribed. */
  #subscribed = false
  /** Whether the broker has let this connection in. */
  #isLetIn = false
  /** Messages that wait for their next turn. */
  #again = new Set<NodeJS.Timeout>()
  #closed = false

  /** @param filters what it subscribes to */
  constructor (task: Task, filters: readonly string[], settings: RemoteSettings, problems: Problems, changed: () => void) {
    this.#task = task
    this.#settings = settings
    this.#problems = problems
    this.#notices = new Notices(task, problems)
    const remembered = new RememberedFilters(settings.folder, task.clientId, problem => {
      if (problem === undefined) this.#solved('folder')
      else this.#report('folder', problem)
    })
    // A shared subscription has nothing of what was retained.
    this.#subscriptions = new Subscriptions(filters, settings.shared ? 0 : task.isOfAgents ? 2 : 1, remembered)
    this.#changed = changed
    const { sessionExpiry, receiveMaximum } = settings
    this.#link = new Link(settings, { clientId: task.clientId, clean: false, properties: { sessionExpiryInterval: sessionExpiry, receiveMaximum } }, {
      letIn: (wire, connack) => { this.#letIn(wire, connack) },
      packet: (wire, packet) => { this.#receive(wire, packet) },
      oversized: packet => { this.#stepOver(packet) },
      ended: end => { this.#ended(end) }
    })
  }

  /** Whether MQTT 5 is spoken, with which a broker says whether it shares subscriptions. */
  get speaksVersion5 (): boolean { return this.#link.version === 5 }

  get state (): ConsumerState { return this.#state }

  /** How many messages are not acknowledged yet. */
  get unacknowledged (): number { return this.#inFlight.size }

  get filters (): readonly string[] { return this.#subscriptions.wanted }

  /** Subscribe to these from now on, and to no others. */
  subscribe (filters: readonly string[]): void {
    // What is refused is said again where there is more to refuse.
    if (filters.some(filter => !this.filters.includes(filter))) for (const subject of ['refused', 'lossy']) this.#solved(subject)
    this.#subscriptions.change(filters, this.#isLetIn ? this.#link.wire : undefined, this.#link.version)
    if (this.#subscriptions.unanswered.length === 0) this.#sayRefused()
  }

  /** Connect, and stay so. */
  open (): void {
    this.#become({ state: 'connecting' })
    this.#link.open()
  }

  /**
   * Leave the broker, which keeps the session and what is not acknowledged. Resolves when the connection is closed.
   * @param filters of subscriptions that are not wanted any more: for them the broker keeps nothing that comes from now on
   */
  async close (filters: readonly string[] = []): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const timer of this.#again) clearTimeout(timer)
    this.#again.clear()
    if (this.#link.wire !== undefined) this.#subscriptions.end(filters, this.#link.wire, this.#link.version)
    const left = this.#link.close()
    this.#become({ state: 'idle' })
    await left
  }

  #receive (wire: Wire, packet: Packet): void {
    switch (packet.cmd) {
      case 'suback': return this.#granted(wire, packet)
      case 'publish': return this.#published(wire, packet)
      case 'unsuback': return this.#subscriptions.left(packet.messageId)
      default: return wire.end(unexpected(packet.cmd))
    }
  }

  #letIn (wire: Wire, { sessionPresent, properties }: IConnackPacket): void {
    if (this.#settings.shared && properties?.sharedSubscriptionAvailable === false) {
      return wire.end(new PlatziverseError('BROKER_CANNOT_SHARE', 'The broker says that it has no shared subscriptions.'))
    }
    this.counters.connections++
    if (this.#subscribed && !sessionPresent) {
      this.#report('session', new PlatziverseError('BROKER_SESSION_LOST', 'The broker does not know the session of this worker any more.'))
    } else this.#solved('session')
    // Under the packet ids of a new session there are other messages.
    if (!sessionPresent) this.#left = new InFlight()
    this.#isLetIn = true
    this.#subscriptions.begin(wire, this.#link.version, sessionPresent)
  }

  #granted (wire: Wire, packet: ISubackPacket): void {
    if (!this.#subscriptions.answered(packet)) return wire.end(unexpected('suback'))
    const { refused, lossy, unanswered } = this.#subscriptions
    // Agents need all of theirs.
    if (this.#task.isOfAgents && refused.length > 0) return wire.end(refusal(refused))
    if (this.#task.isOfAgents && lossy.length > 0) return wire.end(lossiness(lossy))
    if (unanswered.length > 0) return
    this.#sayRefused()
    wire.ready()
    this.#subscribed = true
    this.#become({ state: 'connected', address: this.#link.address })
  }

  #published (wire: Wire, packet: IPublishPacket): void {
    const fault = faultOfMessage(packet)
    if (fault !== undefined) return wire.end(fault)
    const { topic, payload, qos, retain, messageId = 0 } = packet
    const dup = packet.dup && qos > 0
    const taken = this.#task.topicOf(topic)
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    // [MQTT-3.3.1-1] What comes for the first time has no DUP.
    if (dup && this.#inFlight.has(messageId)) return
    const before = dup ? this.#left.take(taken, bytes) : undefined
    if (before !== undefined) {
      before.packetId = messageId
      this.#inFlight.add(before)
      this.#acknowledge()
    } else {
      const properties = fromPacket(packet.properties)
      const publication: Publication = { topic: taken, payload: bytes, qos: qos === 0 ? 0 : 1, retain, will: false, connection: undefined, ...properties && { properties } }
      const entry: Entry = { publication, packetId: qos === 0 ? 0 : messageId, settled: false }
      this.#inFlight.add(entry)
      this.#unsettled += bytesOf(entry)
      // SUBSCRIBE brings what was retained, and nothing else has the flag. Taken for news, an old metric would get the time of receipt, with each connection.
      const isOld = retain && !this.#settings.shared
      if (isOld) publication.retainedBefore = true
      if (isOld && (this.#task.isOfAgents || !this.#subscriptions.isFresh(topic))) this.#settle(entry)
      else this.#give(entry)
    }
    this.#notices.message(topic, qos, this.#inFlight.size, this.#settings.receiveMaximum)
    if (this.#isFull()) wire.pause()
  }

  /** Give a message to the taker, again and again until it is settled. */
  #give (entry: Entry): void {
    const { publication } = entry
    let isOver = false
    const settle: Settle = error => {
      if (this.#closed || isOver) return
      isOver = true
      if (error === undefined) {
        this.counters.received++
        return this.#settle(entry)
      }
      const timer = setTimeout(() => {
        this.#again.delete(timer)
        this.#give(entry)
      }, retryAfter).unref()
      this.#again.add(timer)
    }
    try {
      if (this.#task.give(publication, settle)) return
    } catch (error) {
      return settle(error as Error)
    }
    this.#settle(entry)
  }

  #settle (entry: Entry): void {
    entry.settled = true
    this.#unsettled -= bytesOf(entry)
    this.#acknowledge()
  }

  #acknowledge (): void {
    const { wire } = this.#link
    // What is settled without a connection waits for the next one.
    if (wire === undefined || wire.isClosed) return
    this.#inFlight.takeSettled(packetId => { wire.acknowledge(packetId) })
    if (!this.#isFull()) wire.resume()
  }

  #isFull (): boolean {
    const { size, bytes } = this.#inFlight
    return size >= this.#settings.receiveMaximum || Math.max(bytes, this.#unsettled) >= mostBytes
  }

  /** A message that is too large is acknowledged, or the broker would give it again on every connection. */
  #stepOver (packet: Oversized): void {
    this.counters.tooLarge++
    const publication: Publication = { topic: packet.topic, payload: Buffer.alloc(0), qos: 1, retain: false, will: false, connection: undefined }
    this.#inFlight.add({ publication, packetId: packet.packetId, settled: true })
    this.#report('packet', tooLarge(packet))
    this.#acknowledge()
  }

  #ended ({ letIn, lasted, cause }: End): void {
    this.#isLetIn = false
    if (lasted) {
      this.#short = 0
      this.#solved('connection')
    } else if (letIn && cause === undefined) this.#short++
    this.#left.absorb(this.#inFlight, this.#settings.receiveMaximum)
    this.#inFlight = new InFlight()
    if (this.#closed) return
    const error = cause === undefined ? this.#hungUp(letIn) : faultOf(cause)
    this.#report('connection', error)
    this.#become({ state: 'connecting', error })
  }

  /** Why the broker closed the connection without a word, most likely. */
  #hungUp (letIn: boolean): PlatziverseError {
    const { unanswered } = this.#subscriptions
    if (letIn && unanswered.length > 0) return new PlatziverseError('BROKER_SUBSCRIPTION_REFUSED', `The broker hung up when it was asked for: ${named(unanswered)}.`)
    if (this.#short < takeovers) return faultOf(undefined)
    return clientIdTaken(this.#task.clientId, ` ${this.#short} times in a row the broker ended the connection soon after it had let this worker in.`)
  }

  /** Other subscriptions go on without those that the broker refused. */
  #sayRefused (): void {
    const { refused, lossy } = this.#subscriptions
    if (refused.length > 0) this.#report('refused', refusal(refused))
    else this.#solved('refused')
    if (lossy.length > 0) this.#report('lossy', lossiness(lossy))
    else this.#solved('lossy')
  }

  #report (subject: string, problem: PlatziverseError): void {
    this.#problems.report(this.#task.name + subject, problem)
  }

  #solved (subject: string): void {
    this.#problems.solved(this.#task.name + subject)
  }

  #become (state: ConsumerState): void {
    this.#state = state
    this.#changed()
  }
}

function refusal (filters: readonly string[]): PlatziverseError {
  return new PlatziverseError('BROKER_SUBSCRIPTION_REFUSED', `The broker refused: ${named(filters)}.`)
}

function lossiness (filters: readonly string[]): PlatziverseError {
  return new PlatziverseError('BROKER_SUBSCRIPTION_LOSSY', `The broker gives no more than QoS 0 for: ${named(filters)}.`)
}

function named (filters: readonly string[]): string {
  return [...filters.slice(0, mostNamed), ...filters.length > mostNamed ? ['…'] : []].join(', ')
}
