import assert from 'node:assert/strict'
import { PlatziverseError } from '../../lib/errors.ts'
import type { Stored, StoreState } from '../../lib/store/store.ts'
import { onEachDatabase, onEachServer } from '../helpers/databases.ts'
import { until, waitFor } from '../helpers/events.ts'
import { reading } from '../helpers/messages.ts'
import { count, now, open } from './writing-process.ts'

onEachDatabase('two processes write the same agents, series and metrics at once, and nothing is lost or doubled', async (t, database) => {
  const one = open(t, database, 'one')
  await one.write('agent/connected', { agent: { uuid: 'a0' } })
  const processes = [one, open(t, database, 'two')]
  const [shared, own] = [200, 200]
  const sharedMessages = Array.from({ length: shared }, (_, i) => reading(`a${i % 20}`))
  const writes = processes.map(async ({ write }) => {
    const results: Stored[] = []
    for (let i = 0; i < 10; i++) {
      const messages = sharedMessages.slice(i * shared / 10, (i + 1) * shared / 10)
      for (let j = 0; j < own / 10; j++) messages.push(reading(`a${j % 20}`))
      // The one goes up the list, the other down: who locks rows in the order of its messages runs into a deadlock.
      if (write === one.write) messages.reverse()
      results.push(...await Promise.all(messages.map(payload => write('agent/message', payload, now + i * 2_000))))
    }
    return results
  })
  const results = (await Promise.all(writes)).flat()
  assert.equal(await count(database.query, 'metrics'), 3 * (shared + 2 * own))
  assert.equal(results.reduce((sum, { duplicates }) => sum + duplicates, 0), 3 * shared)
  assert.deepEqual([await count(database.query, 'agents'), await count(database.query, 'series')], [20, 60])
  const retries = processes.map(({ store }) => store.statistics().retries)
  t.diagnostic(`${database.name}: attempts that were repeated: ${retries.join(' and ')}`)
  // A SQLite file has one writer: the second may have to wait for longer than it likes.
  if (database.server === undefined) return
  // A few deadlocks are nobody's fault; more come of locks that are not taken in one order.
  assert.ok(retries.reduce((a, b) => a + b) <= 5, `attempts that were repeated: ${retries.join(' and ')}`)
  for (const { states } of processes) assert.deepEqual(states.filter(({ state }) => state === 'waiting').map(state => String((state as { error?: Error }).error)), [])
})

onEachDatabase('reading goes on while the writer works, cannot write, and ends with the store', async (t, database) => {
  const { store, write } = open(t, database)
  await write('agent/message', reading())
  const reader = await store.read()
  assert.equal(await store.read(), reader)
  const writes = Promise.all(Array.from({ length: 2000 }, (_, i) => write('agent/message', reading(`a${i % 10}`))))
  const counts: number[] = []
  while (store.statistics().queued > 0) counts.push(await count(reader, 'metrics'))
  await writes
  assert.deepEqual(counts, counts.toSorted((a, b) => a - b))
  assert.equal(await count(reader, 'metrics'), 6003)
  assert.equal(typeof (await reader('metrics').first()).ts, 'number')
  await assert.rejects(async () => reader('metrics').delete(), error => database.dialect.explain(error).code === 'STORE_READ_ONLY')
  await store.close()
  await assert.rejects(async () => reader('agents'))
  await assert.rejects(store.read(), error => error instanceof PlatziverseError)
})

onEachDatabase('long work is done between two batches of SQLite, and elsewhere beside them, and its error is its own', async (t, database) => {
  const { store, write } = open(t, database)
  const first = write('agent/message', reading())
  if (database.options.client === 'sqlite') {
    const counted = store.run(knex => count(knex, 'metrics'))
    const later = write('agent/message', reading())
    assert.deepEqual([await counted, (await first).metrics, (await later).metrics], [3, 3, 3])
  } else {
    await first
    await store.run(knex => knex.transaction(async db => {
      await db('retention').insert({ series_id: 1, raw_from: 0, hours_from: 0 })
      assert.equal((await write('agent/message', reading())).metrics, 3, 'while the work is under way')
    }))
  }
  await assert.rejects(store.run(async knex => { await knex.raw('select nothing from nowhere') }), error => error instanceof PlatziverseError && error.code.startsWith('STORE_'))
  assert.equal(store.state.state, 'ready')
})

onEachServer('a server that stops while messages come loses and doubles none', async (t, database) => {
  const { store, states, write } = open(t, database)
  const { server } = database
  let stopped = false
  t.after(async () => { if (stopped) await server.start() })
  const writes: Array<Promise<Stored>> = []
  const come = (messages: number) => { for (let i = 0; i < messages; i++) writes.push(write('agent/message', reading(`a${i % 20}`))) }
  come(500)
  await waitFor<StoreState>(store, 'state', ({ state }) => state === 'ready')
  const reader = await store.read()
  assert.ok(await count(reader, 'metrics') > 0)
  const senders = setInterval(() => { come(20) }, 2)
  t.after(() => { clearInterval(senders) })
  await until(() => store.statistics().messages, messages => messages > 1000)
  stopped = true
  await Promise.all([server.stop(), waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')])
  await until(() => store.state, state => state.state === 'waiting' && state.error.code === 'STORE_REFUSED_CONNECTION')
  const { queued } = store.statistics()
  await until(() => store.statistics().queued, now => now >= queued + 200)
  clearInterval(senders)
  const { messages } = store.statistics()
  assert.equal(store.statistics().queued, writes.length - messages, 'what is not stored waits')
  await assert.rejects(async () => count(reader, 'metrics'))

  await server.start()
  stopped = false
  const results = await Promise.all(writes)
  assert.equal(store.state.state, 'ready')
  assert.equal(store.statistics().queued, 0)
  assert.equal(await count(database.query, 'metrics'), 3 * writes.length)
  assert.ok(results.every(({ metrics }) => metrics === 3))
  assert.equal(await count(reader, 'metrics'), 3 * writes.length, 'readers are back too')
  const codes = states.map(state => state.state === 'waiting' ? state.error.code : state.state)
  t.diagnostic(`${database.name}: ${writes.length} messages; ${[...new Set(codes)].join(' → ')}`)
  assert.ok(codes.every(code => ['ready', 'STORE_UNAVAILABLE', 'STORE_REFUSED_CONNECTION'].includes(code)), codes.join())
})
