import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { ask } from '../../../../../lib/query/ask.ts'
import { dialectOf } from '../../../../../lib/store/dialect-of.ts'
import { kindOf } from '../../../../../lib/store/dialects/database-kind.ts'
import type { DatabaseOptions, ServerOptions } from '../../../../../lib/store/dialects/options.ts'
import { timescale } from '../../../../../lib/store/dialects/postgresql/timescale.ts'
import { migrate } from '../../../../../lib/store/migrations/migrate.ts'
import { ChunkDeletion } from '../../../../../lib/store/retention/chunk-deletion.ts'
import { Retention, type RetentionOptions } from '../../../../../lib/store/retention/retention.ts'
import { Pace } from '../../../../../lib/store/slices/pace.ts'
import { Store, type Stored } from '../../../../../lib/store/store.ts'
import { databases, onEachDatabase } from '../../../../helpers/databases.ts'
import { until } from '../../../../helpers/events.ts'
import { message } from '../../../../helpers/messages.ts'
import { startPostgresql, usesInstalledPostgresql } from '../../../../helpers/postgresql.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
/** The start of a UTC day. */
const today = Math.floor(1_700_000_000_000 / day) * day

const forEver: RetentionOptions = { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] }
const oneDay: RetentionOptions = { ...forEver, rawDays: 1 }

/** What a message says; `seq` tells those of one time apart. */
type Sent = [type: string, ts: number, value: number, seq?: number]

const server = usesInstalledPostgresql ? await startPostgresql() : undefined

if (server?.timescale !== undefined) {
  after(() => server.end())
  registerTests(server.timescale, () => server.fresh())
} else {
  await server?.end()
  // No failure, also where all must run: its extension comes from a registry of its own, which not every machine reaches.
  console.warn('NOT TESTED: TimescaleDB. Set PLATZIVERSE_POSTGRESQL_BIN to the programs of a PostgreSQL that has it.')
}

onEachDatabase('only PostgreSQL has a state of TimescaleDB, and asking for it changes nothing', async (t, { options, query, server, dialect }) => {
  const isServer = options.client === 'postgresql'
  const line = (state: string) => isServer ? `TimescaleDB: ${server?.timescale === undefined ? 'not there' : `${server.timescale}, ${state}`}` : undefined
  const knex = await dialect.connect()
  t.after(() => knex.destroy())
  const versionOf = async (db: Knex) => (await kindOf(knex).timescale?.state(db))?.version
  assert.equal(await versionOf(query), server?.timescale)
  assert.equal(await statusOf(options), line('metrics becomes a hypertable before the first ones are written'))
  assert.equal(await query.schema.hasTable('metrics'), false)
  await migrate(knex)
  assert.equal(await versionOf(knex), server?.timescale)
  assert.equal(await statusOf(options), line('hypertable, compressed after 7 days'))
}, databases.filter(({ name }) => name !== 'SQLite of Node.js'))

/** What `platziverse-store status` says of TimescaleDB, in its second line. */
async function statusOf (options: DatabaseOptions): Promise<string | undefined> {
  const command = fileURLToPath(new URL('../../../../../lib/transfer/command.ts', import.meta.url))
  const address = options.client === 'sqlite'
    ? options.filename
    : `${options.client}://${options.user}:${options.password}@${options.host}:${options.port}/${options.database}`
  const { stdout } = await promisify(execFile)(process.execPath, [command, 'status'], { env: { ...process.env, PLATZIVERSE_DATABASE: address } })
  const lines = stdout.split('\n')
  const found = lines.filter(line => line.includes('TimescaleDB'))
  assert.deepEqual(found, lines.slice(1, 2).filter(line => line.includes('TimescaleDB')))
  return found[0]
}

interface Opened { options: ServerOptions, query: Knex }

