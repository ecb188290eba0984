import type { PlatziverseError } from '../errors.ts'
import type { Feed } from './feed.ts'
import type { Spool } from './writer/spool.ts'

// What a store is given, and what it says of itself.

export type StoreState =
  | { state: 'opening' }
  | { state: 'ready' }
  /** The database does not take messages; the store keeps trying. */
  | { state: 'waiting', error: PlatziverseError }
  | { state: 'closed' }

export interface StoreStatistics {
  /** Messages and metrics committed, duplicates included. */
  messages: number
  metrics: number
  /** Metrics that were stored before. */
  duplicates: number
  /** Messages that the database refused. */
  refused: number
  /** Attempts that failed as a whole and were repeated. */
  retries: number
  /** Messages that wait. */
  queued: number
  /** Messages in the spool. */
  spooled: number
}

export interface StoreOptions {
  /** This process; at most 64 characters. */
  instance: string
  /** Where it runs, the same after a restart; at most 64 characters. */
  home?: string
  /** Tells what is stored; several stores of one database may share it. Absent: one of its own. */
  feed?: Feed
  /** Where messages wait, acknowledged, while the database is away. Absent: in memory, not acknowledged. Closed with the store. */
  spool?: Spool | undefined
  /** ms until a spool that failed is read again. */
  spoolPatience?: number
  /**
   * ms that a message waits at the most for others to share its commit, and its sender for the acknowledgement. It waits no longer when ten of one client, a
   * batch or 1 MB wait, or other work does. Absent: nothing waits.
   */
  gather?: number
}

/** Of whom a message came. */
export interface Sender {
  /** Absent: of no client. */
  clientId?: string
  /** It came from a broker that runs elsewhere. */
  elsewhere?: boolean
  /** When a goodbye without a time was first given to a store, UTC ms by the clock of then; absent: now. */
  queuedAt?: number
}
