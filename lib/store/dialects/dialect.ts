import type { Knex } from 'knex'
import type { PlatziverseError } from '../../errors.ts'

export interface AgentRow {
  uuid: string
  username: string | null
  name: string | null
  hostname: string | null
  pid: number | null
  connected: boolean
  /** When the agent was heard first in this batch; kept only if it was not connected. UTC ms. */
  connectedAt: number
  lastSeenAt: number
}

export interface SeriesRow { agentId: number, type: string }

/** The metrics of one message: its timestamp and seq, then the id of a series and its value, again and again. */
export type MessageRow = [ts: number, seq: number, ...seriesAndValues: Array<number | string>]

/** A series' newest metric: a string goes into the column `text`, a number into `value`. */
export type LatestRow = [seriesId: number, ts: number, value: number | string]

/** When an agent was heard last; UTC ms. */
export type SeenRow = [agentId: number, lastSeenAt: number]

export interface Additions { messages: MessageRow[], latest: LatestRow[], seen: SeenRow[] }

/**
 * What one kind of database does in its own way. Every statement takes a whole batch and binds it at once; `db` is a
 * transaction or the pool.
 */
export interface Dialect {
  /** Open a pool and prepare the database for durable writing, without touching its schema. */
  connect (): Promise<Knex>
  /**
   * Insert metrics, remember the newest of each series unless a newer one is known, and when agents were seen: all of
   * it or nothing, and committed when it resolves, unless `db` is a transaction. Fails when the key of a metric is there.
   */
  append (db: Knex, additions: Additions): Promise<void>
  /** Whether `append` failed because the key of a metric is there. */
  foundDuplicates (error: unknown): boolean
  /** Which of these keys are there, as `seriesId/ts/seq`. */
  existingMetrics (db: Knex, messages: MessageRow[]): Promise<Set<string>>
  /** Insert agents or update them. */
  upsertAgents (db: Knex, agents: AgentRow[], now: number): Promise<Array<{ id: number, uuid: string }>>
  /** Mark agents as disconnected; unknown ones stay unknown. */
  disconnectAgents (db: Knex, uuids: string[], now: number): Promise<Array<{ id: number, uuid: string }>>
  /** Find or create series. */
  upsertSeries (db: Knex, series: SeriesRow[]): Promise<Array<{ id: number, agentId: number, type: string }>>
  /** Whether the database refuses the data itself, so that trying again is pointless. */
  refusesData (error: unknown): boolean
  /** Any error of this database in our words. */
  explain (error: unknown): PlatziverseError
}
