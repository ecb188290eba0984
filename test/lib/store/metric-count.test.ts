import assert from 'node:assert/strict'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parse } from '../../../lib/messages/parse.ts'
import { dialectOf } from '../../../lib/store/dialect-of.ts'
import { MetricCount } from '../../../lib/store/metric-count.ts'
import { Store } from '../../../lib/store/store.ts'
import { until } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

function open (t: TestContext, filename: string): Store {
  const store = new Store(dialectOf({ client: 'sqlite', filename }), { instance: 'a test' })
  t.after(() => store.close())
  return store
}

function write (store: Store, timestamp: number): Promise<void> {
  const parsed = parse('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 'x', value: 1 }, { type: 'y', value: 2 }], timestamp, seq: 1 }, Date.now())
  assert.ok(parsed.ok)
  return new Promise((resolve, reject) => { store.write(parsed.message, Date.now(), error => { if (error) reject(error); else resolve() }) })
}

const now = Date.now()

test('counts what was there before, and then what is stored, once, and deleted', async t => {
  const filename = join(await temporaryFolder(t), 'a.sqlite')
  const before = open(t, filename)
  for (const i of [1, 2, 3]) await write(before, now - i)
  await before.close()

  let deleted = 0
  const store = open(t, filename)
  const count = new MetricCount(store, () => deleted)
  assert.deepEqual(await until(() => count.look(), counted => counted !== undefined), { metrics: 6, isAll: true })
  await write(store, now)
  assert.equal(count.look()?.metrics, 8)
  await write(store, now)
  assert.equal(count.look()?.metrics, 8, 'the same message again is no more')
  deleted = 3
  assert.equal(count.look()?.metrics, 5)
})

test('counts while messages are stored', async t => {
  const store = open(t, join(await temporaryFolder(t), 'a.sqlite'))
  const count = new MetricCount(store, () => 0)
  let writing = true
  const writes = (async () => { for (let i = 0; writing; i++) await write(store, now - i) })()
  await until(() => count.look(), counted => counted !== undefined)
  writing = false
  await writes
  const knex = await store.read()
  const [{ n } = { n: 0 }] = await knex('metrics').count({ n: '*' }) as Array<{ n: number }>
  await until(() => count.look()?.metrics, metrics => Math.abs((metrics ?? 0) - n) <= 2)
})

test('says nothing of a database that is away, and nobody waits for one to which nothing was sent', async t => {
  const folder = join(await temporaryFolder(t), 'missing')
  const store = open(t, join(folder, 'a.sqlite'))
  const count = new MetricCount(store, () => 0)
  store.disconnectAbandoned(true).catch(() => undefined)
  await until(() => store.state.state, state => state === 'waiting')
  assert.deepEqual([count.look(), store.statistics().queued], [undefined, 0])
  await mkdir(folder)
  t.after(() => rm(folder, { recursive: true, force: true }))
  assert.equal((await until(() => count.look(), counted => counted !== undefined))?.metrics, 0)
})
