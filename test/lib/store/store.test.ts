import assert from 'node:assert/strict'
import { mkdir, readFile, rename, rmdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { message, reading } from '../../helpers/messages.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { waitFor } from '../../helpers/events.ts'
import { sqliteDialect } from '../../../lib/store/dialects/sqlite.ts'
import { Known } from '../../../lib/store/known.ts'
import { Store, type Stored, type StoreState } from '../../../lib/store/store.ts'
import type { Message } from '../../../lib/messages/parse.ts'

const now = 1_700_000_000_000

function stored (store: Store, message: Message, at = now): Promise<Stored> {
  return new Promise((resolve, reject) => {
    store.write(message, at, (error, result) => { if (result === undefined) reject(error as Error); else resolve(result) })
  })
}

async function open (t: TestContext, filename?: string) {
  filename ??= join(await temporaryFolder(t), 'test.sqlite')
  const store = new Store(sqliteDialect(filename), { instance: 'test' })
  t.after(() => store.close())
  const write = (topic: string, payload: unknown, at = now) => stored(store, message(topic, payload), at)
  return { store, filename, write }
}

/** A second connection, as another program would have one. */
function other (t: TestContext, filename: string): Knex {
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  return knex
}

test('what is stored is there for another program when write resolves', async t => {
  const { filename, write } = await open(t)
  assert.deepEqual(await write('agent/message', reading('a1', { timestamp: 5, seq: 9 })), { agentId: 1, metrics: 3, duplicates: 0 })
  const knex = other(t, filename)
  const [agent] = await knex('agents')
  assert.deepEqual([agent.uuid, agent.username, agent.name, agent.hostname, agent.pid, agent.connected, agent.connected_at, agent.last_seen_at], ['a1', 'tester', 'Agent a1', 'host', 7, 1, now, now])
  const rows = await knex('metrics').join('series', 'series.id', 'series_id').select('type', 'ts', 'seq', 'value', 'text').orderBy('type')
  assert.deepEqual(rows.map(row => [row.type, row.ts, row.seq, row.text]), [['cpu', 5, 9, null], ['on', 5, 9, null], ['state', 5, 9, 'ok']])
  assert.equal(rows[1].value, 1)
})

test('the same message again changes nothing, and says so', async t => {
  const { store, filename, write } = await open(t)
  const payload = reading()
  await write('agent/message', payload)
  assert.deepEqual(await write('agent/message', payload), { agentId: 1, metrics: 3, duplicates: 3 })
  assert.equal((await other(t, filename)('metrics')).length, 3)
  assert.equal(store.statistics().duplicates, 3)
})

test('the same message twice in one batch is stored once', async t => {
  const { filename, write } = await open(t)
  const payload = reading()
  const results = await Promise.all([write('agent/message', payload), write('agent/message', payload), write('agent/message', reading())])
  assert.deepEqual(results.map(({ duplicates }) => duplicates), [0, 3, 0])
  assert.equal((await other(t, filename)('metrics')).length, 6)
})

test('two different messages of one timestamp both stay', async t => {
  const { filename, write } = await open(t)
  await write('agent/message', reading('a', { timestamp: 5 }))
  await write('agent/message', reading('a', { timestamp: 5 }))
  assert.equal((await other(t, filename)('metrics')).length, 6)
})

test('presence follows the messages', async t => {
  const { filename, write } = await open(t)
  const knex = other(t, filename)
  const state = async () => await knex('agents').select('uuid', 'connected', 'connected_at', 'last_seen_at').orderBy('uuid')
  await write('agent/connected', { agent: { uuid: 'a', name: 'one' } }, 1000)
  await write('agent/message', reading('b'), 1500)
  await write('agent/disconnected', { agent: { uuid: 'a' } }, 2000)
  await write('agent/disconnected', { agent: { uuid: 'unknown' } }, 2000)
  assert.deepEqual(await state(), [{ uuid: 'a', connected: 0, connected_at: 1000, last_seen_at: 1000 }, { uuid: 'b', connected: 1, connected_at: 1500, last_seen_at: 1500 }])
  await Promise.all([write('agent/connected', { agent: { uuid: 'a' } }, 3000), write('agent/disconnected', { agent: { uuid: 'b' } }, 3000), write('agent/message', reading('b'), 4000)])
  assert.deepEqual(await state(), [{ uuid: 'a', connected: 1, connected_at: 3000, last_seen_at: 3000 }, { uuid: 'b', connected: 1, connected_at: 1500, last_seen_at: 4000 }])
  assert.equal((await knex('agents').where('uuid', 'a').first()).name, 'one', 'a field that is absent later stays')
})

test('an agent that connects and goes within one batch is disconnected, with the time it came', async t => {
  const { filename, write } = await open(t)
  await Promise.all([write('agent/connected', { agent: { uuid: 'a' } }, 1000), write('agent/disconnected', { agent: { uuid: 'a' } }, 2000)])
  assert.deepEqual(await other(t, filename)('agents').select('connected', 'connected_at'), [{ connected: 0, connected_at: 1000 }])
})

test('agents that were not heard since a time become disconnected', async t => {
  const { store, filename, write } = await open(t)
  await write('agent/connected', { agent: { uuid: 'old' } }, 1000)
  await write('agent/connected', { agent: { uuid: 'new' } }, 5000)
  await write('agent/connected', { agent: { uuid: 'gone' } }, 1000)
  await write('agent/disconnected', { agent: { uuid: 'gone' } }, 1000)
  assert.deepEqual(await store.disconnectSilent(3000), ['old'])
  assert.deepEqual(await store.disconnectSilent(3000), [])
  await write('agent/message', reading('old'), 6000)
  assert.deepEqual(await other(t, filename)('agents').where('connected', 1).orderBy('uuid').pluck('uuid'), ['new', 'old'])
})

test('a series remembers its newest metric, also when older ones come late', async t => {
  const { filename, write } = await open(t)
  const at = (timestamp: number, value: number | string | boolean) => write('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 't', value }], timestamp })
  await at(10, 1)
  await at(30, 'three')
  await Promise.all([at(20, 2), at(5, 0)])
  assert.deepEqual(await other(t, filename)('series').select('last_ts', 'last_value', 'last_text'), [{ last_ts: 30, last_value: null, last_text: 'three' }])
  await at(40, true)
  assert.deepEqual(await other(t, filename)('series').select('last_ts', 'last_value', 'last_text'), [{ last_ts: 40, last_value: 1, last_text: null }])
})

test('every value comes back as it went in', async t => {
  const { filename, write } = await open(t)
  const values = [0, -0.1, 1e308, 5e-324, 2 ** 53, 'é😀"\\\n', '', 'x'.repeat(1024)]
  await write('agent/message', { agent: { uuid: 'ü"\\' }, metrics: values.map((value, i) => ({ type: `t'${i}`, value })), timestamp: 1 })
  const rows = await other(t, filename)('metrics').join('series', 'series.id', 'series_id').select('value', 'text', 'type').orderBy('type')
  assert.deepEqual(rows.map(row => row.value ?? row.text), values)
})

test('types and names may have any character that Unicode has', async t => {
  const { filename, write } = await open(t)
  const types = ["'", '"', '\\', '😀', '\u2028', '\ufffd', ' ', '%', '`', '?']
  const metrics = types.map((type, i) => ({ type, value: i }))
  for (const timestamp of [1, 2]) await write('agent/message', { agent: { uuid: 'a?:', name: 'n', hostname: "'?" }, metrics, timestamp })
  const rows = await other(t, filename)('metrics').join('series', 'series.id', 'series_id').where('ts', 2).select('type').orderBy('value') as Array<{ type: string }>
  assert.deepEqual(rows.map(({ type }) => type), types)
})

test('an error of our own concerns one message only', async t => {
  const { store, write } = await open(t)
  const broken = message('agent/message', reading())
  Object.defineProperty(broken.payload, 'timestamp', { get: () => { throw new TypeError('ours') } })
  const [bad, good] = await Promise.allSettled([stored(store, { ...broken, payload: Object.assign(broken.payload, { seq: 1 }) } as never), write('agent/message', reading())])
  assert.match(String((bad as PromiseRejectedResult).reason), /STORE_DATA_REFUSED/)
  assert.equal(good.status, 'fulfilled')
})

test('the writer syncs every commit', async t => {
  const { filename, write } = await open(t)
  await write('agent/message', reading())
  const dialect = sqliteDialect(filename)
  const knex = await dialect.connect()
  t.after(() => knex.destroy())
  assert.deepEqual([await knex.raw('pragma journal_mode'), await knex.raw('pragma synchronous')], [[{ journal_mode: 'wal' }], [{ synchronous: 2 }]])
})

test('thousands of messages at once are stored in batches', async t => {
  const { store, filename, write } = await open(t)
  await Promise.all(Array.from({ length: 5000 }, (_, i) => write('agent/message', reading(`a${i % 50}`))))
  assert.equal((await other(t, filename)('metrics').count({ n: '*' }).first())?.n, 15_000)
  assert.deepEqual([store.statistics().messages, store.statistics().metrics, store.statistics().queued], [5000, 15_000, 0])
})

test('one message that the database refuses keeps none of the others', async t => {
  const { store, filename, write } = await open(t)
  await write('agent/message', reading('a'))
  const knex = other(t, filename)
  await knex.raw("create trigger refuse before insert on metrics when new.text = 'poison' begin select raise(abort, 'no poison'); end")
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) =>
    write('agent/message', reading('a', { metrics: [{ type: 'x', value: i === 13 ? 'poison' : 'fine' }] }))))
  assert.deepEqual(results.map(({ status }) => status === 'rejected'), results.map((_, i) => i === 13))
  assert.match(String((results[13] as PromiseRejectedResult).reason), /STORE_DATA_REFUSED: .*no poison/)
  assert.equal(store.statistics().refused, 1)
  assert.equal((await knex('metrics').where('text', 'fine')).length, 19)
})

