import assert from 'node:assert/strict'
import { after, type TestContext } from 'node:test'
import type { Knex } from 'knex'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import type { ServerOptions } from '../../lib/store/dialects/options.ts'
import { Retention, type RetentionOptions } from '../../lib/store/retention/retention.ts'
import { Store, type Stored } from '../../lib/store/store.ts'
import { message } from './messages.ts'
import { startPostgresql, usesInstalledPostgresql } from './postgresql.ts'

export const minute = 60_000
export const hour = 60 * minute
export const day = 24 * hour
/** The start of a UTC day. */
export const today = Math.floor(1_700_000_000_000 / day) * day

export const forEver: RetentionOptions = { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] }
export const oneDay: RetentionOptions = { ...forEver, rawDays: 1 }

/** What a message says; `seq` tells those of one time apart. */
export type Sent = [type: string, ts: number, value: number, seq?: number]

/**
 * Registers tests for a PostgreSQL that has TimescaleDB, if it is such a one that is tested with.
 * @param register gets the version of TimescaleDB, and what opens a new database for a test
 */
export async function onTimescale (register: (version: string, database: (t: TestContext) => Promise<Opened>) => void): Promise<void> {
  const server = usesInstalledPostgresql ? await startPostgresql() : undefined
  if (server?.timescale === undefined) {
    await server?.end()
    // No failure, also where all must run: its extension comes from a registry of its own, which not every machine reaches.
    console.warn('NOT TESTED: TimescaleDB. Set PLATZIVERSE_POSTGRESQL_BIN to the programs of a PostgreSQL that has it.')
    return
  }
  after(() => server.end())
  register(server.timescale, async t => {
    const options = await server.fresh()
    const query = await dialectOf(options).connect()
    t.after(() => query.destroy())
    return { options, query }
  })
}

interface Opened { options: ServerOptions, query: Knex }

/** A process that writes to the database and keeps what is in it. */
export function open (t: TestContext, { options }: Opened, kept: RetentionOptions) {
  const store = new Store(dialectOf(options), { instance: 'test' })
  const retention = new Retention(store, kept)
  t.after(() => Promise.all([retention.stop(), store.close()]))
  const write = (...sent: Sent[]) => Promise.all(sent.map(([type, timestamp, value, seq = 0]) => new Promise<Stored>((resolve, reject) => {
    store.write(message('agent/message', { agent: { uuid: 'a' }, metrics: [{ type, value }], timestamp, seq }), timestamp, (error, stored) => { if (stored === undefined) reject(error as Error); else resolve(stored) })
  })))
  return { store, retention, write }
}

export const times = (query: Knex, table: string): Promise<number[]> => query(table).where('ts', '>=', 0).orderBy('ts').pluck<number[]>('ts')

/** The day of each chunk, counted from today. */
export async function daysOf (query: Knex): Promise<number[]> {
  const { rows } = await query.raw('select range_start_integer as start, range_end_integer as end from timescaledb_information.chunks order by 1') as { rows: Array<{ start: number, end: number }> }
  for (const { start, end } of rows) assert.equal(end - start, day)
  return rows.map(({ start }) => (start - today) / day)
}

export const isHypertable = async (query: Knex): Promise<boolean> => (await query.raw("select from timescaledb_information.hypertables where hypertable_name = 'metrics'")).rowCount === 1

export const jobs = async (query: Knex): Promise<unknown[]> =>
  (await query.raw("select proc_name as name, config ->> 'compress_after' as after from timescaledb_information.jobs where hypertable_name = 'metrics'")).rows

/** The policy may have done so already. */
export async function compress (query: Knex): Promise<void> {
  await query.raw("select compress_chunk(chunk, if_not_compressed => true) from show_chunks('metrics') chunk")
}
