import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openSqlite } from '../../../lib/sqlite/open-sqlite.ts'
import { sqliteDialect } from '../../../lib/store/dialects/sqlite/sqlite.ts'
import { Store, type Stored, type StoreState } from '../../../lib/store/store.ts'
import { waitFor } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { message, reading } from '../../helpers/messages.ts'

function open (t: TestContext, filename: string) {
  const store = new Store(sqliteDialect(filename, 'node:sqlite'), { instance: 'test' })
  t.after(() => store.close())
  const write = (payload: unknown): Promise<Stored> => new Promise((resolve, reject) => {
    store.write(message('agent/message', payload), Date.now(), (error, stored) => { if (stored === undefined) reject(error as Error); else resolve(stored) })
  })
  return { store, write }
}

test('Node\'s own SQLite stores what sqlite3 reads, and the other way round', async t => {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const first = open(t, filename)
  const payload = reading('a', { timestamp: 1 })
  assert.deepEqual(await first.write(payload), { agentId: 1, metrics: 3, duplicates: 0 })
  assert.deepEqual(await first.write(payload), { agentId: 1, metrics: 3, duplicates: 3 })
  await first.store.close()
  const knex = await openSqlite(filename, 1, () => [], 'sqlite3')
  t.after(() => knex.destroy())
  assert.deepEqual(await knex.raw('pragma journal_mode'), [{ journal_mode: 'wal' }])
  assert.deepEqual((await knex('metrics').join('series', 'series.id', 'series_id').orderBy('type').select('type', 'ts', 'text')), [
    { type: 'cpu', ts: 1, text: null }, { type: 'on', ts: 1, text: null }, { type: 'state', ts: 1, text: 'ok' }
  ])
  const second = new Store(sqliteDialect(filename, 'sqlite3'), { instance: 'test' })
  t.after(() => second.close())
  const stored = await new Promise((resolve, reject) => { second.write(message('agent/message', payload), 1, (error, stored) => { if (error === null) resolve(stored); else reject(error) }) })
  assert.deepEqual(stored, { agentId: 1, metrics: 3, duplicates: 3 })
})

test('with Node\'s own SQLite every commit is synced, and readers do not write', async t => {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const { store, write } = open(t, filename)
  await write(reading())
  assert.deepEqual(await store.run(async knex => await knex.raw('pragma synchronous')), [{ synchronous: 2 }])
  const reader = await store.read()
  assert.equal((await reader('metrics')).length, 3)
  await assert.rejects(async () => { await reader('metrics').delete() }, /SQLITE_READONLY/)
})

test('with Node\'s own SQLite thousands at once are stored while the event loop stays free', async t => {
  const { write } = open(t, join(await temporaryFolder(t), 'test.sqlite'))
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  t.after(() => { clearInterval(timer) })
  const results = await Promise.all(Array.from({ length: 5_000 }, () => write(reading())))
  assert.equal(results.reduce((sum, { metrics }) => sum + metrics, 0), 15_000)
  t.diagnostic(`the event loop waited ${longest.toFixed(0)} ms at most`)
})

test('with Node\'s own SQLite what is wrong has the same codes', async t => {
  const folder = await temporaryFolder(t)
  const { store } = open(t, join(folder, 'missing', 'test.sqlite'))
  const missing = await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  assert.match(missing.state === 'waiting' ? missing.error.message : '', /^STORE_CANNOT_OPEN/)
  const broken = new Store(sqliteDialect(new URL(import.meta.url).pathname, 'node:sqlite'), { instance: 'test' })
  t.after(() => broken.close())
  const state = await waitFor<StoreState>(broken, 'state', ({ state }) => state === 'waiting')
  assert.match(state.state === 'waiting' ? state.error.message : '', /^STORE_NOT_A_DATABASE/)
})
