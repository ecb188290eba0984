import { EventEmitter } from 'node:events'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import mqtt, { type IClientOptions, type IClientSubscribeOptions, type IPublishPacket, type MqttClient } from 'mqtt'
import type { Delivered, OutgoingPublication, Subscriber } from '../broker/broker.ts'
import { PlatziverseError, reasonOf } from '../errors.ts'
import { kindOf } from '../messages/topics.ts'
import { BridgeBuffer, type Unsent } from './buffer.ts'
import { LoopGuard } from './loops.ts'
import { resolveBridgeOptions, type BridgeOptions, type BridgeSettings } from './options.ts'

export type { Unsent } from './buffer.ts'
export type { BridgeOptions, BridgeTls } from './options.ts'
export type { BridgeTopic } from './topics.ts'

/** What a bridge needs of the broker that it belongs to. */
export interface LocalBroker {
  /**
   * Resolved once the message was taken. Each attempt to give one message gives the same object.
   * @throws PlatziverseError BROKER_MISSING and DELIVERY_UNSETTLED, which are worth further attempts, and PUBLISH_FORBIDDEN, which is not
   */
  publish (publication: OutgoingPublication, origin?: string): Promise<void>
  /** @returns ends it */
  subscribe (filter: string, subscriber: Subscriber): () => void
  /** What is retained, a topic perhaps several times; of a broker that is away once it is back, unless `signal` ends the wait. */
  retained (filters: string[], signal: AbortSignal): AsyncIterable<Delivered>
  /** Whether a client of this id is connected to it now. */
  hasClient? (clientId: string): boolean
}

export type BridgeState =
  /** With an error: the last attempt failed, and another one follows. */
  | { state: 'connecting', error?: PlatziverseError }
  | { state: 'connected' }
  /** With an error: it cannot work, and does not try again. */
  | { state: 'closed', error?: PlatziverseError }

export interface BridgeStatistics {
  connected: boolean
  /** Messages that the other broker took. */
  sent: number
  /** Messages that this broker took. */
  received: number
  /** Messages that the other broker did not acknowledge yet. */
  buffered: number
  bufferedBytes: number
  /** Messages that came no further: the buffer was full, the other broker away (QoS 0), or this one refused them. */
  dropped: number
  /** Messages that came round, and were not carried again. */
  loops: number
  reconnects: number
}

export interface BridgeEvents {
  state: [BridgeState]
  /** Something that an operator should know; the same one again only after it was over. */
  problem: [PlatziverseError]
}

/** What a bridge leaves to the next one. */
export interface Leftover {
  unsent: Unsent[]
  /** Packet ids of messages of QoS 2 that the other broker does not know to be taken, but were. */
  taken: ReadonlySet<number>
}

/** The most messages that are sent and not acknowledged: Mosquitto hangs up when more of QoS 2 are under way. */
const window = 20
/** Ms after which a connection counts as one that lasts. */
const lasting = 10_000
/** Ms between attempts to give a message to this broker, and how many before it is dropped: one that is away is waited for. */
const localRetry = 200
const localAttempts = 3
/** … one that agent-in took and nobody stored. */
const unsettledRetry = 2000
/** Ms for what the other broker retains to come, after the SUBACK: some send it later. */
const settling = 1000

/**
 * Carries messages between this broker and another one.
 *
 * MQTT.js 5 keeps both halves of the MQTT session over lost connections, and sends again under the same packet ids what
 * was not acknowledged [MQTT-4.4.0-1]. It acknowledges what it receives when `handleMessage` calls back (README,
 * "mqtt.Client#handleMessage"); for QoS 2 that is at PUBREL, which is too late: PUBREC made the message ours already.
 * @throws PlatziverseError BRIDGE_OPTION_INVALID from the constructor
 */
