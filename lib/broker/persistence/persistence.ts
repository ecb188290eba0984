import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PlatziverseError } from '../../errors.ts'
import type { SqliteDriver } from '../../sqlite/driver.ts'
import { AgentOwners } from './agent-owners.ts'
import type { Aedes, Client, Context } from './context.ts'
import { openDiskJournal, openMemoryJournal, type Journal, type OnFailure } from './journal.ts'
import { Queues, type Recipient } from './queues.ts'
import { ReceivedMessages, type Ended } from './received.ts'
import type { Packet, Release, Subscription } from './records.ts'
import { Restorer } from './restore.ts'
import { RetainedMessages } from './retained.ts'
import type { SessionOwner } from './session.ts'
import { Sessions } from './sessions.ts'
import { StateBytes } from './state-bytes.ts'
import { Subscriptions, type Route } from './subscriptions.ts'
import { Wills, type Will } from './wills.ts'

/** 0 = no limit. */
export interface PersistenceLimits {
  /** Topics with a retained message. One more is not retained; those that are there can still be replaced and cleared. */
  retainedMessages: number
  /** Bytes of topics and payloads of retained messages, with what their levels take. What exceeds it is not retained. */
  retainedBytes: number
  /** Messages in one session's queue, those on their way to a connected client included. One more is not queued. */
  offlineMessages: number
  /** Bytes of topics and payloads in one session's queue. What exceeds it is not queued. */
  offlineBytes: number
  /** Bytes in all queues: of each message once, and 512 for each place in a queue. What exceeds it is not queued. */
  offlineTotalBytes: number
  /** Seconds after which the session of a client that is away ends. */
  sessionExpiry: number
}

export interface PersistenceCounters {
  retained: number
  retainedBytes: number
  sessions: number
  /** Those whose client is not here, and their subscriptions. */
  away: number
  awaySubscriptions: number
  /** Messages in queues, each once however many clients it waits for. */
  messages: number
  /** Messages in all queues. */
  offline: number
  offlineBytes: number
  /** Messages that a full queue did not take. A client that is connected got them once, if its connection held. */
  droppedOffline: number
  /** Messages that were not retained. */
  refusedRetained: number
  expiredSessions: number
}

export interface PersistenceOptions {
  /** Where to keep everything; undefined = in memory only. */
  folder: string | undefined
  limits: PersistenceLimits
  /** ms since 1970. */
  now?: () => number
  /** Told when the disk stops taking changes, and with undefined when it takes them again. Meanwhile publishers wait. */
  onFailure?: OnFailure
  /** Absent: what there is. */
  driver?: SqliteDriver
}

/** What aedes takes as `persistence`, and what a broker needs beside it. */
export interface BrokerPersistence {
  setup (broker: Aedes): Promise<void>
  /** May be replaced; what is there already stays. */
  limits: PersistenceLimits
  readonly counters: Readonly<PersistenceCounters>
  /** Messages that were not kept, by the limit; costs nothing to ask for. */
  readonly dropped: Readonly<Record<'offlineLimit' | 'retainedLimit', number>>
  /** Why the disk takes no changes now. */
  readonly failure: PlatziverseError | undefined
  /** Which user each agent belongs to. */
  readonly owners: AgentOwners
  /** Counts what clients and sessions keep; without a limit until somebody sets one. */
  readonly stateBytes: StateBytes
  /**
   * Whether somebody may have the session of a client id, if there is one, to resume or to end it. Ask before aedes looks for the
   * session: an anonymous client's ends now when a user comes for it.
   */
  claimSession (clientId: string, owner: SessionOwner): boolean
  /**
   * A client connected, and is registered with aedes. A clean one ends the session that was. [MQTT-3.1.2-6]
   * @returns false: another user's session came up since `claimSession`; hang up on the client, and say nothing more of it
   */
  clientCame (clientId: string, clean: boolean, owner?: SessionOwner): boolean
  clientWent (clientId: string): void
  hasSession (clientId: string): boolean
  /** Whether somebody may have one more session: there are fewer than `most` (0: any number), or it has less than its share of them. */
  hasRoomForSession (owner: SessionOwner, most: number): boolean
  /** Whether the session of a client has subscriptions to all these filters. */
  hasSubscriptions (clientId: string, filters: string[]): boolean
  /** Take the room that one more filter needs in the session of a client, if there is some; the subscription has to follow. */
  takeRoom (clientId: string, filter: string): boolean
  /** End the session of a client that is gone, whoever's it is; it ends at once, and the promise resolves after the commit. */
  endSession (clientId: string): Promise<void>
  /** Put a message into the queue of a session; resolves after the commit. */
  outgoingEnqueue (session: { clientId: string }, packet: Packet): PromiseLike<void>
  /**
   * A QoS 2 message came, for the first time or again.
   * @param ended is called after the commit; PUBREC may be sent then
   * @returns what to call once the message is where it belongs, or failed; undefined: it is a copy and shares the first one's outcome
   */
  receive (client: Client, packet: Pick<Packet, 'messageId' | 'topic' | 'payload' | 'dup'>, ended: Ended): Ended | undefined
  /** About how many retained messages match filters. */
  countRetained (filters: string[]): number
  /** A client is let in: its last will of a former run is not published any more, another user's is. */
  cameBack (clientId: string, owner: SessionOwner): void
  /** Whether a last will of a former run is still to be published. */
  isToPublish (will: Will): boolean
  /** Resolves, after the commit, to whether there was a retained message. */
  clearRetained (topic: string): Promise<boolean>
  /** Call it after `aedes.close`; everything is on the disk then. */
  close (): Promise<void>
}

