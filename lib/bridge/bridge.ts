import { EventEmitter } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { IClientOptions, IConnackPacket, MqttClient } from 'mqtt'
import { Backoff } from '../backoff.ts'
import { PlatziverseError } from '../errors.ts'
import { HungUp, isHangUp, isOtherVersion, tooLarge } from '../mqtt/link/faults.ts'
import { connectGuarded } from '../mqtt/link/mqtt-guard.ts'
import type { Unsent } from './buffer.ts'
import { BridgeContext, type LocalBroker } from './context.ts'
import { Inward } from './inward.ts'
import { resolveBridgeOptions, type BridgeOptions } from './options.ts'
import { Outward } from './outward.ts'
import { codeOf, problemOf } from './problems.ts'
import { RefusalWatch } from './refusal-watch.ts'
import { termsOf } from './terms.ts'

export type { Unsent } from './buffer.ts'
export type { LocalBroker } from './context.ts'
export type { BridgeOptions } from './options.ts'
export type { BridgeTopic } from './topics.ts'

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
  /** Messages that went no further: the buffer was full, the other broker away (QoS 0), or this broker refused them. */
  dropped: number
  /** Messages that came round, and were not carried again. */
  loops: number
  reconnects: number
}

export interface BridgeEvents {
  state: [BridgeState]
  /** Something that an operator should know; the same problem again only after it was over. */
  problem: [PlatziverseError]
}

/** What a bridge leaves to the one that replaces it. */
export interface Leftover {
  unsent: Unsent[]
  /** Packet ids of messages of QoS 2 that were taken, though the other broker does not know it yet. */
  taken: ReadonlySet<number>
}

/** The largest packet that is taken from the other broker, in bytes: a bridge may carry more than metrics, such as pictures. */
const largestPacket = 16 * 1024 * 1024
/** The most messages that the other broker may have sent without an acknowledgement. MQTT.js keeps those of QoS 2 until they are released. */
const mostComing = 100
/** Of a session, in seconds. [MQTT 5, 3.1.2.11.2] A session of MQTT 3.1.1 has no end either. */
const forEver = 0xffff_ffff
/** Ms after which a connection counts as one that lasts. */
const lasting = 10_000

/**
 * Carries messages between this broker and another one, over one connection.
 *
 * MQTT.js 5 keeps both halves of the MQTT session over lost connections, and sends again under the same packet ids what
 * was not acknowledged [MQTT-4.4.0-1].
 * @throws PlatziverseError BRIDGE_OPTION_INVALID from the constructor
 */
export class Bridge extends EventEmitter<BridgeEvents> {
  readonly #context: BridgeContext
  readonly #outward: Outward
  readonly #inward: Inward
  readonly #backoff: Backoff
  #client: MqttClient | undefined
  #refused: RefusalWatch | undefined
  #state: BridgeState = { state: 'closed' }
  #everConnected = false
  #connectedAt: number | undefined
  /** Why the current connection ends. */
  #cause: Error | undefined
  /** Settled once what the bridge before this one leaves is here. */
  #resumed: Promise<void> | undefined
  #closing: Promise<Leftover> | undefined

  /** @param backlog what another bridge of these options left unsent */
  constructor (local: LocalBroker, options: BridgeOptions, backlog: Unsent[] = []) {
    super()
    this.#context = new BridgeContext(local, resolveBridgeOptions(options), problem => { this.emit('problem', problem) })
    this.#outward = new Outward(this.#context, backlog)
    this.#inward = new Inward(this.#context)
    this.#backoff = new Backoff(this.#context.settings.reconnect, { jitter: true })
  }