test('a payload that JSON cannot hold is refused at once, and keeps none of the others', async t => {
  const { write } = await open(t)
  let deep: unknown[] = []
  for (let i = 0; i < 100_000; i++) deep = [deep]
  await assert.rejects(write('agent/message', { ...JSON.parse(reading()), deep }), /STORE_DATA_REFUSED/)
  assert.equal((await write('agent/message', reading())).metrics, 3)
})

test('a database locked by another program keeps messages waiting, and nothing is lost', async t => {
  const { store, filename, write } = await open(t)
  await write('agent/message', reading())
  const knex = other(t, filename)
  await knex.raw('begin immediate')
  const waiting = write('agent/message', reading())
  const state = await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  assert.ok(state.state === 'waiting')
  assert.match(state.error.message, /STORE_LOCKED: .*is locked.* Another program/)
  await knex.raw('commit')
  assert.equal((await waiting).metrics, 3)
  assert.equal(store.state.state, 'ready')
  assert.ok(store.statistics().retries >= 1)
})

const outages: Array<[string, RegExp, (folder: string, filename: string) => Promise<void>, (folder: string, filename: string) => Promise<void>]> = [
  ['a folder that is missing', /STORE_CANNOT_OPEN/, folder => rename(folder, `${folder}-away`), folder => rename(`${folder}-away`, folder)],
  ['a file that is no database', /STORE_NOT_A_DATABASE/, (_folder, filename) => writeFile(filename, 'this is no database at all, only text'.repeat(50)), (_folder, filename) => unlink(filename)],
  ['a folder in place of the file', /STORE_CANNOT_OPEN/, (_folder, filename) => mkdir(filename), (_folder, filename) => rmdir(filename)]
]
for (const [name, code, spoil, mend] of outages) {
  test(`${name} is reported, and mended without a restart`, async t => {
    const folder = await temporaryFolder(t)
    const filename = join(folder, 'test.sqlite')
    await spoil(folder, filename)
    const { store, write } = await open(t, filename)
    const waiting = write('agent/message', reading())
    const state = await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
    assert.match(state.state === 'waiting' ? state.error.message : '', code)
    await mend(folder, filename)
    assert.equal((await waiting).metrics, 3)
    assert.equal(store.state.state, 'ready')
  })
}