/**
 * A persistence for aedes: all in memory, and with a folder also on the disk, where it survives the end of the process
 * and of the power. What the broker promises somebody by an answer (PUBACK, PUBREC, PUBCOMP, PUBREL, SUBACK, CONNACK) is
 * on the disk before the operation resolves.
 * @throws {PlatziverseError} BROKER_FOLDER_DAMAGED, BROKER_FOLDER_IN_USE, BROKER_FOLDER_NEWER, BROKER_FOLDER_UNWRITABLE, STORE_DRIVER_MISSING
 */
export async function openPersistence ({ folder, limits, now = Date.now, onFailure, driver }: PersistenceOptions): Promise<BrokerPersistence> {
  const persistence = new Persistence(limits, now)
  const tell: OnFailure = failure => {
    persistence.failure = failure
    onFailure?.(failure)
  }
  const restorer = new Restorer(persistence)
  persistence.start(folder === undefined ? openMemoryJournal() : await openDiskJournal(folder, tell, (id, record) => { restorer.restore(id, record) }, driver))
  return persistence
}

/** Its parts together, under the names by which aedes calls what they do. */
class Persistence implements BrokerPersistence {
  readonly retained: RetainedMessages
  readonly sessions: Sessions
  readonly subscriptions: Subscriptions
  readonly queues: Queues
  readonly received: ReceivedMessages
  readonly wills: Wills
  readonly owners: AgentOwners
  readonly stateBytes = new StateBytes()
  failure: PlatziverseError | undefined
  #context: Context
  #closing: Promise<void> | undefined

