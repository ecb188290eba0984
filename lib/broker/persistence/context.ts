import type { StateBytes } from '../state-bytes.ts'
import type { Journal } from './journal/journal.ts'

/** The parts of aedes and its clients that a persistence uses. */
export interface Aedes { id: string, counter: number }
export interface Client { id: string, clean?: boolean, connecting?: boolean, closed?: boolean, _authorized?: boolean }

/** 0: no limit. */
export interface PersistenceLimits {
  /** Topics with a retained message. Beyond that, no further topic gets one; those that are there can still be replaced and cleared. */
  retainedMessages: number
  /** Bytes of topics, payloads and properties of retained messages, with what the levels of their topics take. What exceeds it is not retained. */
  retainedBytes: number
  /** Messages in one session's queue, including those on their way to a connected client. Further ones are not queued. */
  offlineMessages: number
  /** Bytes of topics, payloads and properties in one session's queue. What exceeds it is not queued. */
  offlineBytes: number
  /** Bytes in all queues: each message once, plus 512 for each place in a queue. What exceeds it is not queued. */
  offlineTotalBytes: number
  /** Seconds after which the session of a client that is away ends. */
  sessionExpiry: number
}

/** What all parts of a persistence work with. */
export interface Context {
  /** Keeps nothing until the records of former runs are restored. */
  journal: Journal
  limits: PersistenceLimits
  /** Counts what the sessions keep. */
  stateBytes: StateBytes
  /** ms since 1970. */
  now: () => number
  /** Undefined before `setup`. */
  broker: Aedes | undefined
}

/** A limit as a number to compare with. */
export function orInfinite (limit: number): number {
  return limit === 0 ? Infinity : limit
}

/** What `then` takes. aedes waits for some operations that must call back sooner than a promise would: they return a `then` of their own. */
export type OnFulfilled<A> = ((value: void) => A | PromiseLike<A>) | null | undefined
export type OnRejected<B> = ((reason: unknown) => B | PromiseLike<B>) | null | undefined
