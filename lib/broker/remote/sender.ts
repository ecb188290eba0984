import { setTimeout as pause } from 'node:timers/promises'
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt'
import { Backoff } from '../../backoff.ts'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { guard } from '../../mqtt-guard.ts'
import { matches, parseSubscription, type Filter } from '../../mqtt/topic-filters.ts'
import type { Problems } from '../../problems.ts'
import type { Delivered, OutgoingPublication, Subscriber } from '../publication.ts'
import { faultOf, isOtherVersion, refusalOf } from './faults.ts'
import { isGivenUp, RefusedMessage } from './refused-message.ts'
import type { RemoteSettings } from './settings.ts'
import { isSecure, portOf } from './transport.ts'

/** What may wait for a broker that is away. */
const mostWaiting = { messages: 10_000, bytes: 16_000_000 }
const retries = { min: 1_000, max: 30_000 }
/** ms after which a connection counts as one that lasts. */
const lasting = 10_000
/** ms without another retained message after which there are no more. */
const quiet = 500
/** Retained messages that are read at most, their bytes, and ms for all of them. */
const mostRetained = { messages: 10_000, bytes: 16_000_000, time: 10_000 }
/** ms that connecting may take. */
const patience = 10_000
/** ms in the end for the broker to take what it was given. */
const farewell = 1_000

interface Subscription { filter: Filter, subscriber: Subscriber }

export type SenderState = { state: 'connecting', error?: PlatziverseError } | { state: 'connected' }

/**
 * Publishes at a broker elsewhere, and receives for this process what others publish there. It is a connection of its own, without a session that is kept:
 * on that of the consumer, subscriptions that overlap would bring the same message twice, and slow subscribers would hold up the acknowledgements.
 */
export class Sender {
  readonly counters = { delivered: 0 }
  readonly #settings: RemoteSettings
  readonly #problems: Problems
  readonly #client: MqttClient
  readonly #backoff = new Backoff(retries, { jitter: true })
  #state: SenderState = { state: 'connecting' }
  #subscriptions = new Map<string, Set<Subscription>>()
  #waiting = { messages: 0, bytes: 0 }
  /** Called when nothing waits any more. */
  #drained: (() => void) | undefined
  #cause: Error | undefined
  #closed = false