/** A store whose connections are hampered while `hampered()`, in a way that SQLite itself has. */
function hamperedStore (t: TestContext, filename: string, pragma: string, hampered: () => boolean): Store {
  const dialect = sqliteDialect(filename)
  const connect = async () => {
    const knex = await dialect.connect()
    if (hampered()) await knex.raw(pragma)
    return knex
  }
  const store = new Store({ ...dialect, connect }, { instance: 'test' })
  t.after(() => store.close())
  return store
}

test('a database that may not be written is reported, and mended without a restart', async t => {
  let readOnly = true
  const store = hamperedStore(t, join(await temporaryFolder(t), 'test.sqlite'), 'pragma query_only = 1', () => readOnly)
  const waiting = stored(store, message('agent/message', reading()))
  const state = await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  assert.match(state.state === 'waiting' ? state.error.message : '', /STORE_READ_ONLY/)
  readOnly = false
  assert.equal((await waiting).metrics, 3)
})

test('a full disk keeps messages waiting until there is room', async t => {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  let full = true
  // SQLite's own page limit fails in the same way as a disk without room.
  const store = hamperedStore(t, filename, 'pragma max_page_count = 20', () => full)
  const writes = Array.from({ length: 200 }, (_, i) => stored(store, message('agent/message', reading('a', { metrics: [{ type: `t${i}`, value: 'x'.repeat(900) }] }))))
  const state = await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  assert.match(state.state === 'waiting' ? state.error.message : '', /STORE_DISK_FULL/)
  full = false
  await Promise.all(writes)
  assert.equal((await other(t, filename)('metrics')).length, 200)
})

