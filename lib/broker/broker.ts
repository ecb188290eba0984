import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { PlatziverseError } from '../errors.ts'
import type { ProtocolVersion } from '../mqtt/protocol-version.ts'
import type { AgentOwnership } from './agent-ownership.ts'
import type { Arrival } from './arrival.ts'
import type { BrokerOptions } from './broker-options.ts'
import type { Delivered, OutgoingPublication, Publication, Subscriber } from './publication.ts'
import type { BrokerSnapshot } from './snapshot.ts'

/** What happened to a client, as plain data. */
export type ClientEvent =
  | { event: 'connected', clientId: string, username?: string, address?: string, listener?: string, clean: boolean, version: ProtocolVersion }
  | { event: 'disconnected', clientId: string, username?: string, address?: string, reason: string }
  | { event: 'subscribed', clientId: string, subscriptions: Array<{ topic: string, qos: number }> }
  | { event: 'unsubscribed', clientId: string, topics: string[] }
  | { event: 'refused', clientId?: string, username?: string, address?: string, reason: string }

/** A client that is connected, as plain data. */
export interface ClientInfo {
  clientId: string
  username?: string
  address?: string
  clean: boolean
  /** Of MQTT. */
  version: ProtocolVersion
  /** UTC ms. */
  connectedAt: number
  subscriptions: Array<{ topic: string, qos: number }>
}

export interface BrokerStatistics {
  /** Clients connected now. */
  clients: number
  /** … by the version of MQTT that they speak. */
  clientsByVersion: Record<ProtocolVersion, number>
  /** Connections since the broker started. */
  connections: number
  /** Connections that were refused. */
  refused: number
  /** … by the limit or the reason. */
  refusedBy: Record<string, number>
  /** PUBLISH packets received, wills included. */
  received: number
  /** PUBLISH packets given to subscribers. */
  delivered: number
  /** Messages that did not reach a subscriber. */
  dropped: number
  /** … by the limit or the reason. */
  droppedBy: Record<string, number>
  /** Subscribers cut off because they read too slowly. */
  cutOff: number
}

/** The state of a listener, or of the connection to a broker elsewhere. */
export type ListenerState =
  | { state: 'starting' }
  | { state: 'listening', host: string, port: number }
  /** To a broker elsewhere, at `host:port`. */
  | { state: 'connected', address: string }
  | { state: 'failed', error: PlatziverseError }
  | { state: 'closed' }

export interface BrokerEvents {
  client: [ClientEvent]
  /** A listener opened, failed or closed; `index` in `listeners`. */
  listener: [ListenerState, number]
  /** The broker cannot write to its disk, and publishers wait; undefined: it can again. */
  disk: [PlatziverseError | undefined]
  /** Something that an operator should know; the same again only after it was over. */
  problem: [PlatziverseError]
}

/**
 * What only an engine can do that holds the clients' connections itself. One that is a client of a broker elsewhere has none of it,
 * and no `BrokerEvents` but `listener` and `problem`.
 */
export interface ClientHost {
  snapshot (): BrokerSnapshot
  /** Take a client that came in elsewhere, such as a WebSocket on Node-RED's own server. Its sockets are watched from here on. */
  accept (stream: Duplex, arrival: Arrival): void
  /** Count and report a client that was refused before it came in. */
  refused (by: string, reason: string, address: string | undefined): void
  clients (): ClientInfo[]
  /**
   * Hang up on a client.
   * @param banned seconds for which the client id is refused
   * @returns whether it was there
   * @throws PlatziverseError BROKER_COMMAND_INVALID when too many clients are kept out already; the client is disconnected all the same
   */
  disconnect (clientId: string, banned?: number): boolean
  /**
   * Hang up on a client and discard its session: subscriptions, waiting messages, and who owns the client id. Resolves after the commit.
   * @returns whether it was there, and whether it had a session that outlives connections
   */
  endSession (clientId: string): Promise<{ disconnected: boolean, ended: boolean }>
  /** Grows with each retained message that is stored, replaced or cleared: another number means that they are others. Cheap to read. */
  readonly retainedChanges: number
  /** @returns whether there was one */
  clearRetained (topic: string): Promise<boolean>
}

/** An MQTT broker, whatever engine it is made of. */
export interface Broker extends EventEmitter<BrokerEvents>, Partial<ClientHost> {
  /** In the order of the options. */
  readonly listenerStates: readonly ListenerState[]
  /** False when nobody could receive what is published now, so that there is no need to write it. */
  readonly hasSubscribers: boolean
  /** Which user each agent belongs to; kept as long as the sessions are. */
  readonly owners: AgentOwnership
  /** The taker takes or reads other topics from now on. An engine that asks it each time has no need of this. */
  takerChanged? (): void
  /** Whether a message that this process publishes on the topic would come back to the taker, as one that a client published. Absent: none does. */
  returns? (topic: string): boolean
  /** The topics of agents for which `returns` is true. */
  readonly returning?: readonly string[]
  /** What the engine cannot know is 0. */
  statistics (): BrokerStatistics
  /** Put options in force. What did not change is not touched, and clients whose rights did not change stay. */
  configure (options: BrokerOptions): void
  /**
   * Give a message to every subscriber; resolves when the broker took it.
   * @param origin is passed to the subscribers of this process
   * @throws PlatziverseError PUBLISH_FAILED
   */
  publish (publication: OutgoingPublication, origin?: string): Promise<void>
  /**
   * Take a message that came in without a connection of its own, such as over a bridge, by the rules for `publication.connection` and
   * as if that were a client; resolves when a client would get its acknowledgement.
   * @param origin is passed to the subscribers of this process
   * @throws PlatziverseError PUBLISH_FORBIDDEN, PUBLISH_FAILED; DELIVERY_UNSETTLED when it should be given again
   */
  bring (publication: Publication, origin?: string): Promise<void>
  /** Receive what is published, without being a client. @returns ends it */
  subscribe (filter: string, subscriber: Subscriber): () => void
  /** The retained messages; a topic that several filters match comes several times. */
  retained (filters: string[]): AsyncIterable<Delivered>
  /**
   * Free the ports and hang up on every client. May be called twice.
   * @param successor describes the broker that takes this one's place, where there is one
   */
  close (successor?: BrokerOptions): Promise<void>
}
