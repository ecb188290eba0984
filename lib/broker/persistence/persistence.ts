import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SqliteDriver } from '../../sqlite/driver.ts'
import { StateBytes } from '../state-bytes.ts'
import { AgentOwners } from './agent-owners.ts'
import type { BrokerPersistence, PersistenceCounters, PersistenceEvents, SubscribeTerms } from './broker-persistence.ts'
import type { Aedes, Client, Context, PersistenceLimits } from './context.ts'
import { DelayedWills } from './delayed-wills.ts'
import { openDiskJournal, openMemoryJournal, type Journal } from './journal/journal.ts'
import { Queues, type Recipient } from './queues.ts'
import { ReceivedMessages, type Ended, type ReceivedPacket } from './received.ts'
import type { Packet, Release, Subscription } from './journal/records.ts'
import { Restorer } from './restore.ts'
import { RetainedMessages } from './retained.ts'
import type { SessionOwner } from './session.ts'
import { Sessions } from './sessions.ts'
import { Subscriptions, type QueuedSubscription } from './subscriptions.ts'
import { Wills, type Will } from './wills.ts'

export interface PersistenceOptions {
  /** Where to keep everything; undefined: in memory alone. */
  folder: string | undefined
  limits: PersistenceLimits
  /** ms since 1970. */
  now?: () => number
  /** Absent: the first one that is there. */
  driver?: SqliteDriver
}

/**
 * A persistence for aedes: everything in memory, and with a folder also on the disk, where it survives the end of the process
 * and a power failure. What the broker promises by an answer (PUBACK, PUBREC, PUBCOMP, PUBREL, SUBACK, CONNACK) is on the disk
 * before the operation resolves.
 * @throws {PlatziverseError} BROKER_FOLDER_DAMAGED, BROKER_FOLDER_IN_USE, BROKER_FOLDER_NEWER, BROKER_FOLDER_UNWRITABLE, STORE_DRIVER_MISSING
 */
export async function openPersistence ({ folder, limits, now = Date.now, driver }: PersistenceOptions): Promise<BrokerPersistence> {
  const persistence = new Persistence(limits, now)
  const restorer = new Restorer(persistence)
  persistence.start(folder === undefined
    ? openMemoryJournal()
    : await openDiskJournal(folder, failure => { persistence.emit('disk', failure) }, (id, record) => { restorer.restore(id, record) }, driver))
  return persistence
}

/** Joins the parts, each call going to the part whose job it is. */
class Persistence extends EventEmitter<PersistenceEvents> implements BrokerPersistence {
  readonly retained: RetainedMessages
  readonly sessions: Sessions
  readonly subscriptions: Subscriptions
  readonly queues: Queues
  readonly received: ReceivedMessages
  readonly wills: Wills
  readonly delayedWills: DelayedWills
  readonly owners: AgentOwners
  readonly stateBytes = new StateBytes()
  nextSubscribe: SubscribeTerms | undefined
  #context: Context
  #closing: Promise<void> | undefined

  constructor (limits: PersistenceLimits, now: () => number) {
    super()
    const context: Context = { journal: openMemoryJournal(), limits, stateBytes: this.stateBytes, now, broker: undefined }
    this.#context = context
    this.retained = new RetainedMessages(context)
    this.received = new ReceivedMessages(context)
    this.delayedWills = new DelayedWills(context, clientId => this.sessions.has(clientId))
    this.wills = new Wills(context)
    this.owners = new AgentOwners(context)
    this.sessions = new Sessions(context, this.received, session => {
      this.subscriptions.empty(session)
      this.queues.empty(session)
    }, clientId => { this.delayedWills.sessionEnded(clientId) })
    this.subscriptions = new Subscriptions(context, this.sessions)
    this.queues = new Queues(context, this.sessions, this.received)
  }

