import type { Knex } from 'knex'
import type { Timescale } from './chunks.ts'
import type { Key, Span } from './spans.ts'

/**
 * What all databases of one kind have in common, for work that has a Knex and nothing else: see `kindOf`. What is absent here is
 * not needed by this kind, or not possible.
 */
export interface DatabaseKind {
  /** What people call a server, or a library, that gives this version of itself. */
  name (version: string): string
  /** SQL of the version. */
  version: string
  /** The rows in what `raw` gives, which differs from driver to driver. */
  rowsOf (result: unknown): Array<Record<string, unknown>>
  /** Most rows in one insert. */
  rowsPerInsert: number
  /** Held while the tables are made, as Knex's own lock is a table, which two processes may make at once. The server drops it with the connection. */
  migrationLock?: { lock: string, unlock: string }
  /**
   * For a kind that came after migrations were released: they never change, and do not know it. `create` makes the tables as all
   * migrations up to `migration`, with it, would leave them; those are not run.
   */
  schema?: { migration: string, create (knex: Knex): Promise<void> }
  /** What is done with tables of this version each time they are opened, under that lock. */
  afterMigrations? (knex: Knex): Promise<void>
  /** A transaction that sees what others committed meanwhile, and makes no writer wait but for the rows that it changes. */
  transact<Result> (knex: Knex, work: (db: Knex) => Promise<Result>): Promise<Result>
  /** A transaction that sees one moment of the database, however long it takes. */
  snapshot<Result> (knex: Knex, work: (db: Knex) => Promise<Result>): Promise<Result>
  /** Lock the rows that a query finds until the transaction ends; those that another process has locked are left out. */
  lockRows<Query extends Knex.QueryBuilder> (query: Query): Query
  /** Where metrics lie in the order in which they came, it is cheaper to delete a little of many series in one statement. */
  spans?: SpanStatements
  /** Where metrics may be in chunks of time that are dropped whole. */
  timescale?: Timescale
  /** Told to the writer before and after rows are deleted. */
  deletionSettings?: { before: string, after: string }
  /** Give the space of deleted rows back to the disk. @returns pages given back, `most` at the most; 0: that was all */
  releasePages? (knex: Knex, most: number): Promise<number>
  /** Go on with numbers after those of rows that were inserted with theirs. */
  continueIds? (knex: Knex): Promise<void>
}

/** What is done with spans of several series in one statement. */
export interface SpanStatements {
  /** Of each span that has a row: the time of its first row and of that `count` rows later, null where there is none, whether in the span or after it. */
  times (db: Knex, table: 'metrics' | 'metrics_1h', spans: Span[], count: number): Promise<Array<{ id: number, first: number | string | null, next: number | string | null }>>
  /** The first row of dirty_hours in each span that has one. */
  firstDirty (db: Knex, spans: Span[]): Promise<Key[]>
  /** Delete metrics. @returns how many */
  deleteRows (db: Knex, spans: Span[]): Promise<number>
}

/** Say which kind of database a Knex, and so each of its transactions, speaks to. */
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