export class Bridge extends EventEmitter<BridgeEvents> {
  readonly #local: LocalBroker
  readonly #settings: BridgeSettings
  readonly #buffer: BridgeBuffer
  readonly #loops = new LoopGuard()
  /** Names the other broker, so that nothing returns there from where it came, not even by another bridge to it. */
  readonly #origin: string
  #client: MqttClient | undefined
  #state: BridgeState = { state: 'closed' }
  #hearings: Array<() => void> = []
  /** Ends with the connection of now. */
  #connection = new AbortController()
  /** Topics whose retained messages the other broker is still to get. */
  #due = new Set<string>()
  #bridgeBit: boolean
  /** Whether this process subscribed in the session of now. */
  #subscribed = false
  #everConnected = false
  #connectedAt: number | undefined
  #failures = 0
  /** Why the connection of now ends. */
  #cause: Error | undefined
  #pumping = false
  /** Of each subject, what was told of it. */
  #told = new Map<string, string>()
  #closing: Promise<Leftover> | undefined
  #drained = new Set<() => void>()
  /** There is room in the window. */
  #roomed: (() => void) | undefined
  /** Packet ids of messages of QoS 2 that were taken, until the other broker releases them. */
  #taken = new Set<number>()
  #counters = { sent: 0, received: 0, dropped: 0, loops: 0, reconnects: 0 }

  /** @param backlog what another bridge of these options left unsent */
  constructor (local: LocalBroker, options: BridgeOptions, backlog: Unsent[] = []) {
    super()
    this.#local = local
    this.#settings = resolveBridgeOptions(options)
    this.#bridgeBit = this.#settings.bridgeBit
    this.#origin = `bridge:${this.#settings.address}`
    this.#buffer = new BridgeBuffer(this.#settings.buffer, window)
    for (const message of backlog) this.#keep(message)
  }

