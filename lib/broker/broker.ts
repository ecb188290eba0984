import type { EventEmitter } from 'node:events'
import type { PlatziverseError } from '../errors.ts'

/** A client's connection, from CONNECT to the end of its socket. */
export interface Connection {
  /** Tells apart two connections of one client id. */
  readonly number: number
  readonly clientId: string
  /** As the client gave it. */
  readonly username: string | undefined
  /** Remote address, where there is one. */
  readonly address: string | undefined
  /** True once the client went. */
  gone: boolean
}

/** One MQTT PUBLISH on its way in. */
export interface Publication {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  retain: boolean
  /** Whether the broker publishes it as the last will of `connection`. */
  will: boolean
  connection: Connection | undefined
}

/** Ends a taken publication: without an error the publisher is acknowledged, with one it is not and has to send again. */
export type Settle = (error?: Error) => void

/** Takes publications off the broker before it routes them: what is taken reaches nobody by the broker itself. */
export interface Taker {
  takes (topic: string): boolean
  take (publication: Publication, settle: Settle): void
  /** The client went, cleanly or not; its last will was taken before. */
  gone (connection: Connection): void
}

export interface OutgoingPublication {
  topic: string
  payload: string | Buffer
  qos: 0 | 1 | 2
  retain: boolean
}

/** What happened to a client, as plain data. */
export type ClientEvent =
  | { event: 'connected', clientId: string, username?: string, address?: string, clean: boolean }
  | { event: 'disconnected', clientId: string, username?: string, address?: string, reason: string }
  | { event: 'subscribed', clientId: string, subscriptions: Array<{ topic: string, qos: number }> }
  | { event: 'unsubscribed', clientId: string, topics: string[] }
  | { event: 'refused', clientId?: string, address?: string, reason: string }

export interface BrokerStatistics {
  /** Clients connected now. */
  clients: number
  /** Connections since the broker started. */
  connections: number
  /** Connections that were refused. */
  refused: number
  /** PUBLISH packets received, wills included. */
  received: number
  /** PUBLISH packets given to subscribers. */
  delivered: number
  /** QoS 0 deliveries dropped because a subscriber read too slowly. */
  dropped: number
  /** Subscribers cut off because they read too slowly. */
  cutOff: number
}

/** Where the listener stands. */
export type ListenerState =
  | { state: 'starting' }
  | { state: 'listening', host: string, port: number }
  | { state: 'failed', error: PlatziverseError }
  | { state: 'closed' }

export interface ListenerOptions {
  /** Address to listen on; empty: loopback, or every address when `anonymous`. */
  host: string
  /** 0: any free port. */
  port: number
  /** Whether clients from the network may come without a user. */
  anonymous: boolean
}

export interface BrokerEvents {
  client: [ClientEvent]
  listener: [ListenerState]
}

/** An MQTT broker. The seam behind which the engine (aedes now) can be exchanged. */
export interface Broker extends EventEmitter<BrokerEvents> {
  readonly listener: ListenerState
  /** False when nobody could receive what is published now, so that there is no need to write it. */
  readonly hasSubscribers: boolean
  statistics (): BrokerStatistics
  /** Open or replace the listener; one with the same options stays as it is, with its clients. */
  listen (options: ListenerOptions): void
  /**
   * Give a message to every subscriber; resolved when the broker took it.
   * @throws PlatziverseError PUBLISH_FAILED
   */
  publish (publication: OutgoingPublication): Promise<void>
  /** Hang up on every client and free the port. May be called twice. */
  close (): Promise<void>
}
