import { EventEmitter, once } from 'node:events'
import type { Duplex } from 'node:stream'
import { Backoff } from '../backoff.ts'
import type { AgentOwnership } from '../broker/agent-ownership.ts'
import type { Arrival } from '../broker/arrival.ts'
import { isElsewhere, type BrokerOptions, type RemoteBrokerOptions } from '../broker/broker-options.ts'
import type { Broker, BrokerStatistics, ClientEvent, ClientInfo, ListenerState } from '../broker/broker.ts'
import { isSameElsewhere, needsAnotherBroker, openBroker } from '../broker/engine/open-broker.ts'
import type { Connection, Delivered, OutgoingPublication, Publication, Subscriber } from '../broker/publication.ts'
import type { BrokerSnapshot } from '../broker/snapshot.ts'
import { PlatziverseError, reasonOf } from '../errors.ts'
import type { IntakeStatistics } from '../intake/intake-statistics.ts'
import { BrokerControl } from './broker-control.ts'
import { SlotIntakes } from './slot-intakes.ts'

/** ms between attempts to make a broker. */
const retries = { min: 1_000, max: 30_000 }

export type Statistics = BrokerStatistics & IntakeStatistics

const nothing: BrokerStatistics = { clients: 0, clientsByVersion: { '3.1': 0, '3.1.1': 0, '5': 0 }, connections: 0, refused: 0, refusedBy: {}, received: 0, delivered: 0, dropped: 0, droppedBy: {}, cutOff: 0 }

interface SlotEvents {
  /** Something that an operator should know. */
  problem: [PlatziverseError]
  /** A listener opened, failed or closed; the state of the first one. */
  listener: [ListenerState]
  client: [ClientEvent]
}

/** A subscription of this process; `end` ends it at the current broker. */
interface LocalSubscription { filter: string, subscriber: Subscriber, end?: () => void }

const closed: ListenerState = { state: 'closed' }

/** Until there is a broker, which knows the owners: agents belong to nobody. */
const nobodys: AgentOwnership = { mostPerUser: 0, claim: () => 'theirs', mayEnd: () => undefined, forget: async () => undefined, forgetUser: async () => 0 }

/**
 * One broker, by the id of its node. It outlives the node, and so does the broker in it: that is why a
 * deploy does not hang up on clients. Other parts find the broker here, and never keep it.
 */
