import type { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import type { PlatziverseError } from '../../errors.ts'
import type { StateBytes } from '../state-bytes.ts'
import type { AgentOwners } from './agent-owners.ts'
import type { Aedes, Client, PersistenceLimits } from './context.ts'
import type { Recipient } from './queues.ts'
import type { Ended, ReceivedPacket } from './received.ts'
import type { Packet, Release, Subscription } from './journal/records.ts'
import type { SessionOwner } from './session.ts'
import type { QueuedSubscription } from './subscriptions.ts'
import type { Will } from './wills.ts'

export type { Subscription, SubscriptionOptions } from './journal/records.ts'

export interface PersistenceCounters {
  retained: number
  retainedBytes: number
  sessions: number
  /** Sessions whose client is not here, and their subscriptions. */
  away: number
  awaySubscriptions: number
  /** Messages in queues, each counted once however many clients it waits for. */
  messages: number
  /** Messages in all queues. */
  offline: number
  offlineBytes: number
  /** Messages that a full queue did not take. A client that was connected got them once, if its connection held. */
  droppedOffline: number
  /** Messages that were not retained. */
  refusedRetained: number
  expiredSessions: number
  /** Messages that expired, in queues and retained ones. */
  expiredMessages: number
}

export interface PersistenceEvents {
  /** The disk stopped taking changes, and publishers wait; undefined: it takes them again. */
  disk: [PlatziverseError | undefined]
}

/** What a SUBSCRIBE of MQTT 5 says about the retained messages that it brings. */
export interface SubscribeTerms {
  /** Filters that ask for none. */
  silent: ReadonlySet<string>
  /** The subscription id that they come with, or none; undefined: nobody asked for ids. */
  ids: readonly number[] | undefined
}

/**
 * What aedes expects of a persistence, by its names; `aedes-persistence` has a test suite for it, which calls all of it. What the broker
 * promises by an answer is on the disk before the promise resolves.
 */
export interface AedesPersistence {
  /** aedes insists on an async function. */
  setup (broker: Aedes): Promise<void>
  storeRetained (packet: Packet): PromiseLike<void>
  createRetainedStream (pattern: string): Readable
  /** A message that several patterns match comes several times. */
  createRetainedStreamCombi (patterns: string[]): Readable
  addSubscriptions (client: Client, subscriptions: Subscription[]): Promise<void>
  removeSubscriptions (client: Client, topics: string[]): Promise<void>
  cleanSubscriptions (client: Client): Promise<void>
  subscriptionsByClient (client: Client): Promise<Subscription[]>
  /** Subscriptions of QoS 1 and 2 alone, and no shared ones: nothing else is queued for each of its clients. */
  subscriptionsByTopic (topic: string): Promise<readonly QueuedSubscription[]>
  countOffline (): Promise<{ subsCount: number, clientsCount: number }>
  /** Ids of the clients that subscribed to exactly this filter. */
  getClientList (filter: string): Readable
  /** Put a message into the queue of a session. */
  outgoingEnqueue (subscription: Recipient, packet: Packet): PromiseLike<void>
  /** … into several. */
  outgoingEnqueueCombi (subscriptions: Recipient[], packet: Packet): PromiseLike<void>
  /** A queued message is about to be sent, or PUBREC has come for it: then `packet` is the PUBREL. */
  outgoingUpdate (client: Client, packet: Packet | Release): Promise<void>
  /** PUBACK or PUBCOMP has come, or the message is not to be sent. */
  outgoingClearMessageId (client: Client, packet: Packet | Release): Promise<Packet | Release | undefined>
  /** A session's queue, in order. */
  outgoingStream (client: Client): Readable
  incomingStorePacket (client: Client, packet: Packet): Promise<void>
  /** Rejects when there is none. */
  incomingGetPacket (client: Client, packet: { messageId: number }): Promise<Partial<Packet>>
  incomingDelPacket (client: Client, packet: { messageId: number }): Promise<void>
  cleanIncoming (client: Client): Promise<void>
  putWill (client: Client, will: Will): Promise<void>
  getWill (client: Client): Promise<Will | undefined>
  delWill (client: Client): Promise<Will | undefined>
  /** Wills of clients whose broker is not among `brokers`. */
  streamWill (brokers?: Record<string, unknown>): Readable
  destroy (): Promise<void>
}

/** What a broker needs of its persistence: all that aedes asks of it, and what aedes does not know of. */
export interface BrokerPersistence extends AedesPersistence, EventEmitter<PersistenceEvents> {
  /** May be replaced; what is stored already stays. */
  limits: PersistenceLimits
  readonly counters: Readonly<PersistenceCounters>
  /** Messages that were not kept, by limit, and messages in queues that expired before they were sent. Cheap to read. */
  readonly dropped: Readonly<Record<'offlineLimit' | 'retainedLimit' | 'expired', number>>
  /** Which user each agent belongs to. */
  readonly owners: AgentOwners
  /** Counts what clients and sessions have the broker remember; unlimited until a limit is set. */
  readonly stateBytes: StateBytes
  /**
   * Whether somebody may have the session of a client id, if there is one, to resume it or to end it. Ask before aedes looks for the
   * session, because this ends an anonymous client's session when a user comes for it, and one that ends with its connection anyway.
   */
  claimSession (clientId: string, owner: SessionOwner): boolean
  /**
   * A client connected, and is registered with aedes. A clean one ends the session that was there. [MQTT-3.1.2-6]
   * @param expiry seconds after the end of the connection at which the session ends, unless `limits.sessionExpiry` ends it sooner; 0: it ends
   * with the connection; undefined: the client speaks MQTT 3.1.1, and only the limit counts
   * @returns false: another user's session appeared since `claimSession`; hang up on the client, and call nothing more for it
   */
  clientCame (clientId: string, clean: boolean, owner?: SessionOwner, expiry?: number): boolean
  clientWent (clientId: string): void
  /** Change how long a session lasts, as for `clientCame`: DISCONNECT may say so. */
  sessionExpires (clientId: string, expiry: number | undefined): void
  /**
   * End a session at once, whoever owns it, as Clean Start does; the commit follows. Until a client that still has the session is gone,
   * what it subscribes to begins another one.
   */
  discardSession (clientId: string): void
  hasSession (clientId: string): boolean
  /** Whether somebody may have one more session: there are fewer than `most` (0: any number), or the owner has less than its share of them. */
  hasRoomForSession (owner: SessionOwner, most: number): boolean
  /** Whether the session of a client has subscriptions to all these filters. */
  hasSubscriptions (clientId: string, filters: string[]): boolean
  /** Take the room that one more filter needs in a client's session, if there is any; the subscription has to follow. */
  takeRoom (clientId: string, filter: string): boolean
  /** The first message id from `from` on that no message on its way to a client with a session has. */
  unusedMessageId (clientId: string, from: number): number
  /** End the session of a client that is gone, whoever owns it. It ends at once, and the promise resolves after the commit. */
  endSession (clientId: string): Promise<void>
  /**
   * A QoS 2 message came, for the first time or again.
   * @param ended is called after the commit; PUBREC may be sent then
   * @returns what to call once the message is where it belongs, or failed; undefined: it is a copy and shares the first one's outcome
   */
  receive (client: Client, packet: ReceivedPacket, ended: Ended): Ended | undefined
  /** Whether a QoS 2 message came and waits for its PUBREL. */
  hasReceived (clientId: string, messageId: number): boolean
  /** Whether a message of the topic would enter any session's queue. */
  hasQueues (topic: string): boolean
  /** Whether a message that is not retained may go on at once: no queue gets it, and nothing before it waits for the disk. */
  isPassing (topic: string, qos: number): boolean
  /** What the next SUBSCRIBE that aedes answers says about retained messages. */
  nextSubscribe: SubscribeTerms | undefined
  /**
   * Is told of each shared subscription (`$share/group/filter`) of QoS 1 or 2 that a session begins to have, those that are there when it is set
   * included, and of each that no session has any more. `subscriptionsByTopic` does not find them.
   */
  onShared: ((filter: string, isKept: boolean) => void) | undefined
  /**
   * Queue a message for one of the sessions that share a subscription, in turn, because no connected member took it. Resolves after the commit.
   * @returns undefined: no session has the subscription, or none has room
   */
  queueShared (filter: string, packet: Packet): Promise<void> | undefined
  /**
   * A message is being routed: one that groups of sessions may get enters the other queues now.
   * @returns to be called once every subscriber was given it, in the same turn; resolves after the commit. Undefined: there is nothing to wait for
   */
  routing (packet: Packet): (() => Promise<void>) | undefined
  /** Grows with each retained message that is stored, replaced or cleared. Cheap to read. */
  readonly retainedChanges: number
  retainedMessage (topic: string): Packet | undefined
  /** Put a retained message that a SUBSCRIBE brings into the session's queue, as long as it leaves half of the room to others. */
  queueRetained (client: Client, packet: Packet): PromiseLike<void>
  /** About how many retained messages match filters. */
  countRetained (filters: string[]): number
  /** A client is let in: its own last will, if that is delayed or of a former run, is no longer published, another user's still is. */
  cameBack (clientId: string, owner: SessionOwner): void
  /**
   * Publish the last will of a client that just went later: at `dueAt` (ms since 1970), or when its session ends if that is sooner, which without a
   * session it has. aedes' `delWill` then does not find it. Does nothing for a connection that was taken over: the stored will is the next one's.
   * The `delay` (seconds) of a will that is put is for the next run, where nobody says when its client went.
   * @param client aedes' own
   */
  delayWill (client: Pick<Client, 'id'>, dueAt: number): void
  /** Is given each delayed will when it is due, those that were due before it was set included. Publish it, and call `willPublished`. */
  onWillDue: ((will: Will) => void) | undefined
  /** A will that was due goes no further. Resolves after the commit; if the process ends before, it is due again in the next run. */
  willPublished (will: Will): Promise<void>
  /** Whether a last will that is due, or of a former run, is still to be published. */
  isToPublish (will: Will): boolean
  /** Resolves, after the commit, to whether there was a retained message. */
  clearRetained (topic: string): Promise<boolean>
  /** Call it after `aedes.close`; then everything is on the disk. */
  close (): Promise<void>
}
