import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Dialect } from '../../lib/store/dialects/dialect.ts'
import { Store, type StoreState } from '../../lib/store/store.ts'
import { onEachDatabase, files, type OpenDatabase } from '../helpers/databases.ts'
import { waitFor } from '../helpers/events.ts'
import { message, reading } from '../helpers/messages.ts'
import { count } from './writing-process.ts'

const long = 60_000

/** A store that gathers, and how many batches with metrics it wrote so far. */
async function open (t: TestContext, { dialect }: Pick<OpenDatabase, 'dialect'>, gather: number | undefined) {
  let commits = 0
  const append: Dialect['append'] = async (db, additions) => {
    await dialect.append(db, additions)
    commits++
  }
  const store = new Store({ ...dialect, append }, { instance: 'test', ...gather === undefined ? {} : { gather } })
  t.after(() => store.close())
  const write = (topic: string, payload: unknown, clientId = '') => new Promise<number>((resolve, reject) => {
    const began = performance.now()
    store.write(message(topic, payload), Date.now(), error => { if (error === null) resolve(performance.now() - began); else reject(error) }, undefined, undefined, { clientId })
  })
  await store.read()
  return { store, write, commits: () => commits }
}

onEachDatabase('messages that come while one waits share its commit, those of presence too, and their senders are answered after it', async (t, database) => {
  const { store, write, commits } = await open(t, database, 1_000)
  const written = [write('agent/connected', { agent: { uuid: 'a' } }, 'a'), write('agent/message', reading('a'), 'a'), write('agent/message', reading('b'), 'b')]
  await new Promise(resolve => setTimeout(resolve, 300))
  written.push(write('agent/message', reading('a'), 'a'), write('agent/disconnected', { agent: { uuid: 'b' } }, 'b'))
  assert.deepEqual([store.statistics().queued, await count(database.query, 'agents')], [5, 0], 'nothing is stored, and nobody answered')
  await written[0]
  assert.deepEqual([commits(), await count(database.query, 'metrics')], [1, 9])
  const waited = await Promise.all(written)
  assert.ok((waited[0] as number) >= 1_000 && (waited[4] as number) < (waited[0] as number), `${waited.join()} ms`)
  const agents = await database.query('agents').select('uuid', 'connected').orderBy('uuid') as Array<{ uuid: string, connected: unknown }>
  assert.deepEqual(agents.map(({ uuid, connected }) => [uuid, Number(connected)]), [['a', 1], ['b', 0]])
})

onEachDatabase('who stores at once commits each message, and what waits is stored once when the store closes', async (t, database) => {
  const atOnce = await open(t, database, undefined)
  for (let i = 0; i < 3; i++) await atOnce.write('agent/message', reading('a'))
  assert.equal(atOnce.commits(), 3)
  await atOnce.store.close()
  const { store, write, commits } = await open(t, database, long)
  const written = [write('agent/message', reading('a')), write('agent/message', reading('b'))]
  await store.close()
  assert.ok(Math.max(...await Promise.all(written)) < 10_000)
  assert.deepEqual([commits(), await count(database.query, 'metrics')], [1, 15])
})

const [sqlite] = files

test('ten messages of one client, a batch, or 1 MB are enough to end the wait', async t => {
  const { write, commits } = await open(t, await sqlite!.open(t), long)
  const others = Array.from({ length: 9 }, (_, i) => [write('agent/message', reading('a'), 'gateway'), write('agent/message', reading(`b${i}`), `b${i}`)]).flat()
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.equal(commits(), 0)
  await Promise.all([...others, write('agent/message', reading('c'), 'gateway')])
  assert.equal(commits(), 1)
  await Promise.all(Array.from({ length: 2_000 }, (_, i) => write('agent/message', reading(`b${i % 50}`), `client ${i}`)))
  assert.equal(commits(), 2)
  await Promise.all(Array.from({ length: 4 }, (_, i) => write('agent/message', reading('d', { note: 'x'.repeat(260_000) }), `client ${i}`)))
  assert.equal(commits(), 3)
})

test('however many come, none waits longer than it may, and the next one waits again', async t => {
  const { write, commits } = await open(t, await sqlite!.open(t), 300)
  await Promise.all(Array.from({ length: 10 }, () => write('agent/message', reading('gateway'), 'gateway')))
  assert.ok(await write('agent/message', reading('gateway'), 'gateway') >= 300)
  const written: Array<Promise<number>> = []
  for (let i = 0; i < 60; i++) {
    written.push(write('agent/message', reading(`a${i % 12}`), `a${i % 12}`))
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  const waited = await Promise.all(written)
  assert.ok(Math.max(...waited) < 800, `${Math.max(...waited)} ms`)
  assert.ok(commits() >= 4 && commits() <= 8, `${commits()} commits`)
})

test('other work does not wait for the messages before it, and comes after them', async t => {
  const database = await sqlite!.open(t)
  const { store, write, commits } = await open(t, database, long)
  for (const [i, work] of [() => store.removeAgent('a'), () => store.run(async knex => await knex('agents'))].entries()) {
    await Promise.all([write('agent/message', reading('a')), work()])
    assert.equal(commits(), i + 1)
  }
  assert.equal(await count(database.query, 'agents'), 1, 'the one that was removed is back with its next message')
})

test('who is silent is asked once what waits is stored, and that ends no wait', async t => {
  const { store, write, commits } = await open(t, await sqlite!.open(t), 700)
  await write('agent/message', reading('a'))
  await write('agent/message', reading('b'))
  const before = Date.now()
  await new Promise(resolve => setTimeout(resolve, 1_100))
  const [waited, silent] = await Promise.all([write('agent/message', reading('a')), store.disconnectSilent(before + 500)])
  assert.deepEqual([silent, commits()], [['b'], 3])
  assert.ok(waited >= 700, `${waited} ms`)
})

test('what comes while the database is away is stored as soon as it is back', async t => {
  const database = await sqlite!.open(t)
  const { store, write } = await open(t, database, long)
  await database.query.raw('begin immediate')
  const written = [write('agent/message', reading('a'))]
  const work = store.run(async () => undefined)
  await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  written.push(write('agent/message', reading('b')))
  await database.query.raw('commit')
  assert.ok(Math.max(...await Promise.all(written)) < 20_000)
  await work
  assert.equal(store.state.state, 'ready')
})