  constructor (limits: PersistenceLimits, now: () => number) {
    const context: Context = { journal: openMemoryJournal(), limits, stateBytes: this.stateBytes, now, broker: undefined }
    this.#context = context
    this.retained = new RetainedMessages(context)
    this.received = new ReceivedMessages(context)
    this.wills = new Wills(context)
    this.owners = new AgentOwners(context)
    this.sessions = new Sessions(context, this.received, session => {
      this.subscriptions.empty(session)
      this.queues.empty(session)
    })
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
    return { offlineLimit: this.queues.dropped, retainedLimit: this.retained.refused }
  }

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
      expiredSessions: sessions.expired
    }
  }

  /** Call it when all is restored; what changes from here on goes to `journal`. */
  start (journal: Journal): void {
    this.#context.journal = journal
    this.sessions.start()
  }

  /** aedes wants an async function. */
  async setup (broker: Aedes): Promise<void> {
    this.#context.broker = broker
  }

  close (): Promise<void> {
    const { journal } = this.#context
    this.#closing ??= (async () => {
      this.sessions.stopWatching()
      // aedes does not wait for the wills that it publishes for the clients it cuts off.
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

  clientCame (clientId: string, clean: boolean, owner: SessionOwner = null): boolean { return this.sessions.clientCame(clientId, clean, owner) }

  clientWent (clientId: string): void { this.sessions.clientWent(clientId) }

  hasSession (clientId: string): boolean { return this.sessions.has(clientId) }

  hasRoomForSession (owner: SessionOwner, most: number): boolean { return this.sessions.hasRoomFor(owner, most) }

  hasSubscriptions (clientId: string, filters: string[]): boolean { return this.subscriptions.has(clientId, filters) }

  takeRoom (clientId: string, filter: string): boolean { return this.subscriptions.takeRoom(clientId, filter) }

  async endSession (clientId: string): Promise<void> {
    this.sessions.end(clientId)
    await this.#context.journal.committed()
  }

  storeRetained (packet: Packet): PromiseLike<void> { return this.retained.store(packet) }

  clearRetained (topic: string): Promise<boolean> { return this.retained.clear(topic) }

  countRetained (filters: string[]): number { return this.retained.count(filters) }

  createRetainedStream (pattern: string): Readable { return this.retained.stream([pattern]) }

  createRetainedStreamCombi (patterns: string[]): Readable { return this.retained.stream(patterns) }

  addSubscriptions (client: Client, subscriptions: Subscription[]): Promise<void> { return this.subscriptions.add(client, subscriptions) }

  removeSubscriptions (client: Client, topics: string[]): Promise<void> { return this.subscriptions.remove(client, topics) }

  cleanSubscriptions (client: Client): Promise<void> { return this.subscriptions.clean(client) }

  subscriptionsByClient (client: Client): Promise<Subscription[]> { return this.subscriptions.ofClient(client) }

  subscriptionsByTopic (topic: string): Promise<readonly Route[]> { return this.subscriptions.matching(topic) }

  countOffline (): Promise<{ subsCount: number, clientsCount: number }> { return this.subscriptions.count() }

  getClientList (topic: string): Readable { return this.subscriptions.clients(topic) }

  outgoingEnqueue (subscription: Recipient, packet: Packet): PromiseLike<void> { return this.queues.enqueue([subscription], packet) }

  outgoingEnqueueCombi (subscriptions: Recipient[], packet: Packet): PromiseLike<void> { return this.queues.enqueue(subscriptions, packet) }

  outgoingUpdate (client: Client, packet: Packet | Release): Promise<void> { return this.queues.update(client, packet) }

  outgoingClearMessageId (client: Client, packet: Packet | Release): Promise<Packet | Release | undefined> {
    return this.queues.clear(client, packet)
  }

  outgoingStream (client: Client): Readable {
    try {
      return this.queues.stream(client)
    } catch (error) {
      // aedes expects that a stream fails, and not that there is none.
      return new Readable({ read () { this.destroy(error as Error) } })
    }
  }

  receive (client: Client, packet: Pick<Packet, 'messageId' | 'topic' | 'payload' | 'dup'>, ended: Ended): Ended | undefined {
    return this.received.receive(client, packet, ended)
  }

  incomingStorePacket (client: Client, packet: Packet): Promise<void> { return this.received.store(client, packet) }

  incomingGetPacket (client: Client, packet: { messageId: number }): Promise<Partial<Packet>> { return this.received.get(client, packet) }

  incomingDelPacket (client: Client, packet: { messageId: number }): Promise<void> { return this.received.delete(client, packet) }

  async cleanIncoming (client: Client): Promise<void> {
    // aedes asks it for a client that was not let in, too: what is here is another's.
    if (client._authorized !== false) await this.received.clean(client)
  }

  cameBack (clientId: string, owner: SessionOwner): void { this.wills.cameBack(clientId, owner) }

  isToPublish (will: Will): boolean { return this.wills.has(will) }

  putWill (client: Client, will: Will): Promise<void> { return this.wills.put(client, will) }

  getWill (client: Client): Promise<Will | undefined> { return this.wills.get(client) }

  delWill (client: Client): Promise<Will | undefined> { return this.wills.delete(client) }

  streamWill (brokers: Record<string, unknown> = {}): Readable { return this.wills.stream(brokers) }
}
