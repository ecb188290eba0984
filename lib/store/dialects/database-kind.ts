import type { Knex } from 'knex'
import type { Timescale } from './chunks.ts'
import type { Key, Span } from './spans.ts'

/**
 * What all databases of one kind have in common. Code that has only a Knex asks `kindOf`. An optional member that is absent is not
 * needed by the kind, or not possible.
 */
export interface DatabaseKind {
  /** The product's name, given the version that the server reports. */
  name (version: string): string
  /** The SQL expression for the version. */
  version: string
  /** The rows in what `raw` gives, which differs from driver to driver. */
  rowsOf (result: unknown): Array<Record<string, unknown>>
  /** Most rows in one insert. */
  rowsPerInsert: number
  /** The SQL expression, in an insert that updates rows that are there, for what was to be inserted. */
  given (column: string): string
  /** Held while the tables are made: Knex's own lock is a table, which two processes may make at once. It ends with the connection. */
  migrationLock?: { lock: string, unlock: string }
  /**
   * For a kind that came after some migrations were released: those never change, and so do not know it. `create` makes the tables as the
   * migrations up to and including `migration` would leave them; those are not run.
   */
  schema?: { migration: string, create (knex: Knex): Promise<void> }
  /** Run under that lock each time a database with the tables of this version is opened. */
  afterMigrations? (knex: Knex): Promise<void>
  /** A transaction that sees what others commit meanwhile, and blocks writers only on the rows that it changes. */
  transact<Result> (knex: Knex, work: (db: Knex) => Promise<Result>): Promise<Result>
  /** A transaction that sees one moment of the database, however long it takes. */
  snapshot<Result> (knex: Knex, work: (db: Knex) => Promise<Result>): Promise<Result>
  /** `metrics` is a view of two tables: they are searched by their keys where nothing is joined to it, and where what it is ordered by is selected too. */
  metricsAreView?: boolean
  /** The table that holds metrics once they are settled: what is deleted is there. Absent: `metrics`. */
  settledTable?: 'metrics_settled'
  /**
   * Delete metrics of an agent that are not settled, from the oldest on.
   * @param rows about so many
   * @returns how many were deleted, and whether there are no more
   */
  deleteUnsettled? (db: Knex, agentId: number, rows: number): Promise<{ deleted: number, isDone: boolean }>
  /** Every metric, as a row of any kind: cheaper than the view, and not quite exact. */
  allMetrics? (db: Knex): Knex.Raw
  /** Whether an update can say which rows it changed. */
  returnsChanged: boolean
  /** Lock the rows that a query finds until the transaction ends, without those that another process has locked. */
  lockRows<Query extends Knex.QueryBuilder> (query: Query): Query
  /** For databases that keep metrics in the order in which they came: there it is cheaper to delete a little of many series in one statement. */
  spans?: SpanStatements
  /** For databases that may keep metrics in chunks of time, which are dropped whole. */
  timescale?: Timescale
  /** Run on the writer's connection before and after rows are deleted. */
  deletionSettings?: { before: string, after: string }
  /** Give the space of deleted rows back to the disk. @returns the pages given back, at most `most`; 0: there are no more */
  releasePages? (knex: Knex, most: number): Promise<number>
  /** Let the next ids follow those of rows that were inserted with an id of their own. */
  continueIds? (knex: Knex): Promise<void>
}

export type MetricTable = 'metrics' | 'metrics_settled'

/** The table from which metrics are deleted. */
export function settledTableOf (db: Knex): MetricTable {
  return kindOf(db).settledTable ?? 'metrics'
}

/** Statements for spans of several series at once. */
export interface SpanStatements {
  /** For each span: the time of its first row and of the row `count` rows later, which may be after the span; null where there is none. */
  times (db: Knex, table: MetricTable | 'metrics_1h', spans: Span[], count: number): Promise<Array<{ id: number, first: number | string | null, next: number | string | null }>>
  /** The first row of dirty_hours in each span that has one. */
  firstDirty (db: Knex, spans: Span[]): Promise<Key[]>
  /** Delete metrics. @returns how many */
  deleteRows (db: Knex, spans: Span[]): Promise<number>
}

/** Mark a Knex, and so its transactions, with the kind of database that it speaks to. */
export function ofKind (kind: DatabaseKind, knex: Knex): Knex {
  knex.userParams = { ...knex.userParams, kind }
  return knex
}

/**
 * The kind of a database.
 * @param db a Knex that a dialect opened, or one of its transactions
 */
export function kindOf (db: Knex): DatabaseKind {
  const kind = db.userParams.kind as DatabaseKind | undefined
  if (kind === undefined) throw new TypeError('This Knex was not opened by a dialect.')
  return kind
}