/** A process that writes to the database and keeps what is in it. */
function open (t: TestContext, { options }: Opened, kept: RetentionOptions) {
  const store = new Store(dialectOf(options), { instance: 'test' })
  const retention = new Retention(store, kept)
  t.after(() => Promise.all([retention.stop(), store.close()]))
  const write = (...sent: Sent[]) => Promise.all(sent.map(([type, timestamp, value, seq = 0]) => new Promise<Stored>((resolve, reject) => {
    store.write(message('agent/message', { agent: { uuid: 'a' }, metrics: [{ type, value }], timestamp, seq }), timestamp, (error, stored) => { if (stored === undefined) reject(error as Error); else resolve(stored) })
  })))
  return { store, retention, write }
}

const times = (query: Knex, table: string): Promise<number[]> => query(table).where('ts', '>=', 0).orderBy('ts').pluck<number[]>('ts')

/** The day of each chunk, counted from today. */
async function daysOf (query: Knex): Promise<number[]> {
  const { rows } = await query.raw('select range_start_integer as start, range_end_integer as end from timescaledb_information.chunks order by 1') as { rows: Array<{ start: number, end: number }> }
  for (const { start, end } of rows) assert.equal(end - start, day)
  return rows.map(({ start }) => (start - today) / day)
}

const isHypertable = async (query: Knex): Promise<boolean> => (await query.raw("select from timescaledb_information.hypertables where hypertable_name = 'metrics'")).rowCount === 1

const jobs = async (query: Knex): Promise<unknown[]> =>
  (await query.raw("select proc_name as name, config ->> 'compress_after' as after from timescaledb_information.jobs where hypertable_name = 'metrics'")).rows

/** The policy may have done so already. */
async function compress (query: Knex): Promise<void> {
  await query.raw("select compress_chunk(chunk, if_not_compressed => true) from show_chunks('metrics') chunk")
}

