import type { Knex } from 'knex'
import { PlatziverseError } from '../../errors.ts'

export interface AgentRow {
  uuid: string
  username: string | null
  name: string | null
  hostname: string | null
  pid: number | null
  connected: boolean
  /** The process that has the agent connected, where several write to one database. */
  instance: string
  /** When the agent was heard first in this batch; kept only if it was not connected. UTC ms. */
  connectedAt: number
  lastSeenAt: number
}

/**
 * The `text` of a metric that is −0, beside its `value` 0: SQLite keeps a real that is whole as an integer, and integers have
 * no negative zero. The same on every database, so that a copy of it reads the same.
 */
export const negativeZero = '-0'

/** A metric's two columns; what comes out of a database may be the text of a number. */
export function valueAndText (value: number | string): [number | null, string | null] {
  if (typeof value === 'string') return [null, value]
  return Object.is(value, -0) ? [0, negativeZero] : [value, null]
}

/** The value in a metric's two columns; null where there is none. */
export function valueOf (value: unknown, text: unknown): number | string | null {
  if (value === null) return text as string | null
  return text === null ? Number(value) : -0
}

export interface SeriesRow { agentId: number, type: string }

/** The metrics of one message: its timestamp and seq, then the id of a series and its value, again and again. */
export type MessageRow = [ts: number, seq: number, ...seriesAndValues: Array<number | string>]

/** A series' newest metric, by `ts` and then `seq`: a string goes into the column `text`, a number into `value`. */
export type LatestRow = [seriesId: number, ts: number, seq: number, value: number | string]

/** When an agent that is connected was heard last (UTC ms), and by which process. */
export type SeenRow = [agentId: number, lastSeenAt: number, instance: string]

/** An hour of a series that got metrics and has to be rolled up; `ts` is its start in UTC ms. */
export type DirtyHourRow = [seriesId: number, ts: number]

/** The row by which a writer says that it lives, as it wrote it last. */
export interface WriterMark { id: string, beat: number }

/** `writer` absent: whoever adds remembers no ids from one statement to the next. */
export interface Additions { messages: MessageRow[], latest: LatestRow[], seen: SeenRow[], dirtyHours: DirtyHourRow[], writer?: WriterMark }

/** The ids that a writer remembers are of another state of the database: adding by them would give metrics to other series. */
export function writerMissing (database: string): PlatziverseError {
  return new PlatziverseError('STORE_REPLACED', `${database} has another state than the one that was opened: it was restored, or somebody emptied the table writers.`)
}

/**
 * What one kind of database does in its own way. Every statement takes a whole batch and binds it at once; `db` is a
 * transaction or the pool.
 */
export interface Dialect {
  /** Open the writer's pool, of one connection, and prepare the database for durable writing, without touching its schema. */
  connect (): Promise<Knex>
  /** What that pool has to be told once the schema is there, before `append`. */
  prepare? (knex: Knex): Promise<void>
  /** Close that pool. */
  disconnect (knex: Knex): Promise<void>
  /**
   * Whether what `connect` opened is still what the database's name leads to; before and after each batch, so in microseconds.
   * Absent: a server sees to that.
   * @throws PlatziverseError STORE_REPLACED
   */
  check? (): void
  /** Open a pool that only reads and never holds the writer up. The schema is there. */
  read: () => Promise<Knex>
  /** Open a pool, of one connection, for long work that writes beside the writer. Absent: the database has one writer at a time. */
  beside?: () => Promise<Knex>
  /**
   * Insert metrics, remember the newest of each series unless a newer one is known, when agents were seen (they are
   * connected then), and hours to roll up, which may be there already: all of it or nothing, and committed when it
   * resolves, unless `db` is a transaction. Fails when the key of a metric is there.
   * @throws PlatziverseError STORE_REPLACED when the mark of `writer` is not there; nothing was added then
   */
  append (db: Knex, additions: Additions): Promise<void>
  /** Whether `append` failed because the key of a metric is there. */
  foundDuplicates (error: unknown): boolean
  /** Which of these keys are there, as `seriesId/ts/seq`. */
  existingMetrics (db: Knex, messages: MessageRow[]): Promise<Set<string>>
  /** Insert agents or update them. */
  upsertAgents (db: Knex, agents: AgentRow[], now: number): Promise<Array<{ id: number, uuid: string }>>
  /** Mark agents as disconnected, unless another process has them; unknown ones stay unknown. @returns those that are there */
  disconnectAgents (db: Knex, uuids: string[], instance: string, now: number): Promise<Array<{ id: number, uuid: string }>>
  /** Find or create series. */
  upsertSeries (db: Knex, series: SeriesRow[]): Promise<Array<{ id: number, agentId: number, type: string }>>
  /** Whether the database refuses the data itself, so that trying again is pointless. */
  refusesData (error: unknown): boolean
  /** Whether the same again may succeed at once: a deadlock, a serialization failure. */
  isTransient (error: unknown): boolean
  /** Any error of this database in our words, without secrets. */
  explain (error: unknown): PlatziverseError
}
