import type { EventEmitter } from 'node:events'
import type { Aedes, AedesPublishPacket, Client, PublishPacket } from 'aedes'

/*
 * Every member of aedes that the broker uses and that aedes' types do not declare. Any release may change them, so the dependency
 * stays within one minor version, and a test checks that each member exists and has the type that the tables below say.
 */

/** A message on its way to a client. The id and the counter of its broker tell it from all others. */
export type DeliveredPacket = AedesPublishPacket & { qos: 0 | 1 | 2, brokerId?: string | null, brokerCounter: number }

/** Sends one message, and then calls back. */
export type Deliver = (packet: DeliveredPacket, done: (error?: Error) => void) => void

/** Of the emitter that routes messages to subscriptions. */
export interface EmitterInternals {
  /** Messages that are being routed. */
  current: number
  /** Whether a message was begun since one ended with none waiting. While too many are being routed it has to be true. */
  _doing: boolean
  /** Give a message to every subscription; `done` is called once all of them have handled it. */
  _do (message: PublishPacket, done: () => void): EmitterInternals
  /** Messages that wait because too many are being routed and, in the same order, their callbacks. */
  _messageQueue: EmitterQueue<PublishPacket>
  _messageCallbacks: EmitterQueue<() => void>
  /** Route a message, or let it wait. */
  emit (message: object, done: (error?: Error) => void): unknown
  /** Finds the subscriptions that match a topic. */
  _matcher: { match (topic: string): unknown[] }
  /** Ends a subscription, a turn of the event loop later. */
  removeListener (filter: string, handler: (packet: AedesPublishPacket, done: () => void) => void, removed: () => void): unknown
}

/** The part of an array that the emitter uses. */
interface EmitterQueue<T> {
  readonly length: number
  push (item: T): number
  shift (): T | undefined
}

/** Of a broker. */
export interface AedesInternals {
  mq: EmitterInternals
  /** By client id. */
  clients: Record<string, Client | undefined>
  /** Messages so far: the number of the last one. */
  counter: number
  /** ms; read when a client comes. */
  connectTimeout: number
  maxTopicLevels: number
  registerClient (client: Client): void
  /** Called after the end of another client with the same id. */
  _finishRegisterClient (client: Client): void
  unregisterClient (client: Client): void
}

/** The part of mqtt-packet's parser that reads properties. */
export interface PropertyParser {
  /** Where it is, in the bytes of one packet. */
  _pos: number
  _list: { slice (from: number, to: number): Buffer }
  /** Reads the properties at that position. */
  _parseProperties (): object | false
}

/** Of a client. */
export interface ClientInternals {
  /** By filter. */
  subscriptions: Record<string, { qos: 0 | 1 | 2 }>
  /** The last number that came from each broker, by broker id. */
  duplicates: Record<string, number>
  deliver0: Deliver
  deliverQoS: Deliver
  /** Called when the socket's buffer is full. */
  waitForDrain (done: (error: Error | null, client: Client) => void): void
  /** The last will, while the client is being let in. */
  _will: PublishPacket | undefined
  /** Called after a packet was handled, and after a pause. */
  _nextBatch: (error?: Error | null) => void
  /** Packets that are being handled. */
  _parsingBatch: number
  /** While the client is being let in. */
  _paused: boolean | undefined
  connackSent: boolean
  /** Started anew with each packet; null: CONNECT asked for none. */
  _keepaliveTimer: NodeJS.Timeout | null
  /** ms; -1: none. */
  _keepaliveInterval: number
  /** Whether DISCONNECT came. */
  _disconnected: boolean
  /** The message id of the next message of QoS 1 or 2 to the client. */
  _nextId: number
  /** Handles every packet in the bytes that it is given. */
  _parser: EventEmitter & PropertyParser & { client: Client, parse (bytes: Buffer): number }
}

/** The `typeof` of each member. `_will` and `_keepaliveTimer` are those of a client without a will and without a keepalive. */
export const emitterMembers: Readonly<Record<keyof EmitterInternals, string>> = {
  current: 'number',
  _doing: 'boolean',
  _do: 'function',
  emit: 'function',
  _messageQueue: 'object',
  _messageCallbacks: 'object',
  _matcher: 'object',
  removeListener: 'function'
}

export const aedesMembers: Readonly<Record<keyof AedesInternals, string>> = {
  mq: 'object',
  clients: 'object',
  counter: 'number',
  connectTimeout: 'number',
  maxTopicLevels: 'number',
  registerClient: 'function',
  _finishRegisterClient: 'function',
  unregisterClient: 'function'
}

export const clientMembers: Readonly<Record<keyof ClientInternals, string>> = {
  subscriptions: 'object',
  duplicates: 'object',
  deliver0: 'function',
  deliverQoS: 'function',
  waitForDrain: 'function',
  _will: 'undefined',
  _nextBatch: 'function',
  _parsingBatch: 'number',
  _paused: 'boolean',
  _parser: 'object',
  connackSent: 'boolean',
  _keepaliveTimer: 'object',
  _keepaliveInterval: 'number',
  _disconnected: 'boolean',
  _nextId: 'number'
}

/** A broker with the members that its types do not declare. */
export function internalsOf (aedes: Aedes): Aedes & AedesInternals
/** A client with the members that its types do not declare. */
export function internalsOf (client: Client): Client & ClientInternals
export function internalsOf (object: Aedes | Client): unknown {
  return object
}
