import type { IConnackPacket, IPublishPacket, ISubackPacket, Packet } from 'mqtt-packet'
import { Backoff } from '../../backoff.ts'
import { PlatziverseError } from '../../errors.ts'
import type { Problems } from '../../problems.ts'
import type { Publication, Settle, Taker } from '../publication.ts'
import { faultOf, faultOfMessage, isOtherVersion, keepaliveOf, refusalOf, takenOver, unexpected } from './faults.ts'
import { bytesOf, InFlight, type Entry } from './in-flight.ts'
import type { Oversized } from './packet-limit.ts'
import type { RemoteSettings } from './settings.ts'
import { hostOf, openTransport } from './transport.ts'
import { WindowWatch } from './window-watch.ts'
import { Wire } from './wire.ts'

/** The largest packet that is taken, in bytes. */
const largestPacket = 2 * 1024 * 1024
/** Bytes of messages that may be unacknowledged before nothing more is read. */
const mostBytes = 64_000_000
/** Characters of a topic in what is reported. */
const mostShown = 200
/** ms after which a message that nobody stored is given to the flow again. */
const retryAfter = 2_000
const retries = { min: 1_000, max: 30_000 }
/** ms after which a connection counts as one that lasts. */
const lasting = 10_000
/** How many connections in a row the broker ends soon before another client is blamed: most brokers do not say that one came with the same client id. */
const takeovers = 3

export type ConsumerState = { state: 'idle' } | { state: 'connecting', error?: PlatziverseError } | { state: 'connected', address: string }

export interface ConsumerCounters { received: number, dropped: Record<string, number>, connections: number }

/**
 * Takes what agents publish at a broker elsewhere. The broker gets the acknowledgement of a message once the taker has settled it, in the order of
 * receipt, and keeps it until then: in a session that outlives connections, under a client id that stays the same.
 */
export class Consumer {
  readonly counters: ConsumerCounters = { received: 0, dropped: {}, connections: 0 }
  readonly #taker: Taker
  readonly #settings: RemoteSettings
  readonly #problems: Problems
  readonly #changed: () => void
  readonly #backoff = new Backoff(retries, { jitter: true })
  readonly #window = new WindowWatch()
  #state: ConsumerState = { state: 'idle' }
  #wire: Wire | undefined
  #protocolVersion: 4 | 5
  #inFlight = new InFlight()
  /** What the last connection left unsettled: it is given again if the session is kept. */
  #left = new InFlight()
  /** Bytes of messages that the flow has, or is to get again, of this connection and of those before. */
  #unsettled = 0
  /** Connections in a row that the broker ended soon after it had let this worker in. */
  #short = 0
  /** Attempts that failed, and connections that broke. */
  #attempts = 0
  #connectedAt: number | undefined
  /** Whether an earlier connection of this process subscribed. */
  #subscribed = false
  #timer: NodeJS.Timeout | undefined
  /** Messages that wait for their next turn. */
  #again = new Set<NodeJS.Timeout>()
  #closed = false

  constructor (taker: Taker, settings: RemoteSettings, problems: Problems, changed: () => void) {
    this.#taker = taker
    this.#settings = settings
    this.#problems = problems
    this.#changed = changed
    this.#protocolVersion = settings.version === '3.1.1' ? 4 : 5
  }

  /** The address whose turn it is. */
  get #url (): string {
    const { urls } = this.#settings
    return urls[this.#attempts % urls.length] as string
  }

