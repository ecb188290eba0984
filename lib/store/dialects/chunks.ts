import type { Knex } from 'knex'

/** The part of the hypertable that has the metrics from `from` (UTC ms) to before `to`; `table` is ready for a statement. */
export interface Chunk { table: string, from: number, to: number }

/** What TimescaleDB does for a database. */
export interface TimescaleState {
  /** Such as `2.25.2`. */
  version: string
  /** The edition under the Apache licence, which cannot compress. */
  isApache: boolean
  /**
   * Whether `metrics` is a hypertable, becomes one at the next start, cannot become one because this user lacks a right, or
   * stays a plain table because it has metrics already.
   */
  metrics: 'hypertable' | 'next' | 'forbidden' | 'plain'
  /** ms after which metrics are compressed; absent where they are not. */
  compressedAfter?: number
}

/** Metrics in chunks of time that are dropped whole. */
export interface Timescale {
  /** What the extension does, or why it does nothing; undefined where it is not installed. Writes nothing. */
  state (db: Knex): Promise<TimescaleState | undefined>
  /** The chunks, the oldest first; undefined: metrics are in a plain table. */
  chunks (db: Knex): Promise<Chunk[] | undefined>
  /**
   * Lock the chunks that end by then (UTC ms) exclusively, and keep others from making new ones, until the transaction ends.
   * @param patience ms to wait for each lock
   * @returns how many
   */
  lock (db: Knex, end: number, patience: number): Promise<number>
  /** Drop the chunks that end by then, and record in `retention` the time from which each series has metrics. */
  drop (db: Knex, end: number): Promise<void>
  /** Whether a drop failed because a lock was not free in time, or because of a deadlock. */
  couldNotLock (error: unknown): boolean
}