test('a database of a newer version is refused and not touched', async t => {
  const { store, filename, write } = await open(t)
  await write('agent/message', reading())
  await store.close()
  const knex = other(t, filename)
  await knex('knex_migrations').insert({ name: '9999-future', batch: 9, migration_time: new Date() })
  await knex.destroy()
  const before = await readFile(filename)
  const again = await open(t, filename)
  const state = await waitFor<StoreState>(again.store, 'state', ({ state }) => state === 'waiting')
  assert.match(state.state === 'waiting' ? state.error.message : '', /STORE_SCHEMA_NEWER/)
  await again.store.close()
  assert.ok(before.equals(await readFile(filename)))
})

test('a migration lock that a crash left behind does not stop the store', async t => {
  const { store, filename, write } = await open(t)
  await write('agent/message', reading())
  await store.close()
  const knex = other(t, filename)
  await knex('knex_migrations_lock').update({ is_locked: 1 })
  await knex('knex_migrations').delete()
  for (const table of ['dirty_hours', 'metrics_1d', 'metrics_1h', 'metrics', 'series', 'agents']) await knex.schema.dropTable(table)
  const again = await open(t, filename)
  assert.equal((await again.write('agent/message', reading())).metrics, 3)
})

test('closing stores what is queued, may be done twice, and refuses what comes later', async t => {
  const { store, filename, write } = await open(t)
  const writes = Array.from({ length: 100 }, () => write('agent/message', reading()))
  await Promise.all([store.close(), store.close()])
  assert.equal((await Promise.all(writes)).length, 100)
  assert.equal((await other(t, filename)('metrics')).length, 300)
  await assert.rejects(write('agent/message', reading()), /STORE_CLOSED/)
  await assert.rejects(store.disconnectSilent(0), /STORE_CLOSED/)
})

test('closing while the database is away gives up in time, and what was not stored fails', async t => {
  const folder = join(await temporaryFolder(t), 'missing')
  const { store, write } = await open(t, join(folder, 'test.sqlite'))
  const waiting = assert.rejects(write('agent/message', reading()), /STORE_CLOSED/)
  const silent = assert.rejects(store.disconnectSilent(0), /STORE_CLOSED/)
  await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  const started = performance.now()
  await store.close()
  assert.ok(performance.now() - started < 8_000)
  await Promise.all([waiting, silent])
})

test('more than the queue holds is refused', async t => {
  const one = message('agent/message', reading())
  const { store } = await open(t, join(await temporaryFolder(t), 'missing', 'test.sqlite'))
  const writes = Array.from({ length: 100_001 }, () => stored(store, one))
  await assert.rejects(writes.pop() as Promise<unknown>, /STORE_FULL/)
  for (const pending of writes) pending.catch(() => undefined)
  assert.equal(store.statistics().queued, 100_000)
})

test('what is remembered of agents is bounded', () => {
  const known = new Known()
  const agent = { id: 1, username: null, name: null, hostname: null, pid: null, connected: true, lastSeenAt: 0, series: new Map(Array.from({ length: 150_000 }, (_, i) => [`t${i}`, { id: i, lastTs: 0, dirtyHour: 0 }])) }
  known.learn('a', agent)
  assert.equal(known.agent('a'), agent)
  known.learn('b', agent)
  assert.equal(known.agent('a'), undefined)
  assert.equal(known.agent('b'), agent)
})