  constructor (settings: RemoteSettings, problems: Problems, changed: () => void) {
    this.#settings = settings
    this.#problems = problems
    const become = (state: SenderState): void => {
      this.#state = state
      changed()
    }
    const client = this.#client = guard(mqtt.connect(optionsOf(settings, 'send', Math.ceil(this.#backoff.next()))))
    client.handleMessage = (packet, done) => { this.#receive(packet).then(() => { done() }, () => { done() }) }
    const refused = new RefusedMessage(client)
    let connectedAt = performance.now()
    let everConnected = false
    client.on('connect', () => {
      everConnected = true
      connectedAt = performance.now()
      this.#cause = undefined
      for (const filter of this.#subscriptions.keys()) this.#ask(filter)
      become({ state: 'connected' })
    })
    client.on('error', error => { this.#cause ??= error })
    client.on('close', () => {
      if (this.#closed) return
      if (this.#state.state === 'connected' && performance.now() - connectedAt > lasting) {
        this.#backoff.reset()
        problems.solved('sending')
        refused.forget()
      }
      // What is given up was all that was wrong.
      if (everConnected && this.#cause === undefined && refused.hungUp()) this.#backoff.reset()
      const code = (this.#cause as { code?: unknown } | undefined)?.code
      // Some brokers hang up on a version that they do not know instead of answering it.
      const isUnknown = typeof code === 'number' ? isOtherVersion(code) : this.#cause === undefined
      if (settings.version === 'auto' && !everConnected && isUnknown) client.options.protocolVersion = client.options.protocolVersion === 5 ? 4 : 5
      const error = typeof code === 'number' ? refusalOf(code) : faultOf(this.#cause)
      this.#cause = undefined
      client.options.reconnectPeriod = Math.ceil(this.#backoff.next())
      problems.report('sending', error)
      become({ state: 'connecting', error })
    })
  }

  get state (): SenderState { return this.#state }

  /** @throws PlatziverseError PUBLISH_FAILED */
  async publish ({ topic, payload, qos, retain }: OutgoingPublication): Promise<void> {
    const waiting = this.#waiting
    const bytes = payload.length + topic.length
    if (this.#closed) throw new PlatziverseError('PUBLISH_FAILED', 'The broker is closed.')
    if (waiting.messages >= mostWaiting.messages || waiting.bytes + bytes > mostWaiting.bytes) {
      throw new PlatziverseError('PUBLISH_FAILED', `${waiting.messages} messages wait for the broker already.`)
    }
    waiting.messages++
    waiting.bytes += bytes
    try {
      await this.#send({ topic, payload, qos, retain })
      this.counters.delivered++
    } catch (error) {
      const detail = isGivenUp(error) ? `The broker ended the connection each time that it was given a message on ${JSON.stringify(topic)}.` : `${reasonOf(error)}.`
      throw new PlatziverseError('PUBLISH_FAILED', detail, { cause: error })
    } finally {
      waiting.messages--
      waiting.bytes -= bytes
      if (waiting.messages === 0) this.#drained?.()
    }
  }

  /**
   * A new connection first sends again what earlier ones left, and MQTT.js gives up whatever is published during that time if this connection ends, too.
   * None of it was sent, so it waits for the next connection like everything else.
   */
  async #send ({ topic, payload, qos, retain }: OutgoingPublication): Promise<void> {
    for (;;) {
      try {
        await this.#client.publishAsync(topic, payload, { qos, retain })
        return
      } catch (error) {
        if (this.#closed || !isCutShort(error)) throw error
      }
    }
  }

  /** @returns ends the subscription */
  subscribe (text: string, subscriber: Subscriber): () => void {
    const filter = parseSubscription(text)
    if (filter === undefined) return () => undefined
    const subscription = { filter, subscriber }
    const others = this.#subscriptions.get(text)
    if (others === undefined) {
      this.#subscriptions.set(text, new Set([subscription]))
      if (this.#state.state === 'connected') this.#ask(text)
    } else others.add(subscription)
    return () => {
      const left = this.#subscriptions.get(text)
      if (left?.delete(subscription) !== true || left.size > 0) return
      this.#subscriptions.delete(text)
      if (this.#state.state === 'connected') this.#client.unsubscribe(text, () => undefined)
    }
  }

  /** Once for each connection; what MQTT.js itself would subscribe to again lacks what a connection cut short. */
  #ask (filter: string): void {
    this.#client.subscribe(filter, { qos: 1 }, error => {
      if (error === null || this.#closed || isCutShort(error)) return
      this.#problems.report(`subscription ${filter}`, new PlatziverseError('BROKER_SUBSCRIPTION_REFUSED', `The broker refused: ${filter}.`))
    })
  }

  /** Resolves when every subscriber is done with it: until then the broker is read no further. */
  async #receive ({ topic, payload, qos, retain }: IPublishPacket): Promise<void> {
    const levels = topic.split('/')
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    const delivered: Delivered = { topic, payload: bytes, qos, retain, clientId: undefined, origin: undefined }
    const working: unknown[] = []
    for (const subscriptions of this.#subscriptions.values()) {
      for (const { filter, subscriber } of subscriptions) {
        try {
          if (matches(filter, levels)) working.push(subscriber(delivered))
        } catch { /* the other subscribers must not pay for it */ }
      }
    }
    await Promise.allSettled(working)
  }

  /** The retained messages, as far as they come within a moment: MQTT does not say which is the last. */
  async * retained (filters: string[]): AsyncGenerator<Delivered> {
    const client = guard(mqtt.connect({ ...optionsOf(this.#settings, 'retained', 0), protocolVersion: this.#client.options.protocolVersion ?? 4 }))
    try {
      const found: Delivered[] = []
      let last = performance.now()
      let bytes = 0
      const isFull = (): boolean => found.length >= mostRetained.messages || bytes >= mostRetained.bytes
      client.on('message', (topic, payload, { qos, retain }) => {
        // What is published meanwhile may never end.
        if (!retain || isFull()) return
        last = performance.now()
        bytes += payload.length + topic.length
        found.push({ topic, payload, qos, retain, clientId: undefined, origin: undefined })
      })
      await new Promise<void>((resolve, reject) => {
        client.once('connect', () => { resolve() })
        client.on('error', reject)
        client.once('close', () => { reject(new Error('the broker closed the connection')) })
      })
      await client.subscribeAsync(filters, { qos: 1 })
      const end = performance.now() + mostRetained.time
      last = performance.now()
      for (let left = quiet; left > 0 && !isFull(); left = Math.min(last + quiet, end) - performance.now()) await pause(left, undefined, { ref: false })
      yield * found
    } catch (error) {
      throw new PlatziverseError('BROKER_UNREACHABLE', `The retained messages could not be read: ${reasonOf(error)}.`, { cause: error })
    } finally {
      client.end(true)
    }
  }

  async close (): Promise<void> {
    this.#closed = true
    this.#subscriptions.clear()
    if (this.#state.state === 'connected' && this.#waiting.messages > 0) {
      await Promise.race([new Promise<void>(resolve => { this.#drained = resolve }), pause(farewell, undefined, { ref: false })])
    }
    await new Promise<void>(resolve => { this.#client.end(true, () => { resolve() }) })
  }
}

function isCutShort (error: unknown): boolean {
  return error instanceof Error && error.message === 'Connection closed'
}

function optionsOf ({ urls, tls, login, clientId, keepalive, version }: RemoteSettings, purpose: string, reconnectPeriod: number): IClientOptions {
  const servers = urls.map(url => {
    const { protocol, hostname } = new URL(url)
    // MQTT.js makes a URL of it again for a WebSocket, where an address of IPv6 needs its brackets.
    const host = protocol.startsWith('ws') ? hostname : hostname.replace(/^\[|\]$/g, '')
    return { protocol: protocol.slice(0, -1), host, port: portOf(url) } as { protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss', host: string, port: number }
  })
  const { pathname, search } = new URL(urls[0] as string)
  return {
    ...urls.some(isSecure) ? tls : {},
    ...login,
    servers,
    protocol: servers[0]?.protocol,
    path: pathname + search,
    clientId: `${clientId}-${purpose}`,
    keepalive,
    clean: true,
    resubscribe: false,
    protocolVersion: version === '3.1.1' ? 4 : 5,
    connectTimeout: patience,
    reconnectPeriod,
    reconnectOnConnackError: true
  } as IClientOptions
}