function registerTests (version: string, fresh: () => Promise<ServerOptions>): void {
  async function database (t: TestContext): Promise<Opened> {
    const options = await fresh()
    const query = await dialectOf(options).connect()
    t.after(() => query.destroy())
    return { options, query }
  }

  test('TimescaleDB: metrics are a hypertable of UTC days, which are compressed after a week', async t => {
    t.diagnostic(`TimescaleDB ${version}`)
    const opened = await database(t)
    const { query } = opened
    const { store, write } = open(t, opened, forEver)
    await write(['cpu', today, 1], ['cpu', today + day - 1, 2], ['cpu', today + 3 * day, 3])
    assert.ok(await isHypertable(query))
    assert.deepEqual(await daysOf(query), [0, 3])
    assert.deepEqual(await jobs(query), [{ name: 'policy_compression', after: String(7 * day) }])
    const { rows } = await query.raw("select segmentby, orderby from timescaledb_information.hypertable_compression_settings where hypertable = 'metrics'::regclass")
    assert.deepEqual(rows, [{ segmentby: 'series_id', orderby: 'ts DESC,seq DESC' }])
    const { rows: [{ now }] } = await query.raw('select metrics_now() as now')
    assert.ok(Math.abs(now - Date.now()) < minute)
    await store.close()
    await open(t, opened, forEver).write(['cpu', today, 4, 1])
    assert.equal((await times(query, 'metrics')).length, 4, 'and a second start changes nothing')
    assert.equal((await jobs(query)).length, 1)
  })

  test('TimescaleDB: a user who may only read gets its state, with a policy that was removed or changed', async t => {
    const { options, query } = await database(t)
    const knex = await dialectOf(options).connect()
    t.after(() => knex.destroy())
    assert.deepEqual(await timescale.state(knex), { version, isApache: false, metrics: 'next' })
    const guest = `reader_of_${options.database}`
    await query.raw(`create role ${guest} login password 'secret'`)
    const reader = await dialectOf({ ...options, user: guest }).connect()
    t.after(() => reader.destroy())
    assert.equal((await timescale.state(reader))?.metrics, 'forbidden', 'who may not make tables')
    await migrate(knex)
    await query.raw(`grant select on metrics to ${guest}`)
    const state = { version, isApache: false, metrics: 'hypertable' }
    for (const db of [knex, reader]) assert.deepEqual(await timescale.state(db), { ...state, compressedAfter: 7 * day })
    await query.raw(`select remove_compression_policy('metrics'), add_compression_policy('metrics', ${2 * day}::bigint)`)
    assert.deepEqual(await timescale.state(reader), { ...state, compressedAfter: 2 * day })
    await query.raw("select remove_compression_policy('metrics')")
    assert.deepEqual(await timescale.state(reader), state)
    assert.equal(await statusOf(options), `TimescaleDB: ${version}, hypertable, not compressed`)
  })

  test('TimescaleDB: what is compressed is read like everything else, and late metrics and the same ones again come as ever', async t => {
    const opened = await database(t)
    const { query } = opened
    const { store, retention, write } = open(t, opened, forEver)
    const sent = Array.from({ length: 2_000 }, (_, i): Sent => [`t${i % 3}`, today + i * 1000, i])
    await write(...sent)
    await retention.runOnce(today + day)
    await compress(query)
    const again = await write(...sent.slice(0, 50), ['t0', today + 500, -1], ['t0', today, -2, 1])
    assert.deepEqual(again.map(({ duplicates }) => duplicates), [...sent.slice(0, 50).map(() => 1), 0, 0])
    assert.deepEqual((await write(['t0', today + 500, -1])).map(({ duplicates }) => duplicates), [1], 'of what came late')
    assert.equal(store.statistics().retries, 0)
    await retention.runOnce(today + 2 * day)
    const [first] = await query('metrics_1h').join('series', 'series.id', 'series_id').where({ type: 't0', ts: today }).select('n', 'min')
    assert.deepEqual(first, { n: 669, min: -2 })
    const answers = ask(await store.read(), { query: 'series', uuid: 'a', type: 't0', order: 'desc', limit: 2 }, { result: 'objects', most: 100 })
    for await (const { payload } of answers) assert.deepEqual(payload, [{ ts: today + 1_998_000, value: 1998 }, { ts: today + 1_995_000, value: 1995 }])
  })

  test('TimescaleDB: its limit of what is decompressed at once does not hold back late metrics', async t => {
    const opened = await database(t)
    const { options, query } = opened
    await query.raw(`alter database ${options.database} set timescaledb.max_tuples_decompressed_per_dml_transaction = 10`)
    const { store, write } = open(t, opened, forEver)
    await write(...Array.from({ length: 2_000 }, (_, i): Sent => ['cpu', today + i, i]))
    await compress(query)
    const remove = (db: Knex) => db('metrics').where('ts', '<', today + 500).where('value', '>', 0).delete()
    const limited = await dialectOf(options).read()
    t.after(() => limited.destroy())
    await assert.rejects(limited.transaction(async db => {
      await db.raw('set transaction read write')
      await remove(db)
    }), /limit exceeded/)
    assert.equal(await store.run(remove), 499)
  })

  test('TimescaleDB: a day is dropped whole once it is rolled up and no type keeps it', async t => {
    const opened = await database(t)
    const { query } = opened
    const { retention, write } = open(t, opened, { ...oneDay, overrides: [{ type: 'long', ...forEver, rawDays: 3 }] })
    const sent = [0, 1, 2, 3, 4, 5].flatMap((i): Sent[] => [['cpu', today + i * day + 12 * hour, i], ['long', today + i * day + 12 * hour, i]])
    await write(...sent)
    await retention.runOnce(today + 5 * day + 23 * hour)
    assert.deepEqual(await daysOf(query), [2, 3, 4, 5])
    const kept = async (type: string) => (await query('metrics').join('series', 'series.id', 'series_id').where({ type }).orderBy('ts').pluck<number[]>('value'))
    assert.deepEqual([await kept('cpu'), await kept('long')], [[5], [2, 3, 4, 5]])
    const { chunks, deleted } = retention.statistics()
    assert.deepEqual([chunks, deleted.metrics], [2, 3], 'row by row only those of the type that is kept for a shorter time')
    assert.deepEqual(await times(query, 'metrics_1d'), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4].map(i => today + i * day).concat(today + 5 * day, today + 5 * day))
    assert.deepEqual(await query('retention').join('series', 'series.id', 'series_id').orderBy('type').pluck('raw_from'), [today + 4 * day + 23 * hour, today + 2 * day])
  })

  test('TimescaleDB: what a type keeps for ever keeps the days of all, and the others are deleted row by row', async t => {
    const opened = await database(t)
    const { query } = opened
    const { retention, write } = open(t, opened, { ...oneDay, overrides: [{ type: 'long', ...forEver }] })
    await write(...Array.from({ length: 100 }, (_, i): Sent => ['cpu', today + i, i]), ['long', today, 1], ['cpu', today + 5 * day, 1])
    await compress(query)
    await retention.runOnce(today + 5 * day + hour)
    assert.deepEqual(await daysOf(query), [0, 5])
    assert.deepEqual(await times(query, 'metrics'), [today, today + 5 * day])
    assert.deepEqual([retention.statistics().chunks, retention.statistics().deleted.metrics], [0, 100])
  })

  test('TimescaleDB: a day stays while an hour of it is being rolled up, and is deleted row by row a day later at the most', async t => {
    const opened = await database(t)
    const { query } = opened
    const { retention, write } = open(t, opened, oneDay)
    await write(['cpu', today, 1], ['other', today, 1])
    await retention.runOnce(today + 2 * hour)
    const now = today + 2 * day + 30 * minute
    // Claimed by another process just now.
    const claim = async (at: number) => { await query('dirty_hours').insert({ series_id: (await query('series').where({ type: 'cpu' }).first('id')).id, ts: today + at % hour }) }
    await claim(now)
    await retention.runOnce(now)
    assert.deepEqual([await daysOf(query), (await times(query, 'metrics')).length], [[0], 2])
    await query('dirty_hours').delete()
    await claim(now + day)
    await retention.runOnce(now + day)
    assert.deepEqual([await daysOf(query), (await times(query, 'metrics')).length], [[0], 1])
    await retention.runOnce(now + day + 2 * minute)
    assert.deepEqual([await daysOf(query), await times(query, 'metrics')], [[], []], 'in the same hour: it is tried again')
    assert.deepEqual(await times(query, 'metrics_1h'), [today, today])
  })

  test('TimescaleDB: metrics that come between the rollup and the drop of their day are rolled up with it', async t => {
    const opened = await database(t)
    const { query } = opened
    const { store, retention, write } = open(t, opened, forEver)
    const chunks = new ChunkDeletion(store, new Pace({ store, signal: t.signal, took: () => undefined }, { first: 1, least: 1, most: 1 }))
    await write(['cpu', today, 1], ['cpu', today + hour, 2])
    await retention.runOnce(today + 3 * hour)
    await write(['cpu', today + 1, 10], ['cpu', today - day, 100], ['cpu', today + day, 7])
    assert.deepEqual(await chunks.run(today + day), { isDone: true, waitingFrom: today + day, hasChunks: true })
    assert.deepEqual(await daysOf(query), [1])
    const hours = () => query('metrics_1h').orderBy('ts').select('ts', 'n', 'sum')
    assert.deepEqual(await hours(), [{ ts: today - day, n: 1, sum: 100 }, { ts: today, n: 2, sum: 11 }, { ts: today + hour, n: 1, sum: 2 }])
    // Late for good now; and chunks older than those that we looked for go as well.
    await write(['cpu', today + 2, 20], ['cpu', today - 10 * day, 1000])
    assert.equal((await chunks.run(today + day)).isDone, true)
    assert.deepEqual(await daysOf(query), [1])
    const past = [{ ts: today - 10 * day, n: 1, sum: 1000 }, { ts: today - day, n: 1, sum: 100 }]
    assert.deepEqual(await hours(), [...past, { ts: today, n: 3, sum: 31 }, { ts: today + hour, n: 1, sum: 2 }])
    assert.deepEqual(await query('metrics_1d').orderBy('ts').pluck('sum'), [1000, 100, 33])
    assert.deepEqual(await times(query, 'dirty_hours'), [today + day])
  })

  test('TimescaleDB: metrics that come when their day was dropped are added, and the chunk that they made goes', async t => {
    const opened = await database(t)
    const { query } = opened
    const { retention, write } = open(t, opened, oneDay)
    await write(['cpu', today + 10, 1], ['cpu', today + 20, 2])
    await retention.runOnce(today + 2 * day + hour)
    assert.deepEqual([retention.statistics().chunks, await daysOf(query)], [1, []])
    await write(['cpu', today + 15, 10], ['cpu', today + 5 * hour, 3])
    await retention.runOnce(today + 2 * day + 2 * hour)
    assert.deepEqual([retention.statistics().chunks, await daysOf(query)], [2, []])
    assert.deepEqual(await query('metrics_1h').orderBy('ts').select('ts', 'n', 'sum', 'last'), [{ ts: today, n: 3, sum: 13, last: 2 }, { ts: today + 5 * hour, n: 1, sum: 3, last: 3 }])
    assert.deepEqual(await query('metrics_1d').select('n', 'sum'), [{ n: 4, sum: 16 }])
  })

  test('TimescaleDB: the part of an hour that was deleted row by row before its day was dropped is forgotten', async t => {
    const opened = await database(t)
    const { query } = opened
    const { retention, write } = open(t, opened, oneDay)
    await write(['cpu', today + 10, 1], ['cpu', today + 20, 2])
    await retention.runOnce(today + 2 * hour)
    // As if the process had ended after the first step of an hour with very many.
    const { id } = await query('series').first('id')
    await query('metrics').where('ts', today + 10).delete()
    await query('retention').update({ raw_from: today + 11 })
    await query('metrics_1h').insert({ series_id: id, ts: -1, n: 1, sum: 1, min: 1, max: 1, last: 1 })
    await retention.runOnce(today + 2 * day + hour)
    assert.deepEqual(await daysOf(query), [])
    assert.deepEqual(await query('metrics_1h').select('ts', 'n', 'sum'), [{ ts: today, n: 2, sum: 3 }])
    assert.deepEqual(await query('retention').pluck('raw_from'), [today + day])
  })

  test('TimescaleDB: a day that is being read or written is not dropped, and senders hardly wait', async t => {
    const opened = await database(t)
    const { query } = opened
    const { retention, write } = open(t, opened, oneDay)
    await write(['cpu', today, 1])
    await retention.runOnce(today + 2 * hour)
    await query.transaction(async reader => {
      await reader('metrics').select('ts')
      const pass = retention.runOnce(today + 2 * day + hour)
      const asked = performance.now()
      await write(['cpu', today + 2 * day, 2])
      t.diagnostic(`a sender waited ${Math.round(performance.now() - asked)} ms`)
      await pass
    })
    assert.deepEqual(await daysOf(query), [0, 2])
    const { longest, error, deleted } = retention.statistics()
    assert.ok(longest < 2_000, `${longest} ms`)
    assert.deepEqual([error, deleted.metrics], [null, 0])
    await retention.runOnce(today + 2 * day + hour + minute)
    assert.deepEqual(await daysOf(query), [2])
  })

  test('TimescaleDB: metrics that wait for another process to drop their day go into a new chunk, and count', async t => {
    const opened = await database(t)
    const { query } = opened
    const { store, retention, write } = open(t, opened, oneDay)
    await write(['cpu', today, 1], ['cpu', today + 2 * day, 1])
    await retention.runOnce(today + 2 * hour)
    let late: Promise<Stored[]> | undefined
    await query.transaction(async other => {
      assert.equal(await timescale.lock(other, today + day, 10_000), 1)
      late = write(['cpu', today + 1, 5])
      await until(async () => (await other.raw("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")).rowCount, waiting => waiting > 0)
      await timescale.drop(other, today + day)
      await other('retention').insert({ series_id: 1, raw_from: today + day, hours_from: 0 }).onConflict('series_id').merge()
    })
    assert.deepEqual([await late, store.statistics().retries], [[{ agentId: 1, metrics: 1, duplicates: 0 }], 0])
    await retention.runOnce(today + 2 * day + 2 * hour)
    assert.deepEqual(await query('metrics_1h').where({ ts: today }).select('n', 'sum'), [{ n: 2, sum: 6 }])
    assert.deepEqual(await daysOf(query), [2])
  })

  test('TimescaleDB: a table that has metrics already stays a plain one, and is kept as such', async t => {
    const opened = await database(t)
    const { query } = opened
    await query.raw('drop extension timescaledb')
    const before = open(t, opened, forEver)
    await before.write(['cpu', today, 1])
    await before.store.close()
    // In a session of its own, because this one has had it.
    const administrator = await dialectOf(opened.options).connect()
    t.after(() => administrator.destroy())
    await administrator.raw('create extension timescaledb')
    const { retention, write } = open(t, opened, oneDay)
    await write(['cpu', today + 1, 1], ['cpu', today + 3 * day, 1])
    await retention.runOnce(today + 3 * day)
    assert.equal(await isHypertable(query), false)
    assert.deepEqual(await timescale.state(query), { version, isApache: false, metrics: 'plain' })
    assert.equal(await statusOf(opened.options), `TimescaleDB: ${version} is there, but metrics is a plain table: it has metrics already`)
    assert.deepEqual([await times(query, 'metrics'), retention.statistics().chunks, retention.statistics().deleted.metrics], [[today + 3 * day], 0, 2])
  })

  test('TimescaleDB: a user who may not make hypertables has plain tables', async t => {
    const { options, query } = await database(t)
    await query.raw(`do $$ declare it regprocedure; begin
      for it in select oid from pg_proc where proname = 'create_hypertable' loop execute format('revoke all on function %s from public', it); end loop;
    end $$`)
    await query.raw(`create role guest_of_${options.database} login password 'secret'; grant all on schema public to guest_of_${options.database}`)
    const guest = { ...options, user: `guest_of_${options.database}` }
    assert.equal(await statusOf(guest), `TimescaleDB: ${version} is there, but this user may not make metrics a hypertable`)
    const { store, write } = open(t, { options: guest, query }, forEver)
    assert.equal((await write(['cpu', today, 1])).length, 1)
    assert.deepEqual([await isHypertable(query), store.statistics().retries], [false, 0])
  })

  test('TimescaleDB: the edition under the Apache licence has hypertables, which are not compressed, and drops their days', async t => {
    const server = await startPostgresql(['timescaledb.license=apache'])
    t.after(() => server.end())
    const options = await server.fresh()
    const query = await dialectOf(options).connect()
    t.after(() => query.destroy())
    const { retention, write } = open(t, { options, query }, oneDay)
    await write(['cpu', today, 1], ['cpu', today + 2 * day, 1])
    assert.ok(await isHypertable(query))
    assert.deepEqual(await jobs(query), [])
    assert.deepEqual(await timescale.state(query), { version, isApache: true, metrics: 'hypertable' })
    assert.equal(await statusOf(options), `TimescaleDB: ${version}, hypertable, not compressed: its edition under the Apache licence cannot`)
    await retention.runOnce(today + 2 * day + hour)
    assert.deepEqual([await daysOf(query), retention.statistics().chunks], [[2], 1])
  })
}