  get clientId (): string { return this.#context.settings.clientId }

  /** Names what comes over this bridge. */
  get origin (): string { return this.#context.origin }

  get state (): BridgeState { return this.#state }

  statistics (): BridgeStatistics {
    const { buffered, bytes: bufferedBytes } = this.#outward
    return { connected: this.#state.state === 'connected', ...this.#context.counters, buffered, bufferedBytes }
  }

  /**
   * Carry messages from now until `close`.
   * @param previous what another bridge leaves that this one replaces; messages are only gathered until it is there
   */
  open (previous?: Promise<Leftover>): void {
    if (this.#client !== undefined || this.#closing !== undefined) return
    this.#become({ state: 'connecting' })
    const { counters, problems, settings: { url, username, password, tls, clientId, keepalive, clean } } = this.#context
    this.#outward.start()
    this.#client = connectGuarded(url, {
      ...tls,
      ...username === undefined ? {} : { username },
      ...password === undefined ? {} : { password },
      clientId,
      keepalive,
      clean,
      properties: { receiveMaximum: mostComing, ...clean ? {} : { sessionExpiryInterval: forEver } },
      protocolVersion: this.#context.way.version,
      connectTimeout: 10_000,
      reconnectPeriod: Math.ceil(this.#backoff.next()),
      reconnectOnConnackError: true,
      // Subscribing again would bring every retained message again where the session is known.
      resubscribe: false,
      queueQoSZero: false,
      manualConnect: true
    } as IClientOptions, {
      largest: largestPacket,
      steppedOver: packet => {
        counters.dropped++
        problems.report('packet', tooLarge(packet, largestPacket))
      }
    })
    const client = this.#client
    this.#refused = new RefusalWatch(client)
    this.#follow(client)
    if (previous === undefined) client.connect()
    else {
      this.#resumed = previous.then(({ unsent, taken }) => {
        this.#outward.prepend(unsent)
        this.#inward.resume(taken)
        if (this.#closing === undefined) client.connect()
      })
    }
  }

  /** Resolves when nothing waits for the other broker, or after `limit` ms. */
  async settled (limit: number): Promise<void> {
    if (this.#state.state !== 'connected' || this.#outward.buffered === 0) return
    await Promise.race([this.#outward.drained(), pause(limit, undefined, { ref: false })])
  }

  /**
   * Stop; what was sent has `limit` ms to be acknowledged.
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
    this.#outward.stop()
    // Replaced before it began: what it was to send is the next one's.
    await this.#resumed
    const client = this.#client
    // MQTT.js throws where a client is ended that never had a stream.
    if (client?.stream !== undefined && this.#state.state !== 'closed') {
      const isOver = new Promise<void>(resolve => { setTimeout(resolve, limit).unref() })
      const isConnected = this.#state.state === 'connected'
      await this.settled(limit)
      client.options.reconnectPeriod = 0
      const ended = new Promise<void>(resolve => { client.end(!isConnected || this.#outward.buffered > 0, () => { resolve() }) })
      await Promise.race([ended, isOver])
      client.stream.destroy()
    }
    if (this.#state.state !== 'closed') this.#become({ state: 'closed' })
    return { unsent: this.#outward.unsent(), taken: this.#inward.taken }
  }

  #follow (client: MqttClient): void {
    client.on('packetsend', packet => {
      const { version, hearsItself } = this.#context.way
      // mqtt-packet writes protocol level 0x84 for it; MQTT.js has no option of its own that gets there.
      if (packet.cmd === 'connect' && version === 4 && !hearsItself) Object.assign(packet, { bridgeMode: true })
    })
    this.#inward.receiveFrom(client)
    client.on('connect', connack => { this.#connected(client, connack) })
    client.on('disconnect', packet => { this.#cause ??= new HungUp(packet) })
    client.on('error', error => { this.#cause ??= error })
    client.on('close', () => { this.#disconnected(client) })
  }

  #connected (client: MqttClient, { sessionPresent, properties }: IConnackPacket): void {
    const { settings, local, counters, problems, spoken } = this.#context
    this.#cause = undefined
    spoken.letIn()
    if (!sessionPresent) this.#inward.sessionLost()
    if (local.hasClient?.(settings.clientId) === true) return this.#giveUp(client)
    if (this.#everConnected) counters.reconnects++
    this.#everConnected = true
    this.#connectedAt = performance.now()
    this.#outward.connected(client, termsOf(properties))
    problems.solved('connection')
    this.#become({ state: 'connected' })
    this.#inward.connected(client, sessionPresent, () => { this.#outward.sendRetained(sessionPresent) })
    this.#outward.pump()
  }

  #giveUp (client: MqttClient): void {
    const { settings, problems } = this.#context
    const error = new PlatziverseError('BRIDGE_TO_ITSELF', `The client id ${settings.clientId} is a client of this broker.`)
    this.#outward.stop()
    client.options.reconnectPeriod = 0
    client.end(true)
    this.#become({ state: 'closed', error })
    problems.report('self', error)
  }

  #disconnected (client: MqttClient): void {
    if (this.#closing !== undefined || this.#state.state === 'closed') return
    const { spoken, problems } = this.#context
    if (this.#connectedAt === undefined && this.#isOtherWay() && spoken.refused(this.#cause !== undefined)) return this.#tryOtherWay(client)
    client.options.protocolVersion = spoken.now.version
    if (this.#connectedAt !== undefined && performance.now() - this.#connectedAt > lasting) {
      this.#backoff.reset()
      this.#refused?.forget()
    }
    // What is given up was all that was wrong.
    if (this.#everConnected && isHangUp(this.#cause) && this.#refused?.hungUp() === true) this.#backoff.reset()
    this.#connectedAt = undefined
    this.#outward.disconnected()
    const error = problemOf(this.#cause ?? new Error('the other broker closed the connection'))
    this.#cause = undefined
    // MQTT.js has set its timer already; this is for the attempt after the next.
    client.options.reconnectPeriod = Math.ceil(this.#backoff.next())
    this.#become({ state: 'connecting', error })
    problems.report('connection', error)
  }

  /** Whether an attempt came to nothing because of how it was made: some brokers hang up on a protocol level that they do not know instead of answering it. */
  #isOtherWay (): boolean {
    return this.#cause === undefined || isOtherVersion(Number(codeOf(this.#cause)))
  }

  /** In the session that MQTT.js keeps, and without a word. */
  #tryOtherWay (client: MqttClient): void {
    this.#cause = undefined
    client.options.protocolVersion = this.#context.way.version
    client.connect()
  }

  #become (state: BridgeState): void {
    this.#state = state
    this.emit('state', state)
  }
}
