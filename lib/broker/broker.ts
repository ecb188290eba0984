import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PlatziverseError } from '../errors.ts'
import type { UserRecord } from './access/passwords.ts'
import type { Rule } from './access/rules.ts'
import type { Limits } from './limits.ts'
import type { BrokerSnapshot } from './snapshot.ts'
import type { Reader } from './stream/unread-bytes.ts'

/** A client's connection, from CONNECT to the end of its socket. */
export interface Connection {
  /** Tells apart two connections of one client id. */
  readonly number: number
  readonly clientId: string
  /** As the client gave it. */
  readonly username: string | undefined
  /** Whether a password or a certificate proved the username. */
  readonly verified: boolean
  /** Remote address, where there is one. */
  readonly address: string | undefined
  /** True once the client went. */
  gone: boolean
  /** Names the bridge that stands for the client. What came over a bridge is not carried back by it. */
  readonly origin?: string
}

/** The client that published something. */
export type Publisher = Pick<Connection, 'clientId' | 'username' | 'verified'>

/** One MQTT PUBLISH on its way in. */
export interface Publication {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  retain: boolean
  /** Whether the broker publishes it as the last will of `connection`. */
  will: boolean
  connection: Connection | undefined
  /** What published it; absent: `connection`. A last will may be of a client that never came in, or did not come back after a restart. */
  publisher?: Publisher | undefined
  /** When it came, in UTC ms, and the `seq` that it gets if it carries nothing that identifies it: set by the first taker, so that all agree. */
  receivedAt?: number
  seq?: number
}

/** Ends a taken publication: without an error the publisher is acknowledged, with one it is not and has to send again. */
export type Settle = (error?: Error) => void

/** Takes publications off the broker before it routes them: the broker delivers what is taken to nobody. */
export interface Taker {
  takes (topic: string): boolean
  /** A client published what is not taken. */
  passes? (topic: string, clientId: string): void
  take (publication: Publication, settle: Settle): void
  /**
   * The client went, cleanly or not; its last will was taken before.
   * @param comesBack whether it is to be expected that it comes back and sends again what was not acknowledged; absent: it is
   */
  gone (connection: Connection, comesBack?: boolean): void
}

export interface OutgoingPublication {
  topic: string
  payload: string | Buffer
  qos: 0 | 1 | 2
  retain: boolean
}

/** A message as a subscriber inside this process sees it. */
export interface Delivered {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  /** Whether the publisher asked for it to be retained. */
  retain: boolean
  /** The client that published it; undefined: this process did, or it is a retained message whose publisher is not known any more. */
  clientId: string | undefined
  /** As given to `publish`. */
  origin: string | undefined
}

/** Receives messages; while it works on one, the publisher waits. */
export type Subscriber = (message: Delivered) => void | Promise<void>

/** What happened to a client, as plain data. */
export type ClientEvent =
  | { event: 'connected', clientId: string, username?: string, address?: string, listener?: string, clean: boolean }
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
  /** UTC ms. */
  connectedAt: number
  subscriptions: Array<{ topic: string, qos: number }>
}