  /** Whether MQTT 5 is spoken, with which a broker says whether it shares subscriptions. */
  get speaksVersion5 (): boolean { return this.#protocolVersion === 5 }

  get state (): ConsumerState { return this.#state }

  /** How many messages are not acknowledged yet. */
  get unacknowledged (): number { return this.#inFlight.size }

  /** Connect, and stay so. */
  open (): void {
    if (this.#closed || this.#wire !== undefined) return
    clearTimeout(this.#timer)
    this.#connect()
  }

  /**
   * Leave the broker, which keeps the session and what is not acknowledged. Resolves when the connection is closed.
   * @param filters of subscriptions that are not wanted any more: for them the broker keeps nothing that comes from now on
   */
  async close (filters: readonly string[] = []): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    for (const timer of this.#again) clearTimeout(timer)
    this.#again.clear()
    if (filters.length > 0) this.#wire?.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [...filters] })
    const left = this.#wire?.leave()
    this.#become({ state: 'idle' })
    await left
  }

  #connect (): void {
    const { tls, login, clientId, keepalive, sessionExpiry, receiveMaximum } = this.#settings
    if (this.#state.state !== 'connecting') this.#become({ state: 'connecting' })
    const wire = new Wire(openTransport(this.#url, tls), this.#protocolVersion, largestPacket, {
      packet: packet => { this.#receive(wire, packet) },
      oversized: packet => { if (this.#connectedAt === undefined) wire.end(unexpected('publish')); else this.#stepOver(packet) },
      closed: cause => { this.#disconnected(wire, cause) }
    })
    this.#wire = wire
    wire.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: this.#protocolVersion,
      clientId,
      clean: false,
      keepalive,
      ...login,
      ...this.#protocolVersion === 5
        ? { properties: { sessionExpiryInterval: sessionExpiry, receiveMaximum, maximumPacketSize: largestPacket } }
        : {}
    })
  }

  #receive (wire: Wire, packet: Packet): void {
    // [MQTT-3.2.0-1], [MQTT-3.2.0-2] CONNACK is the first packet, and there is one.
    const isLetIn = this.#connectedAt !== undefined
    if (packet.cmd !== 'disconnect' && (packet.cmd === 'connack') === isLetIn) return wire.end(unexpected(packet.cmd))
    switch (packet.cmd) {
      case 'connack': return this.#answered(wire, packet)
      case 'suback': return this.#granted(wire, packet)
      case 'publish': return this.#published(wire, packet)
      case 'disconnect': return wire.end(packet.reasonCode === takenOver ? this.#takenOver() : new Error(`the broker hung up with code ${packet.reasonCode ?? 0}`))
      case 'pingresp':
      case 'unsuback': return
      default: return wire.end(unexpected(packet.cmd))
    }
  }

  #takenOver (): PlatziverseError {
    const times = this.#short >= takeovers ? ` ${this.#short} times in a row the broker ended the connection soon after it had let this worker in.` : ''
    return new PlatziverseError('BROKER_CLIENT_ID_TAKEN', `Another client seems to use the client id ${JSON.stringify(this.#settings.clientId)}.${times}`)
  }

  #answered (wire: Wire, { returnCode, reasonCode, sessionPresent, properties }: IConnackPacket): void {
    const code = reasonCode ?? returnCode
    if (code === undefined) return wire.end(unexpected('connack'))
    if (code !== 0) return wire.end(isOtherVersion(code) ? undefined : refusalOf(code))
    const { filters, shared, keepalive } = this.#settings
    if (shared && properties?.sharedSubscriptionAvailable === false) {
      return wire.end(new PlatziverseError('BROKER_CANNOT_SHARE', 'The broker says that it has no shared subscriptions.'))
    }
    wire.keepAlive(keepaliveOf(keepalive, properties?.serverKeepAlive))
    this.counters.connections++
    this.#connectedAt = performance.now()
    if (this.#subscribed && !sessionPresent) {
      this.#problems.report('session', new PlatziverseError('BROKER_SESSION_LOST', 'The broker does not know the session of this worker any more.'))
    } else this.#problems.solved('session')
    // Under the packet ids of a new session there are other messages.
    if (!sessionPresent) this.#left = new InFlight()
    const version5 = this.#protocolVersion === 5
    // What was retained is no news; a shared subscription has none of it.
    const subscriptions = filters.map(topic => ({ topic, qos: 1 as const, ...version5 ? { rh: shared ? 0 : 2 } : {} }))
    wire.send({ cmd: 'subscribe', messageId: 1, subscriptions, ...version5 ? { properties: {} } : {} })
  }

  #granted (wire: Wire, { granted, messageId }: ISubackPacket): void {
    const { filters } = this.#settings
    if (messageId !== 1 || granted.length !== filters.length) return wire.end(unexpected('suback'))
    // With QoS 0 the broker would not keep what is not stored yet.
    const refused = filters.filter((_, i) => granted[i] === 0 || Number(granted[i]) >= 0x80)
    if (refused.length > 0) {
      const what = granted.includes(0) ? 'The broker gives no more than QoS 0 for' : 'The broker refused'
      return wire.end(new PlatziverseError('BROKER_SUBSCRIPTION_REFUSED', `${what}: ${refused.join(', ')}.`))
    }
    wire.ready()
    this.#subscribed = true
    this.#become({ state: 'connected', address: hostOf(this.#url) })
  }

  #published (wire: Wire, packet: IPublishPacket): void {
    const fault = faultOfMessage(packet)
    if (fault !== undefined) return wire.end(fault)
    const { topic, payload, qos, retain, messageId = 0 } = packet
    const dup = packet.dup && qos > 0
    const taken = this.#settings.contractTopic(topic)
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    // [MQTT-3.3.1-1] What comes for the first time has no DUP.
    if (dup && this.#inFlight.has(messageId)) return
    const before = dup ? this.#left.take(taken, bytes) : undefined
    if (before !== undefined) {
      before.packetId = messageId
      this.#inFlight.add(before)
      this.#acknowledge()
    } else {
      const publication: Publication = { topic: taken, payload: bytes, qos: qos === 0 ? 0 : 1, retain, will: false, connection: undefined, ...retain ? { replayed: true } : {} }
      const entry: Entry = { publication, packetId: qos === 0 ? 0 : messageId, settled: false }
      this.#inFlight.add(entry)
      this.#unsettled += bytesOf(entry)
      this.#give(entry)
    }
    if (this.#window.sees(this.#inFlight.size, this.#settings.receiveMaximum)) this.#warnOfWindow()
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
      if (this.#taker.takes(publication.topic)) return this.#taker.take(publication, settle)
      this.#taker.passes?.(publication.topic, '')
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
    const wire = this.#wire
    // What is settled without a connection waits for the next one.
    if (wire === undefined) return
    this.#inFlight.takeSettled(packetId => { wire.acknowledge(packetId) })
    if (!this.#isFull()) wire.resume()
  }

  #isFull (): boolean {
    const { size, bytes } = this.#inFlight
    return size >= this.#settings.receiveMaximum || Math.max(bytes, this.#unsettled) >= mostBytes
  }

  /** A message that is too large is acknowledged, or the broker would give it again on every connection. */
  #stepOver ({ topic, packetId, bytes }: Oversized): void {
    const { dropped } = this.counters
    dropped['packetBytes'] = (dropped['packetBytes'] ?? 0) + 1
    const publication: Publication = { topic, payload: Buffer.alloc(0), qos: 1, retain: false, will: false, connection: undefined }
    this.#inFlight.add({ publication, packetId, settled: true })
    this.#problems.report('packet', new PlatziverseError('BROKER_PACKET_TOO_LARGE', `A message on ${JSON.stringify(topic.slice(0, mostShown))} has ${bytes} bytes.`))
    this.#acknowledge()
  }

  #warnOfWindow (): void {
    const detail = `The broker gives this worker no more than ${this.#window.widest} messages at one time, and waits for the database after each of these.`
    this.#problems.report('window', new PlatziverseError('BROKER_WINDOW_SMALL', detail))
  }

  #disconnected (wire: Wire, cause: Error | undefined): void {
    if (this.#wire !== wire) return
    this.#wire = undefined
    const lasted = this.#connectedAt === undefined ? undefined : performance.now() - this.#connectedAt
    if (lasted !== undefined && lasted > lasting) {
      this.#short = 0
      this.#backoff.reset()
      this.#problems.solved('connection')
    } else if (lasted !== undefined && cause === undefined) this.#short++
    this.#connectedAt = undefined
    this.#left.absorb(this.#inFlight, this.#settings.receiveMaximum)
    this.#inFlight = new InFlight()
    if (this.#closed) return
    // Some brokers hang up on a version that they do not know instead of answering it.
    if (lasted === undefined && cause === undefined && this.#settings.version === 'auto' && !this.#subscribed) this.#protocolVersion = this.#protocolVersion === 5 ? 4 : 5
    this.#attempts++
    const error = this.#short >= takeovers && cause === undefined ? this.#takenOver() : faultOf(cause)
    this.#problems.report('connection', error)
    this.#become({ state: 'connecting', error })
    this.#timer = setTimeout(() => { this.open() }, this.#backoff.next())
  }

  #become (state: ConsumerState): void {
    this.#state = state
    this.#changed()
  }
}
