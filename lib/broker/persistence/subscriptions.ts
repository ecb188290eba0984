import { Readable } from 'node:stream'
import { isShared, sharedFilter } from '../../mqtt/topic-filters.ts'
import { TopicTree } from '../../mqtt/topic-tree.ts'
import { filterBytes, textBytes } from '../state-bytes.ts'
import type { Client, Context } from './context.ts'
import type { Subscription } from './journal/records.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** A subscription whose publications are queued. */
export type QueuedSubscription = Subscription & { clientId: string }

/** Topics whose subscriptions are remembered. Publishers choose topics, so long ones are not remembered. */
const mostTopics = 1_000
const mostTopicLength = 128

/** The subscriptions of the sessions, and which of them queue a publication. */
export class Subscriptions {
  #context: Context
  #sessions: Sessions
  /** By filter and client. */
  #routes = new TopicTree<Map<string, QueuedSubscription>>()
  /** Shared subscriptions, by their whole text and client: who had its turn is last. */
  #shares = new Map<string, Map<string, QueuedSubscription>>()
  /** How many of them have the same filter. */
  #sharedFilters = new TopicTree<number>()
  #onShared: ((filter: string, isKept: boolean) => void) | undefined
  /** What `matching` has found since the last change, by topic. */
  #found = new Map<string, readonly QueuedSubscription[]>()
  /** Filters whose room was taken and that are about to be added. */
  #granted = new WeakMap<Session, Set<string>>()
  /** Packets whose subscriptions were added: aedes adds all of a packet's subscriptions once for each of them. */
  #added = new WeakMap<Subscription[], { clientId: string, ended: Promise<void> }>()

  constructor (context: Context, sessions: Sessions) {
    this.#context = context
    this.#sessions = sessions
  }

