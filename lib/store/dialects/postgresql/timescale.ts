import type { Knex } from 'knex'
import { day } from '../../../time.ts'
import type { Chunk, Timescale, TimescaleState } from '../chunks.ts'
import { codeOf } from '../server-errors.ts'

/** ms after which the metrics of a day are compressed: few come that late, and each costs more then. */
const uncompressed = 7 * day

/** The schema that TimescaleDB's functions are in, ready for a statement. */
const extension = "select extnamespace::regnamespace::text as schema from pg_extension where extname = 'timescaledb'"

/** Selects the rows of a view that concern `metrics`. */
const ofMetrics = `(hypertable_schema, hypertable_name) = (
  select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace where pg_class.oid = to_regclass('metrics'))`

const allChunks = `
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
 * Make `metrics` a hypertable, compressed after a week, where TimescaleDB is installed and there are no metrics yet: moving them
 * would lock the table for hours. Without the rights it stays a plain table, and with the Apache edition it is not compressed; both work.
 * @param db with the tables of this version
 */
export async function useTimescale (db: Knex): Promise<void> {
  await attempt(db, async transaction => {
    const schema = await schemaOf(transaction)
    if (schema === undefined || await isHypertable(transaction) || await transaction('metrics').first('ts') !== undefined) return
    // Not worth waiting for: where others write already, the table is no longer empty.
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

/** Needs no right except to read `metrics`; there may be no tables. */
async function state (db: Knex): Promise<TimescaleState | undefined> {
  const [fact] = await rowsOf<{ version: string, apache: boolean | null, found: boolean, allowed: boolean | null }>(db, facts)
  if (fact === undefined) return undefined
  const { version, apache, found, allowed } = fact
  const edition = { version, isApache: apache === true }
  if (await isHypertable(db)) {
    const [job] = await rowsOf<{ after: string }>(db, policy)
    return { ...edition, metrics: 'hypertable', ...job && { compressedAfter: Number(job.after) } }
  }
  if (found && await db('metrics').first('ts') !== undefined) return { ...edition, metrics: 'plain' }
  return { ...edition, metrics: allowed === true ? 'next' : 'forbidden' }
}

/** All of it or, where the server refuses a part of it, nothing. */
async function attempt (db: Knex, work: (db: Knex) => Promise<void>): Promise<void> {
  await db.transaction(work).catch(() => undefined)
}

async function chunks (db: Knex): Promise<Chunk[] | undefined> {
  if (await schemaOf(db) === undefined || !await isHypertable(db)) return undefined
  const rows = await rowsOf<Record<keyof Chunk, string | number>>(db, allChunks)
  return rows.map(({ table, from, to }) => ({ table: String(table), from: Number(from), to: Number(to) }))
}

async function lock (db: Knex, end: number, patience: number): Promise<number> {
  await db.raw(`set local lock_timeout = ${Number(patience)}`)
  // The lock that making a chunk takes.
  await db.raw('lock table only metrics in share update exclusive mode')
  const tables = (await chunks(db) ?? []).filter(({ to }) => to <= end).map(({ table }) => table)
  if (tables.length > 0) await db.raw(`lock table only ${tables.join(', only ')} in access exclusive mode`)
  return tables.length
}

async function drop (db: Knex, end: number): Promise<void> {
  await db.raw(`insert into retention (series_id, raw_from, hours_from) select id, ${Number(end)}, 0 from series order by id
    on conflict (series_id) do update set raw_from = excluded.raw_from where retention.raw_from < excluded.raw_from`)
  await db.raw(`select ${await schemaOf(db)}.drop_chunks('metrics', older_than => ${Number(end)}::bigint)`)
}

const lockNotAvailable = '55P03'
const deadlockDetected = '40P01'

/** What the store asks of TimescaleDB. */
export const timescale: Timescale = {
  state, chunks, lock, drop, couldNotLock: error => [lockNotAvailable, deadlockDetected].includes(codeOf(error))
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
