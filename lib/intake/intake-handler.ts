import type { PlatziverseError } from '../errors.ts'
import type { Message, RejectReason } from '../messages/parse.ts'
import type { Delivery } from './pending-deliveries.ts'

/** The publication that a message was made of, by a row of "Other topics". */
export interface Source {
  topic: string
  /** As it came; bytes that are no UTF-8 stay a Buffer. */
  payload: string | Buffer
}

export interface Rejected {
  topic: string
  /** The original bytes as text. */
  payload: string
  reason: RejectReason
  detail: string
  /** The place in `metrics` of a metric that alone was left out; the rest of the message went on. Absent: the whole message was rejected. */
  index?: number
}

/** `unit`: a time in another unit than ms; `receipt`: the time of receipt in its place; `topic`: nearly one of the three topics. */
export type NoticeKind = 'unit' | 'receipt' | 'topic'

/** Receives what an intake takes off the broker. None of these may throw. */
export interface IntakeHandler {
  /** @param source where the message was published on another topic than its own */
  message (message: Message, delivery: Delivery, source?: Source): void
  rejected (rejected: Rejected, delivery: Delivery): void
  /** A message went on, and its sender should correct something all the same. */
  noticed? (kind: NoticeKind, detail: string, clientId: string): void
  /** Nobody claimed `count` deliveries within the time limit, and they were not acknowledged; `message` and `delivery` are of one of them. */
  unsettled (error: PlatziverseError, count: number, message: Message, delivery: Delivery): void
}
