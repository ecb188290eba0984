import type { Knex } from 'knex'
import { day } from '../../../time.ts'

/** ms after which the metrics of a day are compressed: few come that late, and each costs more then. */
const uncompressed = 7 * day

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

/** The schema that TimescaleDB's functions are in, ready for a statement. */
const extension = "select extnamespace::regnamespace::text as schema from pg_extension where extname = 'timescaledb'"

/** Those of a view's rows that are of `metrics`. */
const ofMetrics = `(hypertable_schema, hypertable_name) = (
  select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace where pg_class.oid = to_regclass('metrics'))`

const chunks = `
  select format('%I.%I', chunk_schema, chunk_name) as table, range_start_integer as from, range_end_integer as to
  from timescaledb_information.chunks
  where ${ofMetrics}
  order by range_start_integer`

/** `allowed`: whether the user may do what `useTimescale` does. Where there is no table, whoever makes it owns it. */
const facts = `
  select extversion as version,
    current_setting('timescaledb.license', true) = 'apache' as apache,
    to_regclass('metrics') is not null as found,
    has_schema_privilege(extnamespace, 'usage') and has_schema_privilege(current_schema(), 'create')
      and (select bool_and(has_function_privilege(oid, 'execute')) from pg_proc where proname = 'create_hypertable' and pronamespace = extnamespace)
      and coalesce((select pg_has_role(relowner, 'usage') from pg_class where oid = to_regclass('metrics')), true) as allowed
  from pg_extension where extname = 'timescaledb'`

const policy = `
  select config ->> 'compress_after' as after from timescaledb_information.jobs
  where proc_name = 'policy_compression' and scheduled and config ->> 'compress_after' is not null and ${ofMetrics}`

/**
 * Make `metrics` a hypertable, compressed after a week, where TimescaleDB is there and there are no metrics yet: moving them
 * would lock the table for hours. Whatever keeps it from that, rights or the edition, leaves the table, or the
 * hypertable without compression, which works as well.
 * @param db with the tables of this version
 */
export async function useTimescale (db: Knex): Promise<void> {
  await attempt(db, async transaction => {
    const schema = await schemaOf(transaction)
    if (schema === undefined || await isHypertable(transaction) || await transaction('metrics').first('ts') !== undefined) return
    // Nobody waits for it; where others write already, the table is not empty any more.
    await transaction.raw('set local lock_timeout = 1000')
    await transaction.raw(`select ${schema}.create_hypertable('metrics', 'ts', chunk_time_interval => ${day}::bigint, create_default_indexes => false)`)
    await transaction.raw(`create or replace function metrics_now() returns bigint language sql stable as
      'select (extract(epoch from now()) * 1000)::bigint'`)
    await transaction.raw(`select ${schema}.set_integer_now_func('metrics', 'metrics_now', replace_if_exists => true)`)
    // The edition under the Apache licence cannot.
    await attempt(transaction, async part => {
      await part.raw(`alter table metrics set (timescaledb.compress,
        timescaledb.compress_segmentby = 'series_id', timescaledb.compress_orderby = 'ts desc, seq desc')`)
      await part.raw(`select ${schema}.add_compression_policy('metrics', ${uncompressed}::bigint)`)
    })
  })
}

/**
 * What TimescaleDB does for a database, or why it does nothing; undefined where the extension is not there. Writes nothing, and
 * needs no right but to read `metrics`.
 * @param db any database, with tables or without
 */
export async function timescaleState (db: Knex): Promise<TimescaleState | undefined> {
  if (db.client.dialect !== 'postgresql') return undefined
  const [fact] = await rowsOf<{ version: string, apache: boolean | null, found: boolean, allowed: boolean | null }>(db, facts)
  if (fact === undefined) return undefined
  const { version, apache, found, allowed } = fact
  const state = { version, isApache: apache === true }
  if (await isHypertable(db)) {
    const [job] = await rowsOf<{ after: string }>(db, policy)
    return { ...state, metrics: 'hypertable', ...job && { compressedAfter: Number(job.after) } }
  }
  if (found && await db('metrics').first('ts') !== undefined) return { ...state, metrics: 'plain' }
  return { ...state, metrics: allowed === true ? 'next' : 'forbidden' }
}

/** All of it or, where the server refuses a part of it, nothing. */
async function attempt (db: Knex, work: (db: Knex) => Promise<void>): Promise<void> {
  await db.transaction(work).catch(() => undefined)
}

/** Where `metrics` is a hypertable: its chunks, the oldest first. */
export async function chunksOf (db: Knex): Promise<Chunk[] | undefined> {
  if (db.client.dialect !== 'postgresql' || await schemaOf(db) === undefined || !await isHypertable(db)) return undefined
  const rows = await rowsOf<Record<keyof Chunk, string | number>>(db, chunks)
  return rows.map(({ table, from, to }) => ({ table: String(table), from: Number(from), to: Number(to) }))
}

/**
 * Lock the chunks that end by then (UTC ms) for ourselves alone, and keep others from making new ones, until the transaction
 * ends.
 * @returns how many
 */
export async function lockChunks (db: Knex, end: number): Promise<number> {
  // What somebody takes who makes a chunk.
  await db.raw('lock table only metrics in share update exclusive mode')
  const tables = (await chunksOf(db) ?? []).filter(({ to }) => to <= end).map(({ table }) => table)
  if (tables.length > 0) await db.raw(`lock table only ${tables.join(', only ')} in access exclusive mode`)
  return tables.length
}

/** Drop the chunks that end by then. */
export async function dropChunks (db: Knex, end: number): Promise<void> {
  await db.raw(`select ${await schemaOf(db)}.drop_chunks('metrics', older_than => ${Number(end)}::bigint)`)
}

async function schemaOf (db: Knex): Promise<string | undefined> {
  return (await rowsOf<{ schema: string }>(db, extension))[0]?.schema
}

async function isHypertable (db: Knex): Promise<boolean> {
  const found = await rowsOf(db, `select from timescaledb_information.hypertables where ${ofMetrics}`)
  return found.length > 0
}

async function rowsOf<Row> (db: Knex, sql: string): Promise<Row[]> {
  return (await db.raw(sql) as { rows: Row[] }).rows
}
