import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, readFile, rename, rmdir, unlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import type { Message } from '../../../lib/messages/parse.ts'
import { dialectOf } from '../../../lib/store/dialect-of.ts'
import { sqliteDialect } from '../../../lib/store/dialects/sqlite/sqlite.ts'
import { Store, type Stored, type StoreState } from '../../../lib/store/store.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { message, reading } from '../../helpers/messages.ts'

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

test('an error of our own concerns one message only', async t => {
  const { store, write } = await open(t)
  const broken = message('agent/message', reading())
  Object.defineProperty(broken.payload, 'timestamp', { get: () => { throw new TypeError('ours') } })
  Object.assign(broken.payload, { seq: 1 })
  const [bad, good] = await Promise.allSettled([stored(store, broken), write('agent/message', reading())])
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

test('what waits while the database is replaced belongs to the series of the new one', async t => {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const dialect = sqliteDialect(filename)
  let isReplaced = false
  const store = new Store({
    ...dialect,
    async append (db, additions) {
      if (!isReplaced && additions.messages.length > 1) {
        isReplaced = true
        await other(t, filename)('series').increment('id', 1000)
        throw new Error('away')
      }
      await dialect.append(db, additions)
    }
  }, { instance: 'test' })
  t.after(() => store.close())
  await stored(store, message('agent/message', reading()))
  await Promise.all([1, 2].map(() => stored(store, message('agent/message', reading()))))
  const ids = await other(t, filename)('metrics').orderBy('series_id').pluck<number[]>('series_id')
  // The view shows metrics of series that are there.
  assert.deepEqual(ids, [1001, 1001, 1002, 1002, 1003, 1003])
})

test('a batch that is too much for the database is tried again in smaller ones', async t => {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const dialect = sqliteDialect(filename)
  const tooMany = 600
  const store = new Store({
    ...dialect,
    async append (db, additions) {
      if (additions.messages.length > tooMany) throw new Error('statement timeout')
      await dialect.append(db, additions)
    }
  }, { instance: 'test' })
  t.after(() => store.close())
  await Promise.all(Array.from({ length: 2 * tooMany }, () => stored(store, message('agent/message', reading()))))
  assert.equal((await other(t, filename)('metrics')).length, 2 * tooMany * 3)
  assert.ok(store.statistics().retries >= 2)
})

test('a full disk keeps messages waiting until there is room', async t => {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  let full = true
  // SQLite's own page limit fails in the same way as a disk without room.
  const store = hamperedStore(t, filename, 'pragma max_page_count = 40', () => full)
  const writes = Array.from({ length: 200 }, (_, i) => stored(store, message('agent/message', reading('a', { metrics: [{ type: `t${i}`, value: 'x'.repeat(900) }] }))))
  const state = await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  assert.match(state.state === 'waiting' ? state.error.message : '', /STORE_DISK_FULL/)
  full = false
  await Promise.all(writes)
  assert.equal((await other(t, filename)('metrics')).length, 200)
})

test('not a byte of a database of a newer version is changed', async t => {
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

test('closing while the database is away gives up in time, and what was not stored fails', async t => {
  const folder = join(await temporaryFolder(t), 'missing')
  const { store, write } = await open(t, join(folder, 'test.sqlite'))
  const waiting = assert.rejects(write('agent/message', reading()), /STORE_CLOSED/)
  const silent = assert.rejects(store.disconnectAbandoned(true), /STORE_CLOSED/)
  await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  const started = performance.now()
  await store.close()
  assert.ok(performance.now() - started < 1_500)
  await Promise.all([waiting, silent])
})

test('closing while another program holds the lock takes a second, and what was given back may be stored again', async t => {
  const { store, write, filename } = await open(t)
  await write('agent/message', reading('agent-1', { timestamp: now }))
  const lock = await other(t, filename).transaction()
  await lock.raw('update agents set name = name')
  const given = assert.rejects(write('agent/message', reading('agent-1', { timestamp: now + 1 })), /STORE_CLOSED/)
  const started = performance.now()
  await store.close()
  assert.ok(performance.now() - started < 3_000, `${performance.now() - started} ms`)
  await given
  const next = await open(t, filename)
  const again = next.write('agent/message', reading('agent-1', { timestamp: now + 1 }))
  await lock.rollback()
  await again
  assert.equal(new Set(await other(t, filename)('metrics').pluck('ts')).size, 2)
})

test('closing does not wait for a server that swallows what it is sent', async t => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.close() })
  const { port } = server.address() as AddressInfo
  const store = new Store(dialectOf({ client: 'postgresql', host: '127.0.0.1', port, user: 'u', password: 'p', database: 'd', poolSize: 1, tls: undefined }), { instance: 'test' })
  const given = assert.rejects(stored(store, message('agent/message', reading())), /STORE_CLOSED/)
  const started = performance.now()
  await store.close()
  assert.ok(performance.now() - started < 3_000, `${performance.now() - started} ms`)
  await given
})

test('more than the queue holds is refused', async t => {
  const one = message('agent/message', reading())
  const { store } = await open(t, join(await temporaryFolder(t), 'missing', 'test.sqlite'))
  const writes = Array.from({ length: 100_001 }, () => stored(store, one))
  await assert.rejects(writes.pop() as Promise<unknown>, /STORE_FULL/)
  for (const pending of writes) pending.catch(() => undefined)
  assert.equal(store.statistics().queued, 100_000)
})

test('more memory than the queue may take is refused, and one message of any size is taken', async t => {
  const { store } = await open(t, join(await temporaryFolder(t), 'missing', 'test.sqlite'))
  const large = message('agent/message', { ...JSON.parse(reading()), more: Array.from({ length: 60_000 }, () => ({})) })
  const writes = Array.from({ length: 40 }, () => stored(store, large).then(() => '', (error: Error) => error.message.split(':')[0]))
  await until(() => store.state.state, state => state === 'waiting')
  const { queued } = store.statistics()
  assert.ok(queued >= 15 && queued <= 30, String(queued))
  await store.close()
  assert.equal((await Promise.all(writes)).filter(code => code === 'STORE_FULL').length, 40 - queued)
})