export interface BrokerStatistics {
  /** Clients connected now. */
  clients: number
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

/** The state of a listener. */
export type ListenerState =
  | { state: 'starting' }
  | { state: 'listening', host: string, port: number }
  | { state: 'failed', error: PlatziverseError }
  | { state: 'closed' }

/** For Node's tls: certificate and key as PEM, or both in a PKCS#12 file. */
export type TlsMaterial = ({ cert: string | Buffer, key: string | Buffer } | { pfx: Buffer }) & {
  ca?: string | Buffer | Array<string | Buffer>
  passphrase?: string
}

export interface ListenerOptions {
  transport: 'tcp' | 'tls' | 'ws' | 'wss'
  /** Address to listen on; empty: loopback, or every address when anonymous access is allowed or there are users. */
  host: string
  /** 0: any free port. */
  port: number
  /** For `tls` and `wss`. */
  tls?: TlsMaterial
  /** For `tls` and `wss`: whether clients need a certificate, and whether its common name is the username. */
  certificates?: 'none' | 'required' | 'username'
  /** For `ws` and `wss`: web origins in lower case whose pages may connect, besides those of the same host; `*` is any. */
  origins?: string[]
}

/** The WebSocket messages that carry a stream of MQTT. */
export interface WebSocketMessages extends Reader {
  /** How many came so far. */
  count: number
  /** Bytes of the message that is not complete: it is read when it is. */
  unread: number
  /** Called when that changed. */
  changed: (() => void) | undefined
  /** Limit the packets that a message may hold from now on, in bytes (0: as large as MQTT allows). @param isKnown whether the client was let in */
  limitPackets (bytes: number, isKnown: boolean): void
}

/** A new connection, before anything was read from it. */
export interface Arrival {
  address: string | undefined
  /** Whether it can only be a program on this machine. */
  local: boolean
  /** The common name of its certificate, where that is the username; empty: it has none. */
  username: string | undefined
  /** The socket below the stream, with the client's byte counters. */
  socket: Socket
  /** The messages that carry the stream; absent: the socket itself is the stream. */
  messages?: WebSocketMessages
}

/** A login that is decided outside the broker. */
export interface Login {
  clientId: string
  username: string
  /** Undefined: the client sent none. */
  password: string | undefined
  address: string | undefined
}

/** Whether a client may come in under the username that it gives; undefined: nobody decided. May take any time. */
export type Decide = (login: Login) => Promise<boolean | undefined>

/** All that an embedded broker is to be. Plain data but for `decide`: what is equal stays as it is, with its clients. */
export interface EmbeddedBrokerOptions {
  /** The state of the first one is shown as the broker's. */
  listeners: ListenerOptions[]
  /** Whether clients from the network may come without a user. */
  anonymous: boolean
  users: UserRecord[]
  /** Decides on logins in the place of `users`. */
  decide?: Decide
  rules: Rule[]
  limits: Limits
  /** Folder for retained messages, sessions, offline queues and the owners of agents; undefined: they are in memory. */
  folder: string | undefined
  /** Seconds between two publications of `$SYS/broker/…`; 0: none. */
  sys: number
}

/** All that a broker is to be. Each engine has options of its own; so far there is one. */
export type BrokerOptions = EmbeddedBrokerOptions

/** Whether a client may speak for an agent, or not because the agent is another user's or one too many. */
export type Ownership = 'theirs' | 'another' | 'tooMany'

/** Which user each agent belongs to. */
export interface AgentOwnership {
  /** Agents that one user may speak for; 0: any number. */
  readonly mostPerUser: number
  /**
   * A client speaks for an agent, which belongs to the client's user from now on if it is nobody's.
   * @param username proved; undefined: the user is not known, and owns nothing
   */
  claim (uuid: string, username: string | undefined): Ownership
  /** Whether an agent is the user's, so that the user may say that it is gone; undefined: it is nobody's. */
  mayEnd (uuid: string, username: string | undefined): boolean | undefined
  /**
   * Let the agent belong to the next user that speaks for it. Resolves after the commit.
   * @returns whose it was; undefined: nobody's
   */
  forget (uuid: string): Promise<string | undefined>
  /** `forget` for all agents of a user. @returns how many they were */
  forgetUser (username: string): Promise<number>
}

export interface BrokerEvents {
  client: [ClientEvent]
  /** A listener opened, failed or closed; `index` in `listeners`. */
  listener: [ListenerState, number]
  /** The broker cannot write to its disk, and publishers wait; undefined: it can again. */
  disk: [PlatziverseError | undefined]
}

/**
 * What only an engine can do that holds the clients' connections itself. One that is a client of a broker elsewhere has none of it,
 * and no `BrokerEvents` but `listener`.
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
  /** What the engine cannot know is 0. */
  statistics (): BrokerStatistics
  /** Be as the options say: what did not change is not touched, and clients whose rights did not change stay. */
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
  /** Free the ports and hang up on every client. May be called twice. */
  close (): Promise<void>
}