  get clientId (): string { return this.#settings.clientId }

  /** Names what comes over this bridge. */
  get origin (): string { return this.#origin }

  get state (): BridgeState {
    return this.#state
  }

  statistics (): BridgeStatistics {
    return { connected: this.#state.state === 'connected', ...this.#counters, buffered: this.#buffer.size, bufferedBytes: this.#buffer.bytes }
  }

  /**
   * Carry messages from now until `close`.
   * @param previous what is left by another bridge that this one replaces; until it is there, messages are only gathered
   */
  open (previous?: Promise<Leftover>): void {
    if (this.#client !== undefined || this.#closing !== undefined) return
    this.#become({ state: 'connecting' })
    const { url, username, password, tls, clientId, keepalive, clean, topics } = this.#settings
    this.#hearings = topics.local.map(({ filter }, i) => this.#local.subscribe(filter, message => { this.#hear(i, message) }))
    this.#client = mqtt.connect(url, {
      ...tls,
      ...username === undefined ? {} : { username },
      ...password === undefined ? {} : { password },
      clientId,
      keepalive,
      clean,
      protocolVersion: 4,
      connectTimeout: 10_000,
      reconnectPeriod: this.#nextDelay(),
      reconnectOnConnackError: true,
      // Subscribing again would bring every retained message again where the session is known.
      resubscribe: false,
      queueQoSZero: false,
      manualConnect: true
    } as IClientOptions)
    const client = this.#client
    this.#follow(client)
    if (previous === undefined) client.connect()
    else {
      void previous.then(({ unsent, taken }) => {
        this.#buffer.prepend(unsent)
        this.#taken = new Set(taken)
        if (this.#closing === undefined) client.connect()
      })
    }
  }

  /** Resolved when nothing waits for the other broker, or after `limit` ms. */
  async settled (limit: number): Promise<void> {
    if (this.#state.state !== 'connected' || this.#buffer.size === 0) return
    await Promise.race([new Promise<void>(resolve => { this.#drained.add(resolve) }), pause(limit, undefined, { ref: false })])
  }

  /**
   * Stop: what was sent gets its acknowledgement within `limit` ms.
   * @returns what is left unsent, for the next bridge
   */
  close (limit?: number): Promise<Unsent[]> {
    return this.leave(limit).then(({ unsent }) => unsent)
  }

  /** As `close`, for a bridge that goes on in the session of this one. */
  leave (limit = 1000): Promise<Leftover> {
    this.#closing ??= this.#end(limit)
    return this.#closing
  }

  async #end (limit: number): Promise<Leftover> {
    this.#connection.abort()
    for (const end of this.#hearings) end()
    const client = this.#client
    if (client !== undefined && this.#state.state !== 'closed') {
      const isOver = new Promise<void>(resolve => { setTimeout(resolve, limit).unref() })
      const isConnected = this.#state.state === 'connected'
      await this.settled(limit)
      client.options.reconnectPeriod = 0
      const ended = new Promise<void>(resolve => { client.end(!isConnected || this.#buffer.size > 0, () => { resolve() }) })
      await Promise.race([ended, isOver])
      client.stream?.destroy()
    }
    if (this.#state.state !== 'closed') this.#become({ state: 'closed' })
    return { unsent: this.#buffer.all(), taken: this.#taken }
  }

  #follow (client: MqttClient): void {
    client.on('packetsend', packet => {
      // mqtt-packet writes protocol level 0x84 for it; MQTT.js has no option of its own that gets there.
      if (packet.cmd === 'connect' && this.#bridgeBit) Object.assign(packet, { bridgeMode: true })
    })
    client.on('packetreceive', packet => { if (packet.cmd === 'pubrel') this.#taken.delete(packet.messageId ?? 0) })
    // MQTT.js takes it as an option for MQTT 5 alone, and calls it for every version, before PUBREC.
    client.options.customHandleAcks = (_topic, _payload, packet, done) => {
      const { qos, messageId = 0 } = packet as IPublishPacket
      if (qos < 2 || this.#taken.has(messageId)) return done(0)
      this.#receive(client, packet as IPublishPacket, () => {
        this.#taken.add(messageId)
        done(0)
      })
    }
    client.handleMessage = (packet, done) => {
      if (packet.qos === 2) done()
      else this.#receive(client, packet, done)
    }
    client.on('connect', ({ sessionPresent }) => { this.#connected(client, sessionPresent) })
    client.on('error', error => {
      this.#cause ??= error
      // [MQTT-3.1.2-2] Unacceptable protocol level.
      if (codeOf(error) === 1) this.#bridgeBit = false
    })
    client.on('close', () => { this.#disconnected(client) })
  }

  #connected (client: MqttClient, sessionPresent: boolean): void {
    const { clientId, topics } = this.#settings
    this.#cause = undefined
    if (!sessionPresent) this.#taken.clear()
    if (this.#local.hasClient?.(clientId) === true) return this.#giveUp(client)
    if (this.#everConnected) this.#counters.reconnects++
    this.#everConnected = true
    this.#connectedAt = performance.now()
    this.#connection = new AbortController()
    this.#told.delete('connection')
    this.#become({ state: 'connected' })
    if (topics.remote.length > 0 && !(sessionPresent && this.#subscribed)) this.#subscribe(client, sessionPresent)
    else this.#sendRetained(sessionPresent)
    this.#pump()
  }

  #giveUp (client: MqttClient): void {
    const error = new PlatziverseError('BRIDGE_TO_ITSELF', `The client id ${this.#settings.clientId} is a client of this broker.`)
    for (const end of this.#hearings) end()
    client.options.reconnectPeriod = 0
    client.end(true)
    this.#become({ state: 'closed', error })
    this.#tell(error, 'self')
  }

  #subscribe (client: MqttClient, sessionPresent: boolean): void {
    const wanted: Record<string, Pick<IClientSubscribeOptions, 'qos'>> = {}
    for (const { filter, qos } of this.#settings.topics.remote) wanted[filter] = { qos }
    client.subscribe(wanted, error => {
      // Without a SUBACK the connection ended before it; the next one subscribes again.
      const granted = error ? (error as { packet?: { granted: number[] } }).packet?.granted : []
      if (granted === undefined) return
      this.#subscribed = true
      const refused = Object.keys(wanted).filter((_, i) => (granted[i] ?? 0) >= 128)
      if (refused.length === 0) this.#told.delete('subscription')
      else this.#tell(new PlatziverseError('BRIDGE_SUBSCRIPTION_REFUSED', `Refused: ${refused.join(', ')}.`), 'subscription')
      this.#sendRetained(sessionPresent)
    })
  }

  /**
   * The other broker gets what is retained here after each connection, as Mosquitto's bridges do it: it may have come to know
   * nothing of it. Not so a topic that also comes from there to a session that it kept: what changed while they were apart is
   * on its way in both directions, and an older value would undo it.
   */
  #sendRetained (sessionPresent: boolean): void {
    const { topics } = this.#settings
    const { signal } = this.#connection
    const due = this.#due = new Set<string>()
    const send = async (): Promise<void> => {
      // Of a topic that both retain, its value stays: else they would exchange them.
      if (!sessionPresent && topics.remote.length > 0) await pause(settling, undefined, { signal })
      let read = 0
      for await (const { topic, origin } of this.#local.retained(topics.local.map(({ filter }) => filter), signal)) {
        // Reading waits for nothing, and others are to have their turns.
        if (++read % 500 === 0) await nextTurn()
        const target = topics.outward(topic)
        if (target === undefined || origin === this.#origin || (sessionPresent && topics.inward(target.topic) !== undefined)) continue
        due.add(topic)
      }
      for (const topic of due) {
        // What is published now goes first, and finds the buffer as empty as without this.
        while (this.#buffer.size >= window && !signal.aborted) await new Promise<void>(resolve => { this.#roomed = resolve })
        for await (const message of this.#local.retained([topic], signal)) {
          if (!signal.aborted && due.delete(topic)) this.#carry(message)
        }
        if (signal.aborted) return
      }
    }
    send().catch((error: unknown) => { if (!signal.aborted) this.emit('problem', problemOf(error as Error)) })
  }

  #disconnected (client: MqttClient): void {
    if (this.#closing !== undefined || this.#state.state === 'closed') return
    const wasConnected = this.#connectedAt !== undefined
    if (this.#connectedAt !== undefined && performance.now() - this.#connectedAt > lasting) this.#failures = 0
    // Some brokers hang up on a protocol level that they do not know instead of answering it.
    if (!wasConnected && this.#cause === undefined && this.#settings.bridgeBit && !this.#everConnected) this.#bridgeBit = !this.#bridgeBit
    this.#connectedAt = undefined
    this.#connection.abort()
    const error = problemOf(this.#cause ?? new Error('the other broker closed the connection'))
    this.#cause = undefined
    // MQTT.js has set its timer already; this is for the attempt after the next.
    client.options.reconnectPeriod = this.#nextDelay()
    this.#become({ state: 'connecting', error })
    this.#tell(error, 'connection')
  }

  #nextDelay (): number {
    const { min, max } = this.#settings.reconnect
    const delay = Math.min(max, min * 2 ** Math.min(this.#failures++, 30))
    return Math.ceil(delay * (0.5 + Math.random() / 2))
  }

  /** A message of this broker. */
  #hear (i: number, message: Delivered): void {
    if (!this.#settings.topics.isFirst(i, message.topic)) return
    if (message.retain) this.#due.delete(message.topic)
    this.#carry(message)
  }

  #carry ({ topic, payload, qos, retain, clientId, origin }: Delivered): void {
    const target = this.#settings.topics.outward(topic)
    if (target === undefined || origin === this.#origin) return
    if (this.#loops.leaves(target.topic, payload, origin ?? clientId ?? '', patienceWith(topic))) return this.#circled(topic)
    // The payload is a part of what its socket read at once, and would keep all of that.
    this.#keep({ topic: target.topic, payload: Buffer.from(payload), qos: lower(qos, target.qos), retain })
  }

  #keep (message: Unsent): void {
    const isLost = message.qos === 0 && this.#state.state !== 'connected'
    if (!isLost && this.#buffer.add(message)) return this.#pump()
    this.#counters.dropped++
    if (isLost) return
    this.#tell(new PlatziverseError('BRIDGE_BUFFER_FULL', `${this.#buffer.size} messages wait for the other broker.`), 'buffer')
  }

  /** Send what waits, as far as the window reaches. */
  #pump (): void {
    const client = this.#client
    if (this.#pumping || client === undefined) return
    this.#pumping = true
    try {
      // A client that is being ended refuses at once, which puts the message back: it would be the next one again.
      while (client.connected && !client.disconnecting && this.#connectedAt !== undefined) {
        const message = this.#buffer.take()
        if (message === undefined) break
        this.#send(client, message)
      }
    } finally {
      this.#pumping = false
    }
  }

  #send (client: MqttClient, message: Unsent): void {
    const { topic, payload, qos, retain } = message
    if (!this.#bridgeBit && this.#settings.topics.inward(topic) !== undefined) this.#loops.echoes(topic, payload)
    client.publish(topic, payload, { qos, retain }, error => {
      if (error && qos > 0) return this.#buffer.putBack(message)
      this.#buffer.remove(message)
      if (error) this.#counters.dropped++
      else this.#counters.sent++
      if (this.#buffer.size < window) this.#roomed?.()
      if (this.#buffer.size === 0) {
        this.#told.delete('buffer')
        for (const drained of this.#drained) drained()
        this.#drained.clear()
      }
      this.#pump()
    })
  }

  /** A message of the other broker, which gets its acknowledgement with `done`. */
  #receive (client: MqttClient, packet: IPublishPacket, done: () => void): void {
    const { stream } = client
    const isCurrent = (): boolean => client.stream === stream && client.connected
    this.#take(packet, isCurrent).then(() => {
      // A later connection has its own deliveries to acknowledge.
      if (isCurrent()) done()
    }, (error: unknown) => { this.emit('problem', problemOf(error as Error)) })
  }

  /** Resolved when this broker took the message, or nobody wants it any more. */
  async #take ({ topic, payload, qos, retain }: IPublishPacket, isWanted: () => boolean): Promise<void> {
    const target = this.#settings.topics.inward(topic)
    // A session of earlier options may still be subscribed to more.
    if (target === undefined) return
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    if (this.#loops.returns(topic, bytes, patienceWith(target.topic))) return this.#circled(topic)
    const publication: OutgoingPublication = { topic: target.topic, payload: bytes, qos: lower(qos, target.qos), retain }
    for (let attempt = 1; isWanted(); attempt++) {
      try {
        await this.#local.publish(publication, this.#origin)
        this.#counters.received++
        this.#told.delete('local')
        return
      } catch (error) {
        const code = error instanceof PlatziverseError ? error.code : undefined
        if (code === 'BROKER_MISSING' || code === 'DELIVERY_UNSETTLED') this.#tell(error as PlatziverseError, 'local')
        else if (code === 'PUBLISH_FORBIDDEN' || attempt === localAttempts) {
          this.#counters.dropped++
          this.#tell(new PlatziverseError('BRIDGE_LOCAL_REFUSED', `${reasonOf(error)}.`, { cause: error }), 'local')
          return
        }
        await pause(code === 'DELIVERY_UNSETTLED' ? unsettledRetry : localRetry)
      }
    }
  }

  #circled (topic: string): void {
    this.#counters.loops++
    // An echo is what a broker without the bridge bit always sends.
    if (this.#bridgeBit) this.#tell(new PlatziverseError('BRIDGE_LOOP', `A message of ${JSON.stringify(topic)} came round.`), 'loop')
  }

  #become (state: BridgeState): void {
    this.#state = state
    this.emit('state', state)
  }

  /** Tell a problem once, until `subject` is well again. */
  #tell (error: PlatziverseError, subject: string): void {
    if (this.#told.get(subject) === error.code) return
    this.#told.set(subject, error.code)
    this.emit('problem', error)
  }
}

function lower (one: 0 | 1 | 2, other: 0 | 1 | 2): 0 | 1 | 2 {
  return one < other ? one : other
}

/** Platforms publish again what they stored, and no two messages of agents are the same: one that comes round comes from another bridge. */
function patienceWith (topic: string): number | undefined {
  const kind = kindOf(topic)
  return kind === undefined ? undefined : kind === 'message' ? 0 : 1
}

function codeOf (error: Error): unknown {
  return (error as NodeJS.ErrnoException).code
}

const certificateCodes = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/

/** CONNACK gives 2, 4 and 5 to those whom the broker does not want. */
function problemOf (thrown: Error): PlatziverseError {
  // Where a name has several addresses, Node reports an error of errors without a text of its own.
  const cause = thrown instanceof AggregateError ? thrown.errors[0] as Error : thrown
  const code = codeOf(cause)
  const detail = `${(cause.message || String(code)).replace(/\.$/, '')}.`
  if (code === 2 || code === 4 || code === 5) return new PlatziverseError('BRIDGE_REFUSED', detail, { cause })
  if (typeof code === 'string' && certificateCodes.test(code)) return new PlatziverseError('BRIDGE_CERTIFICATE_REFUSED', detail, { cause })
  return new PlatziverseError('BRIDGE_UNREACHABLE', detail, { cause })
}
