import type { Duplex } from 'node:stream'
import type { ReasonCode } from '../../mqtt/reason-codes.ts'
import type { GrantedDelivery } from '../aedes/granted-delivery.ts'
import type { Limits } from '../limits.ts'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import type { StateShare } from '../state-bytes.ts'

/** The broker, as far as its speakers know it. */
export interface SpeakerHost {
  limits (): Limits
  readonly persistence: BrokerPersistence
  /** Messages of one client that wait to be settled at most; undefined: any number. */
  mostUnsettled (): number | undefined
  /** A message did not reach a client. */
  dropped (by: string): void
}

/** The connection that a speaker speaks on. */
export interface SpeakerConnection {
  readonly stream: Duplex
  readonly delivery: GrantedDelivery | undefined
  /** The bytes that the broker remembers for it; undefined before it is let in. */
  readonly kept: StateShare | undefined
  /** Why it ends: for DISCONNECT, and for a log. The first ones count. */
  endCode: ReasonCode | undefined
  reason: string | undefined
  refusal: string | undefined
  /** Write to the stream, which is corked. @returns whether there is room for more */
  write (piece: Buffer | string): boolean
  cutOff (reason: string, code?: ReasonCode): void
  goOn (): void
}
