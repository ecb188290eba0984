import { EventEmitter } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { PlatziverseError } from '../../errors.ts'
import { topics } from '../../messages/topics.ts'
import { countVersions } from '../../mqtt/protocol-version.ts'
import { Problems } from '../../problems.ts'
import type { AgentOwnership } from '../agent-ownership.ts'
import { isElsewhere, type BrokerOptions, type RemoteBrokerOptions } from '../broker-options.ts'
import type { Broker, BrokerEvents, BrokerStatistics, ListenerState } from '../broker.ts'
import type { Delivered, OutgoingPublication, Publication, Subscriber, Taker } from '../publication.ts'
import { watchClients } from './client-events.ts'
import { Consumer, type ConsumerCounters } from './consumer.ts'
import { Sender } from './sender.ts'
import { resolveRemoteOptions, type RemoteSettings } from './settings.ts'
import { agentsTask, topicsFilters, topicsTask } from './tasks.ts'
import { sharesSubscriptions } from './share-probe.ts'
import { watchDropped, watchSilence } from './unsaid.ts'
import { hostOf } from '../../mqtt/link/transport.ts'

/** Who may speak for which agent is decided by the access rules of the broker: this process does not learn who published. */
const nobodys: AgentOwnership = { mostPerUser: 0, claim: () => 'theirs', mayEnd: () => undefined, forget: async () => undefined, forgetUser: async () => 0 }

/**
 * A broker elsewhere, of which this process is a client.
 * @throws PlatziverseError BROKER_OPTION_INVALID
 */
export async function openRemoteBroker (taker: Taker, options: RemoteBrokerOptions): Promise<Broker> {
  return new RemoteBroker(taker, resolveRemoteOptions(options))
}

/** @returns undefined: they are not valid, and the worker does not connect with them */
function settingsOf (options: RemoteBrokerOptions): RemoteSettings | undefined {
  try {
    return resolveRemoteOptions(options)
  } catch {
    return undefined
  }
}

/** Whether the connection of one is not that of the other. */
export function needsAnotherConnection (before: RemoteBrokerOptions, after: RemoteBrokerOptions): boolean {
  return !isDeepStrictEqual(before, after)
}

class RemoteBroker extends EventEmitter<BrokerEvents> implements Broker {
  readonly hasSubscribers = true
  readonly owners = nobodys
  readonly #taker: Taker
  readonly #settings: RemoteSettings
  readonly #problems = new Problems(problem => { this.emit('problem', problem) })
  readonly #sender: Sender
  readonly #ending = new AbortController()
  readonly #watching: (() => void) | undefined
  /** Takes what agents publish. */
  #consumer: Consumer | undefined
  /** Reads the other topics. */
  #reader: Consumer | undefined
  /** Whether the broker was asked whether it shares subscriptions. */
  #probed = false
  /** It does not, and so this worker gets nothing. */
  #deaf: PlatziverseError | undefined
  /** Ends the watches that began with the first connection. */
  #unwatch: (() => void) | undefined
  #shown = ''
  #closing: Promise<void> | undefined