export class BrokerSlot extends EventEmitter<SlotEvents> {
  readonly intakes = new SlotIntakes()
  readonly control = new BrokerControl({
    broker: () => this.#broker,
    opened: () => this.#opened(),
    options: () => ({ deployed: this.#deployed, now: this.#options }),
    apply: options => this.#apply(options)
  })

  /** Whether there is a node for the broker now. */
  attached = false
  /** Which user each agent belongs to, as the current or the last broker knows it: what a broker left in the intakes is still checked. */
  owners: AgentOwnership = nobodys
  #broker: Broker | undefined
  /** The options in force: those that were deployed, with what was reloaded since. */
  #options: BrokerOptions | undefined
  #deployed: BrokerOptions | undefined
  #opening: Promise<void> | undefined
  /** Resolves when the last broker that was closed has freed its ports and its folder. */
  #freed: Promise<unknown> = Promise.resolve()
  /** Counts the brokers that were asked for, so that one that is ready too late is known as such. */
  #generation = 0
  /** Why the broker could not be made. */
  #failure: PlatziverseError | undefined
  /** Why the broker's disk accepts nothing. */
  #diskFailure: PlatziverseError | undefined
  #retry: NodeJS.Timeout | undefined
  #backoff = new Backoff(retries)
  #subscriptions = new Set<LocalSubscription>()
  readonly #openBroker: typeof openBroker

  /** @param open opens the broker of the node's options */
  constructor (open: typeof openBroker = openBroker) {
    super()
    this.#openBroker = open
  }

  /** In the order of the options; the first one stands for the broker. */
  get listenerStates (): readonly ListenerState[] {
    if (this.#failure !== undefined) return [{ state: 'failed', error: this.#failure }]
    if (this.#diskFailure !== undefined) return [{ state: 'failed', error: this.#diskFailure }]
    const states = this.#broker?.listenerStates ?? []
    return states.length > 0 ? states : [closed]
  }

  get listener (): ListenerState {
    return this.listenerStates[0] ?? closed
  }

  /** False when nobody could receive what is published now. True without a broker: then publishing fails, instead of passing for done. */
  get hasSubscribers (): boolean {
    return this.#broker?.hasSubscribers ?? true
  }

  /** Agent-ins came or went: the broker may have to know. */
  intakesChanged (): void {
    this.#broker?.takerChanged?.()
  }

  /** Whether an agent-in reads along what is published on the topic. */
  reads (topic: string): boolean {
    return this.intakes.reads(topic)
  }

  /** Whether what this process publishes on the topic would come back to an agent-in of it. */
  returns (topic: string): boolean {
    return this.#broker?.returns?.(topic) ?? false
  }

  /** The topics of agents for which `returns` is true. */
  get returning (): readonly string[] {
    return this.#broker?.returning ?? []
  }

  /** Whether the node of another slot stands for the same broker elsewhere. */
  isSameAs (other: BrokerSlot): boolean {
    return this.#options !== undefined && other.#options !== undefined && isSameElsewhere(this.#options, other.#options)
  }

  /** Whether the broker runs elsewhere, and its clients' connections are not here. */
  get isElsewhere (): boolean {
    return this.#options !== undefined && isElsewhere(this.#options)
  }

  /** How others of this machine come to a broker elsewhere; undefined: it is not there, or it is here. */
  get remote (): RemoteBrokerOptions | undefined {
    return this.#options !== undefined && isElsewhere(this.#options) ? this.#options : undefined
  }

  get isOpen (): boolean { return this.#opening !== undefined }

  get freed (): Promise<unknown> { return this.#freed }

  /** Whether this process is subscribed to something. */
  get hasLocalSubscribers (): boolean { return this.#subscriptions.size > 0 }

  get ports (): number[] {
    return this.listenerStates.flatMap(listener => listener.state === 'listening' ? [listener.port] : [])
  }

  /** Apply the options of the node. Clients stay connected, unless the options need another broker. */
  async open (options: BrokerOptions): Promise<void> {
    if (this.#opening !== undefined && this.#options !== undefined && needsAnotherBroker(this.#options, options)) void this.close(options)
    this.#deployed = options
    await this.#apply(options)
  }

  async #apply (options: BrokerOptions): Promise<void> {
    clearTimeout(this.#retry)
    this.#options = options
    const opening = this.#opening ??= this.#make(options, ++this.#generation)
    await opening
    if (this.#opening === opening && this.#options === options) this.#broker?.configure(options)
  }

  async #make (options: BrokerOptions, generation: number): Promise<void> {
    await this.#freed
    if (generation !== this.#generation) return
    try {
      const broker = await this.#openBroker(this.intakes, options)
      if (generation !== this.#generation) return await broker.close()
      this.#failure = undefined
      this.#backoff.reset()
      this.#broker = broker
      this.owners = broker.owners
      broker.on('listener', () => { this.emit('listener', this.listener) })
      broker.on('client', event => { this.emit('client', event) })
      broker.on('disk', error => {
        this.#diskFailure = error
        this.emit('listener', this.listener)
      })
      broker.on('problem', problem => { this.emit('problem', problem) })
      for (const subscription of this.#subscriptions) subscription.end = broker.subscribe(subscription.filter, subscription.subscriber)
      this.emit('listener', this.listener)
    } catch (error) {
      if (generation !== this.#generation) return
      this.#opening = undefined
      this.#failure = error instanceof PlatziverseError ? error : new PlatziverseError('BROKER_LISTEN_FAILED', `${reasonOf(error)}.`, { cause: error })
      this.#retry = setTimeout(() => { if (this.#options !== undefined) void this.#apply(this.#options) }, this.#backoff.next()).unref()
      this.emit('listener', this.listener)
    }
  }

  /** The broker, once it is there. */
  async #opened (): Promise<Broker> {
    if (this.#broker === undefined) await this.#opening
    if (this.#broker === undefined) throw this.#failure ?? new PlatziverseError('BROKER_MISSING', 'The broker is not there.')
    return this.#broker
  }

  /**
   * Never rejects: a broker that cannot be closed well is closed all the same.
   * @param successor describes the broker that takes its place
   */
  close (successor?: BrokerOptions): Promise<unknown> {
    clearTimeout(this.#retry)
    this.#generation++
    const [opening, broker] = [this.#opening, this.#broker]
    this.#opening = undefined
    this.#broker = undefined
    this.#options = undefined
    this.#deployed = undefined
    this.#failure = undefined
    this.#diskFailure = undefined
    for (const subscription of this.#subscriptions) delete subscription.end
    this.#freed = Promise.allSettled([this.#freed, opening, broker?.close(successor)])
    return this.#freed
  }

  /** @throws PlatziverseError BROKER_MISSING, PUBLISH_FAILED */
  publish (publication: OutgoingPublication, origin?: string): Promise<void> {
    return this.#broker?.publish(publication, origin) ?? this.#opened().then(broker => broker.publish(publication, origin))
  }

  /** @throws PlatziverseError BROKER_MISSING, PUBLISH_FORBIDDEN, PUBLISH_FAILED, DELIVERY_UNSETTLED */
  async bring (publication: Publication, origin?: string): Promise<void> {
    const broker = this.#broker ?? await this.#opened()
    await broker.bring(publication, origin)
  }

  /** Receive what is published, also by a broker that opens later. @returns ends it */
  subscribe (filter: string, subscriber: Subscriber): () => void {
    const subscription: LocalSubscription = { filter, subscriber }
    this.#subscriptions.add(subscription)
    if (this.#broker !== undefined) subscription.end = this.#broker.subscribe(filter, subscriber)
    return () => {
      this.#subscriptions.delete(subscription)
      subscription.end?.()
    }
  }

  /**
   * The retained messages; waits for a broker that is not there yet.
   * @throws AbortError when `signal` ends the wait
   */
  async * retained (filters: string[], signal: AbortSignal): AsyncGenerator<Delivered> {
    while (this.#broker === undefined) await once(this, 'listener', { signal })
    yield * this.#broker.retained(filters)
  }

  accept (stream: Duplex, arrival: Arrival): void {
    if (this.#broker?.accept === undefined) stream.destroy()
    else this.#broker.accept(stream, arrival)
  }

  refused (by: string, reason: string, address: string | undefined): void {
    this.#broker?.refused?.(by, reason, address)
  }

  clients (): ClientInfo[] {
    return this.#broker?.clients?.() ?? []
  }

  /** See `ClientHost`; 0 without a broker. */
  get retainedChanges (): number {
    return this.#broker?.retainedChanges ?? 0
  }

  statistics (): Statistics {
    return { ...this.#broker?.statistics() ?? nothing, ...this.intakes.statistics() }
  }

  /** Undefined while the broker is not there. */
  snapshot (): BrokerSnapshot | undefined {
    const snapshot = this.#broker?.snapshot?.()
    if (snapshot === undefined) return undefined
    const { agents, unsettled, waiting, rejected } = this.intakes.statistics()
    return { ...snapshot, agents, unsettled, waiting, rejected }
  }

  /** A connection that is not the broker's own, such as a bridge's, is gone. */
  gone (connection: Connection, comesBack?: boolean, patience?: number): void {
    this.intakes.gone(connection, comesBack, patience)
  }
}