  get limits (): PersistenceLimits { return this.#context.limits }

  set limits (limits: PersistenceLimits) {
    this.#context.limits = limits
    if (this.#closing === undefined) this.sessions.watch()
  }

  get broker (): Aedes | undefined { return this.#context.broker }

  get dropped (): BrokerPersistence['dropped'] {
    return { offlineLimit: this.queues.dropped, retainedLimit: this.retained.refused, expired: this.queues.expiring.expired }
  }

  get retainedChanges (): number { return this.retained.changes }

  get counters (): PersistenceCounters {
    const { retained, sessions, queues } = this
    const away = sessions.away
    return {
      retained: retained.size,
      retainedBytes: retained.bytes,
      sessions: sessions.size,
      away: away.length,
      awaySubscriptions: away.reduce((sum, { subscriptions }) => sum + subscriptions.size, 0),
      messages: queues.messages,
      offline: queues.offline,
      offlineBytes: queues.offlineBytes,
      droppedOffline: queues.dropped,
      refusedRetained: retained.refused,
      expiredSessions: sessions.expired,
      expiredMessages: queues.expiring.expired + retained.expiring.expired
    }
  }

  /** Call it when everything is restored; later changes go to `journal`. */
  start (journal: Journal): void {
    this.#context.journal = journal
    this.sessions.start()
    // Clients that were connected when the last run ended are gone from now on.
    for (const { clientId, will, delay, record } of this.wills.takeDelayed(clientId => this.sessions.has(clientId))) {
      this.delayedWills.put(clientId, will, this.#context.now() + delay * 1000, record)
    }
    this.delayedWills.start()
    this.retained.expiring.start()
    this.queues.expiring.start()
  }

  async setup (broker: Aedes): Promise<void> {
    this.#context.broker = broker
  }

  close (): Promise<void> {
    const { journal } = this.#context
    this.#closing ??= (async () => {
      this.sessions.stopWatching()
      this.delayedWills.stop()
      this.retained.expiring.stop()
      this.queues.expiring.stop()
      // aedes does not wait for the wills of the clients that it cuts off.
      for (let turns = 0; turns < 3; turns++) {
        await nextTurn()
        await journal.committed().catch(() => undefined)
      }
      await journal.close()
    })()
    return this.#closing
  }

  destroy (): Promise<void> { return this.close() }

  claimSession (clientId: string, owner: SessionOwner): boolean { return this.sessions.claim(clientId, owner) }

  clientCame (clientId: string, clean: boolean, owner: SessionOwner = null, expiry?: number): boolean {
    if (!this.sessions.clientCame(clientId, clean, owner, expiry)) return false
    // The connection that it took over may have gone after `cameBack`.
    if (!clean) this.delayedWills.cameBack(clientId, owner)
    return true
  }

  clientWent (clientId: string): void { this.sessions.clientWent(clientId) }

  sessionExpires (clientId: string, expiry: number | undefined): void { this.sessions.expires(clientId, expiry) }

  discardSession (clientId: string): void { this.sessions.end(clientId) }

  hasSession (clientId: string): boolean { return this.sessions.has(clientId) }

  hasRoomForSession (owner: SessionOwner, most: number): boolean { return this.sessions.hasRoomFor(owner, most) }

  hasSubscriptions (clientId: string, filters: string[]): boolean { return this.subscriptions.has(clientId, filters) }

  takeRoom (clientId: string, filter: string): boolean { return this.subscriptions.takeRoom(clientId, filter) }

  unusedMessageId (clientId: string, from: number): number { return this.sessions.get(clientId)?.unusedMessageId(from) ?? from }

  async endSession (clientId: string): Promise<void> {
    this.sessions.end(clientId)
    await this.#context.journal.committed()
  }

  storeRetained (packet: Packet): PromiseLike<void> { return this.retained.store(packet) }

  clearRetained (topic: string): Promise<boolean> { return this.retained.clear(topic) }

  retainedMessage (topic: string): Packet | undefined { return this.retained.get(topic) }

  queueRetained ({ id }: Client, packet: Packet): PromiseLike<void> { return this.queues.enqueueRetained(id, packet) }

  countRetained (filters: string[]): number { return this.retained.count(filters) }

  createRetainedStream (pattern: string): Readable { return this.retained.stream([pattern]) }

  createRetainedStreamCombi (patterns: string[]): Readable {
    const terms = this.nextSubscribe
    this.nextSubscribe = undefined
    return terms === undefined ? this.retained.stream(patterns) : this.retained.stream(patterns.filter(pattern => !terms.silent.has(pattern)), terms.ids)
  }

  addSubscriptions (client: Client, subscriptions: Subscription[]): Promise<void> { return this.subscriptions.add(client, subscriptions) }

  removeSubscriptions (client: Client, topics: string[]): Promise<void> { return this.subscriptions.remove(client, topics) }

  cleanSubscriptions (client: Client): Promise<void> { return this.subscriptions.clean(client) }

  subscriptionsByClient (client: Client): Promise<Subscription[]> { return this.subscriptions.ofClient(client) }

  subscriptionsByTopic (topic: string): Promise<readonly QueuedSubscription[]> { return this.subscriptions.matching(topic) }

  countOffline (): Promise<{ subsCount: number, clientsCount: number }> { return this.subscriptions.count() }

  getClientList (filter: string): Readable { return this.subscriptions.clients(filter) }

  outgoingEnqueue (subscription: Recipient, packet: Packet): PromiseLike<void> { return this.queues.enqueue([subscription], packet) }

  outgoingEnqueueCombi (subscriptions: Recipient[], packet: Packet): PromiseLike<void> {
    return this.subscriptions.isShared(packet.topic) ? this.queues.enqueueWhenRouted(subscriptions, packet) : this.queues.enqueue(subscriptions, packet)
  }

  routing (packet: Packet): (() => Promise<void>) | undefined { return this.queues.routing(packet) }

  get onShared (): BrokerPersistence['onShared'] { return this.subscriptions.onShared }

  set onShared (onShared: BrokerPersistence['onShared']) { this.subscriptions.onShared = onShared }

  queueShared (filter: string, packet: Packet): Promise<void> | undefined {
    const clientId = this.queues.enqueueFirst(this.subscriptions.members(filter), packet)
    if (clientId === undefined) return undefined
    this.subscriptions.hadTurn(filter, clientId)
    return this.#context.journal.committed()
  }

  outgoingUpdate (client: Client, packet: Packet | Release): Promise<void> { return this.queues.update(client, packet) }

  outgoingClearMessageId (client: Client, packet: Packet | Release): Promise<Packet | Release | undefined> {
    return this.queues.clear(client, packet)
  }

  outgoingStream (client: Client): Readable {
    try {
      return this.queues.stream(client)
    } catch (error) {
      // aedes expects a stream that fails, not one that cannot be made.
      return new Readable({ read () { this.destroy(error as Error) } })
    }
  }

  receive (client: Client, packet: ReceivedPacket, ended: Ended): Ended | undefined {
    return this.received.receive(client, packet, ended)
  }

  hasReceived (clientId: string, messageId: number): boolean { return this.received.knows(clientId, messageId) }

  hasQueues (topic: string): boolean { return this.subscriptions.queues(topic) }

  isPassing (topic: string, qos: number): boolean { return qos === 0 || (this.#context.journal.isCommitted && !this.subscriptions.queues(topic)) }

  incomingStorePacket (client: Client, packet: Packet): Promise<void> { return this.received.store(client, packet) }

  incomingGetPacket (client: Client, packet: { messageId: number }): Promise<Partial<Packet>> { return this.received.get(client, packet) }

  incomingDelPacket (client: Client, packet: { messageId: number }): Promise<void> { return this.received.delete(client, packet) }

  async cleanIncoming (client: Client): Promise<void> {
    // aedes calls this for a client that was not let in, too: what is stored under its id is another client's.
    if (client._authorized !== false) await this.received.clean(client)
  }

  cameBack (clientId: string, owner: SessionOwner): void {
    this.wills.cameBack(clientId, owner)
    this.delayedWills.cameBack(clientId, owner)
  }

  isToPublish (will: Will): boolean { return this.wills.has(will) || this.delayedWills.isDue(will) }

  get onWillDue (): BrokerPersistence['onWillDue'] { return this.delayedWills.onDue }

  set onWillDue (onWillDue: BrokerPersistence['onWillDue']) { this.delayedWills.onDue = onWillDue }

  delayWill (client: Pick<Client, 'id'>, dueAt: number): void {
    const taken = this.wills.take(client)
    if (taken !== undefined) this.delayedWills.put(client.id, taken.will, dueAt, taken.record)
  }

  willPublished (will: Will): Promise<void> { return this.delayedWills.published(will) }

  putWill (client: Client, will: Will): Promise<void> { return this.wills.put(client, will) }

  getWill (client: Client): Promise<Will | undefined> { return this.wills.get(client) }

  delWill (client: Client): Promise<Will | undefined> { return this.wills.delete(client) }

  streamWill (brokers: Record<string, unknown> = {}): Readable { return this.wills.stream(brokers) }
}