  constructor (taker: Taker, settings: RemoteSettings) {
    super()
    this.#taker = taker
    this.#settings = settings
    this.#sender = new Sender(settings, this.#problems, () => { this.#changed() })
    if (settings.clientEvents !== undefined) {
      this.#watching = watchClients(settings.clientEvents, this.#sender, (goodbye, taken) => {
        if (taker.takes(goodbye.topic)) taker.take(goodbye, taken)
        else taken()
      })
    }
    this.takerChanged()
  }

  get listenerStates (): readonly ListenerState[] {
    if (this.#closing !== undefined) return [{ state: 'closed' }]
    const states = [this.#consumer?.state, this.#reader?.state, this.#sender.state].filter(state => state !== undefined)
    const failed = states.find(state => state.state === 'connecting' && state.error !== undefined)
    if (failed?.state === 'connecting' && failed.error !== undefined) return [{ state: 'failed', error: failed.error }]
    if (this.#deaf !== undefined) return [{ state: 'failed', error: this.#deaf }]
    if (states.every(({ state }) => state === 'connected')) return [{ state: 'connected', address: this.#consumer?.state.state === 'connected' ? this.#consumer.state.address : hostOf(this.#settings.urls[0] as string) }]
    return [{ state: 'starting' }]
  }

  takerChanged (): void {
    if (this.#closing !== undefined) return
    const isWanted = this.#taker.takes(topics.message)
    if (isWanted && this.#consumer === undefined) {
      this.#consumer = new Consumer(agentsTask(this.#taker, this.#settings), this.#settings.filters, this.#settings, this.#problems, () => { this.#changed() })
      this.#consumer.open()
    } else if (!isWanted && this.#consumer !== undefined) {
      // Nobody takes them any more: the broker is not to keep what comes for this worker. What it has for it already stays there.
      void this.#consumer.close(this.#settings.filters)
      this.#consumer = undefined
      this.#changed()
    }
    this.#readTopics()
  }

  #readTopics (): void {
    const filters = topicsFilters(this.#taker, this.#settings)
    if (this.#reader !== undefined) {
      if (filters.length > 0) return this.#reader.subscribe(filters)
      void this.#reader.close(this.#reader.filters)
      this.#reader = undefined
      this.#changed()
    } else if (filters.length > 0) {
      this.#reader = new Consumer(topicsTask(this.#taker, this.#settings), filters, this.#settings, this.#problems, () => { this.#changed() })
      this.#reader.open()
    }
  }

  returns (topic: string): boolean {
    return (this.#settings.isSubscribedTo(topic) && this.#taker.takes(this.#settings.contractTopic(topic))) || this.#taker.reads?.(topic) === true
  }

  get returning (): string[] {
    return this.#settings.agentTopics.filter(topic => this.returns(topic))
  }

  statistics (): BrokerStatistics {
    const counters = [this.#consumer, this.#reader].flatMap(consumer => consumer?.counters ?? [])
    const total = (name: keyof ConsumerCounters): number => counters.reduce((sum, { [name]: count }) => sum + count, 0)
    const [received, connections] = [total('received'), total('connections')]
    const { delivered, tooLarge } = this.#sender.counters
    const dropped = tooLarge + total('tooLarge')
    const clients = { clients: 0, clientsByVersion: countVersions([]) }
    return { ...clients, connections, refused: 0, refusedBy: {}, received, delivered, dropped, droppedBy: dropped > 0 ? { packetBytes: dropped } : {}, cutOff: 0 }
  }

  /** Other options need another connection, and so another broker: see `needsAnotherConnection`. */
  configure (): void {}

  publish (publication: OutgoingPublication): Promise<void> {
    return this.#sender.publish(publication)
  }

  async bring (publication: Publication): Promise<void> {
    // Over there it would be news.
    if (publication.replayed !== true) await this.#sender.publish(publication)
  }

  subscribe (filter: string, subscriber: Subscriber): () => void {
    return this.#sender.subscribe(filter, subscriber)
  }

  retained (filters: string[]): AsyncIterable<Delivered> {
    return this.#sender.retained(filters)
  }

  close (successor?: BrokerOptions): Promise<void> {
    this.#closing ??= (async () => {
      this.#ending.abort()
      this.#unwatch?.()
      this.#watching?.()
      await Promise.all([
        ...[this.#consumer, this.#reader].map(consumer => consumer?.close(this.#forsaken(consumer.filters, successor))),
        this.#sender.close()
      ])
    })()
    return this.#closing
  }

  /**
   * The filters that are to end. In another session: those that workers share, because the others would not get this one's share. What this one had for
   * itself the broker keeps for as long as the session, in case it comes back.
   */
  #forsaken (filters: readonly string[], successor: BrokerOptions | undefined): readonly string[] {
    if (successor === undefined) return []
    const { clientId, shared } = this.#settings
    const next = isElsewhere(successor) ? settingsOf(successor) : undefined
    // Another address may be another name of the same broker.
    if (next?.clientId !== clientId) return shared ? filters : []
    const kept = [...next.filters, ...topicsFilters(this.#taker, next)]
    return filters.filter(filter => !kept.includes(filter))
  }

  /** Look once whether what this worker subscribed to means what it should. */
  async #probe (): Promise<void> {
    const consumer = this.#consumer
    if (this.#probed || !this.#settings.shared || consumer?.state.state !== 'connected' || consumer.speaksVersion5 || this.#sender.state.state !== 'connected') return
    this.#probed = true
    const shares = await sharesSubscriptions(this.#sender, this.#settings.clientId, this.#ending.signal)
    if (shares !== false || consumer.counters.received > 0) return
    this.#deaf = new PlatziverseError('BROKER_CANNOT_SHARE', 'A message to a shared subscription of this worker did not come back.')
    this.#problems.report('sharing', this.#deaf)
    this.#changed()
  }

  /** Whether messages come; undefined: they cannot now. */
  #hears (): boolean | undefined {
    if (this.#consumer?.state.state !== 'connected' || this.#deaf !== undefined) return undefined
    return [this.#consumer, this.#reader].some(consumer => consumer !== undefined && consumer.counters.received + consumer.unacknowledged > 0)
  }

  /** Look, once messages can come, for what a broker does not say by itself. */
  #watch (): void {
    if (this.#unwatch !== undefined || this.#closing !== undefined || this.#hears() === undefined || this.#sender.state.state !== 'connected') return
    const filters = (): string[] => [this.#consumer, this.#reader].flatMap(consumer => consumer?.filters ?? [])
    const ends = [watchDropped(this.#sender, this.#problems), watchSilence(() => this.#hears(), filters, this.#problems)]
    this.#unwatch = () => { for (const end of ends) end() }
  }

  #changed (): void {
    void this.#probe()
    this.#watch()
    const [state] = this.listenerStates
    const shown = JSON.stringify(state)
    if (state === undefined || shown === this.#shown) return
    this.#shown = shown
    this.emit('listener', state, 0)
  }
}