  /** Is told of each shared subscription that a session begins to have, those that are there included, and of each that no session has any more. */
  get onShared (): ((filter: string, isKept: boolean) => void) | undefined { return this.#onShared }

  set onShared (onShared: ((filter: string, isKept: boolean) => void) | undefined) {
    this.#onShared = onShared
    for (const filter of this.#shares.keys()) onShared?.(filter, true)
  }

  restore (session: Session, subscription: Subscription, record: number): void {
    session.subscriptions.set(subscription.topic, { subscription, record })
    session.kept.add(bytesOfSubscription(session.client, subscription.topic))
    this.#route(session.client, subscription)
  }

  /** Take the room that one more filter of a client needs, if there is any. `add` comes next. */
  takeRoom (clientId: string, filter: string): boolean {
    const session = this.#sessions.get(clientId)
    if (session === undefined) return true
    const granted = this.#granted.get(session)
    if (session.subscriptions.has(filter) || granted?.has(filter) === true) return true
    const bytes = bytesOfSubscription(clientId, filter)
    if (!session.kept.hasRoomFor(bytes)) return false
    session.kept.add(bytes)
    if (granted === undefined) this.#granted.set(session, new Set([filter]))
    else granted.add(filter)
    return true
  }

  /** Resolves after the commit. aedes adds all of a packet's subscriptions once for each of them; once is enough. */
  add (client: Client, subscriptions: Subscription[]): Promise<void> {
    const known = this.#added.get(subscriptions)
    if (known?.clientId === client.id) return known.ended
    const ended = this.#add(client, subscriptions)
    this.#added.set(subscriptions, { clientId: client.id, ended })
    return ended
  }

  async #add (client: Client, subscriptions: Subscription[]): Promise<void> {
    // aedes stores all subscriptions of a packet once it grants one; before this resumes, `authorizeSubscribe` has given those that failed QoS 128.
    await undefined
    const { journal } = this.#context
    const session = this.#sessions.open(client.id)
    for (const { topic, qos, rh, rap, nl, subscriptionIdentifier, options } of subscriptions) {
      if (qos > 2) {
        this.#unsubscribe(session, topic)
        continue
      }
      const subscription = {
        topic, qos, rh, rap, nl, ...subscriptionIdentifier === undefined ? {} : { subscriptionIdentifier }, ...options === undefined ? {} : { options: { ...options } }
      }
      const previous = session.subscriptions.get(topic)
      const record = previous?.record ?? journal.next()
      if (previous !== undefined && JSON.stringify(previous.subscription) === JSON.stringify(subscription)) continue
      if (this.#granted.get(session)?.delete(topic) !== true && previous === undefined) session.kept.add(bytesOfSubscription(client.id, topic))
      session.subscriptions.set(topic, { subscription, record })
      this.#route(client.id, subscription)
      journal.put(record, { kind: 'subscription', client: client.id, subscription })
    }
    await journal.committed()
  }

  /** Resolves after the commit. */
  async remove (client: Client, topics: string[]): Promise<void> {
    const session = this.#sessions.get(client.id)
    if (session === undefined) return
    for (const topic of topics) this.#unsubscribe(session, topic)
    this.#sessions.endEmpty(session)
    await this.#context.journal.committed()
  }

  /** Resolves after the commit. */
  async clean (client: Client): Promise<void> {
    await this.remove(client, [...this.#sessions.get(client.id)?.subscriptions.keys() ?? []])
  }

  /** Remove the subscriptions of a session that ends. */
  empty (session: Session): void {
    for (const topic of session.subscriptions.keys()) this.#unsubscribe(session, topic)
  }

  async ofClient (client: Client): Promise<Subscription[]> {
    return [...this.#sessions.get(client.id)?.subscriptions.values() ?? []].map(({ subscription }) => ({ ...subscription }))
  }

  /** Whether the session of a client has subscriptions to all these filters. */
  has (clientId: string, filters: string[]): boolean {
    const subscriptions = this.#sessions.get(clientId)?.subscriptions
    return filters.every(filter => subscriptions?.has(filter))
  }

  /** Whether a message of the topic would be queued for anybody. */
  queues (topic: string): boolean { return this.#matching(topic).length > 0 || this.isShared(topic) }

  /** Those of QoS 1 and 2 alone: nothing else is queued. */
  async matching (topic: string): Promise<readonly QueuedSubscription[]> { return this.#matching(topic) }

  #matching (topic: string): readonly QueuedSubscription[] {
    let routes = this.#found.get(topic)
    if (routes === undefined) {
      routes = this.#routes.matchingFilters(topic).flatMap(byClient => [...byClient.values()])
      if (topic.length > mostTopicLength) return routes
      if (this.#found.size >= mostTopics) this.#found.clear()
      this.#found.set(topic, routes)
    }
    return routes
  }

  /** Whether a shared subscription of a session matches a topic. */
  isShared (topic: string): boolean {
    return this.#shares.size > 0 && this.#sharedFilters.matchingFilters(topic).length > 0
  }

  /** The sessions that share a subscription, in the order of their turns; those whose client is away come first. */
  * members (filter: string): Generator<QueuedSubscription> {
    const members = this.#shares.get(filter) ?? new Map<string, QueuedSubscription>()
    for (const isAway of [true, false]) {
      for (const member of members.values()) if ((this.#sessions.get(member.clientId)?.here === 0) === isAway) yield member
    }
  }

  /** A member had its turn. */
  hadTurn (filter: string, clientId: string): void {
    const members = this.#shares.get(filter)
    const member = members?.get(clientId)
    if (members === undefined || member === undefined) return
    members.delete(clientId)
    members.set(clientId, member)
  }

  async count (): Promise<{ subsCount: number, clientsCount: number }> {
    const counts = { subsCount: 0, clientsCount: 0 }
    for (const { subscriptions } of this.#sessions.values()) {
      if (subscriptions.size > 0) counts.clientsCount++
      for (const { subscription } of subscriptions.values()) if (subscription.qos > 0) counts.subsCount++
    }
    return counts
  }

  /** Ids of the clients that subscribed to exactly this filter. */
  clients (filter: string): Readable {
    return Readable.from([...this.#sessions.values()].filter(({ subscriptions }) => subscriptions.has(filter)).map(({ client }) => client))
  }

  /** Queue what matches `subscription` for the client from now on, or no longer if the subscription is of QoS 0. */
  #route (clientId: string, subscription: Subscription): void {
    const { topic, qos } = subscription
    if (isShared(topic)) return this.#share(clientId, subscription)
    const routes = this.#routes.get(topic) ?? new Map<string, QueuedSubscription>()
    if (qos > 0) routes.set(clientId, { clientId, ...subscription })
    else routes.delete(clientId)
    if (routes.size > 0) this.#routes.set(topic, routes)
    else this.#routes.delete(topic)
    this.#found.clear()
  }

  #share (clientId: string, subscription: Subscription): void {
    const { topic, qos } = subscription
    const known = this.#shares.get(topic)
    const members = known ?? new Map<string, QueuedSubscription>()
    if (qos > 0) members.set(clientId, { clientId, ...subscription })
    else members.delete(clientId)
    const isKept = members.size > 0
    if (isKept === (known !== undefined)) return
    if (isKept) this.#shares.set(topic, members)
    else this.#shares.delete(topic)
    const filter = sharedFilter(topic)!
    const same = (this.#sharedFilters.get(filter) ?? 0) + (isKept ? 1 : -1)
    if (same > 0) this.#sharedFilters.set(filter, same)
    else this.#sharedFilters.delete(filter)
    this.#onShared?.(topic, isKept)
  }

  #unsubscribe (session: Session, topic: string): void {
    const stored = session.subscriptions.get(topic)
    if (stored === undefined) return
    session.subscriptions.delete(topic)
    session.kept.add(-bytesOfSubscription(session.client, topic))
    this.#route(session.client, { topic, qos: 0 })
    this.#context.journal.delete(stored.record)
  }
}

/** What a filter takes in a session, and in its client, which may connect at any time. The client id counts, because each record in the journal has it. */
function bytesOfSubscription (clientId: string, filter: string): number {
  return 2 * filterBytes(filter) + textBytes(clientId)
}
