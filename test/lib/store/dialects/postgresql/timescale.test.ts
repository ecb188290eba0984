import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { ask } from '../../../../../lib/query/ask.ts'
import { dialectOf } from '../../../../../lib/store/dialect-of.ts'
import { kindOf } from '../../../../../lib/store/dialects/database-kind.ts'
import type { DatabaseOptions } from '../../../../../lib/store/dialects/options.ts'
import { timescale } from '../../../../../lib/store/dialects/postgresql/timescale.ts'
import { migrate } from '../../../../../lib/store/migrations/migrate.ts'
import { databases, onEachDatabase } from '../../../../helpers/databases.ts'
import { startPostgresql } from '../../../../helpers/postgresql.ts'
import { compress, day, daysOf, forEver, hour, isHypertable, jobs, minute, oneDay, onTimescale, open, type Sent, times, today } from '../../../../helpers/timescale.ts'

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

/** What `platziverse-store status` says of TimescaleDB: right after the server, and who makes its tables. */
async function statusOf (options: DatabaseOptions): Promise<string | undefined> {
  const command = fileURLToPath(new URL('../../../../../lib/transfer/command.ts', import.meta.url))
  const address = options.client === 'sqlite'
    ? options.filename
    : `${options.client}://${options.user}:${options.password}@${options.host}:${options.port}/${options.database}`
  const { stdout } = await promisify(execFile)(process.execPath, [command, 'status'], { env: { ...process.env, PLATZIVERSE_DATABASE: address } })
  const lines = stdout.split('\n')
  const found = lines.filter(line => line.includes('TimescaleDB'))
  assert.deepEqual(found, lines.slice(1, 3).filter(line => line.includes('TimescaleDB')))
  return found[0]
}

await onTimescale((version, database) => {
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
})
