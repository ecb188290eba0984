import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import type { RetentionOptions } from '../../lib/store/retention/retention.ts'
import { onEachDatabase, onEachServer } from '../helpers/databases.ts'
import { day, expected, forEver, hour, minute, open, randomFrom, rollups, rowByRow, seq, type Sent, times, today, write } from './retention-model.ts'

onEachServer('an hour that another process is adding to is rolled up after its commit', async (t, database) => {
  const { retention, write } = open(t, database, forEver)
  await write([['a', 'cpu', today, 1]])
  const other = await database.dialect.connect()
  t.after(() => other.destroy())
  const [{ id }] = await database.query('series').select('id') as [{ id: number }]
  await other.transaction(async db => {
    await database.dialect.append(db, { messages: [[today + 1, 0, id, 2]], latest: [], seen: [], dirtyHours: [[id, today]] })
    await retention.runOnce(today + day)
  })
  await retention.runOnce(today + day + 2 * minute)
  assert.equal((await rollups(database.query, 'metrics_1h'))[0]?.n, 2)
})

onEachServer('metrics that another process is adding are not deleted before they are rolled up', async (t, database) => {
  const { retention, write } = open(t, database, { rawDays: 1, hourDays: 0, dayDays: 0, overrides: [] })
  await write([['a', 'cpu', today, 1]])
  await retention.runOnce(today + 2 * hour)
  const other = await database.dialect.connect()
  t.after(() => other.destroy())
  const [{ id }] = await database.query('series').select('id') as [{ id: number }]
  let pass: Promise<unknown> = Promise.resolve()
  await other.transaction(async db => {
    await database.dialect.append(db, { messages: [[today + 1, 0, id, 2]], latest: [], seen: [], dirtyHours: [[id, today]] })
    // Deletes what it sees, or waits for the other and then finds the hour dirty.
    pass = retention.runOnce(today + 2 * day).catch(() => undefined)
    await Promise.race([pass, setTimeout(500)])
  })
  await pass
  for (let i = 1; i < 3; i++) await retention.runOnce(today + 2 * day + i * hour)
  assert.equal((await rollups(database.query, 'metrics_1h'))[0]?.n, 2)
  assert.deepEqual(await times(database.query, 'metrics'), [])
})

onEachServer('two processes write and delete at once', async (t, database) => {
  const kept: RetentionOptions = { rawDays: 1, hourDays: 2, dayDays: 0, overrides: [] }
  const [first, second] = [open(t, database, kept, 'first'), open(t, database, kept, 'second')]
  const random = randomFrom(3)
  const sent: Sent[] = []
  let now = today
  for (let round = 0; round < 6; round++) {
    now += hour
    const batches = [first, second].map(() => Array.from({ length: 20 }, (): Sent => ['agent', `type-${random(4)}`, now - random(3 * day), random(100)]))
    sent.push(...batches.flat())
    // One that fails gets the reason, and the next goes on.
    const passes = [first, second].map(({ retention }) => retention.runOnce(now).catch(() => undefined))
    await Promise.all([first.write(batches[0] as Sent[]), second.write(batches[1] as Sent[])])
    await Promise.all(passes)
  }
  now += 2 * hour
  for (let i = 0; i < 2; i++) await first.retention.runOnce(now += hour)
  assert.deepEqual(await rollups(database.query, 'metrics_1d'), expected(sent, day, () => 0, now))
  const from = now - now % day - 2 * day
  assert.deepEqual(await rollups(database.query, 'metrics_1h'), expected(sent, hour, () => from, now))
})

onEachDatabase('many metrics are deleted while senders hardly wait, and SQLite gives their space back', async (t, database) => {
  const { store, retention } = open(t, database, rowByRow)
  const { options } = database
  await write(store, Array.from({ length: 5 }, (_, i): Sent => ['a', `type-${i}`, today + 1, 0]))
  const rows = options.client === 'sqlite' ? 100_000 : 20_000
  for (let id = 1; id <= 5; id++) {
    // MySQL stops a recursion after a thousand.
    await store.run(knex => knex.raw(`insert into metrics (series_id, ts, seq, value)
      with recursive numbers (i) as (select 0 union all select i + 1 from numbers where i < 999)
      select ${id}, ${today} + (tens.i * 100 + ones.i) * 100, 0, tens.i from numbers tens, numbers ones where ones.i < 100 and tens.i < ${rows / 100}`))
    await store.run(knex => knex('dirty_hours').insert([1, 2].map(i => ({ series_id: id, ts: today + i * hour }))))
  }
  // Not the file's, which may not have what the log beside it has.
  const size = options.client === 'sqlite' ? (await store.run(knex => knex.raw('pragma page_count')) as [{ page_count: number }])[0].page_count * 4096 : 0

  const waits: number[] = []
  const timer = setInterval(() => {
    const asked = performance.now()
    for (let i = 0; i < 10; i++) void write(store, [['b', 'live', today + 4 * day + seq, 1]]).then(() => { waits.push(performance.now() - asked) })
  }, 10)
  t.after(() => { clearInterval(timer) })
  const started = performance.now()
  await retention.runOnce(today + 3 * day)
  clearInterval(timer)
  const took = performance.now() - started
  const { deleted, longest, pages } = retention.statistics()
  assert.equal(deleted.metrics, 5 * rows + 5)
  waits.sort((a, b) => a - b)
  const [median, p99, most] = [0.5, 0.99, 1].map(share => Math.round(waits[Math.ceil(waits.length * share) - 1] as number))
  t.diagnostic(`${deleted.metrics} rows in ${Math.round(took)} ms; longest slice ${Math.round(longest)} ms; of ${waits.length} writes: median ${median}, p99 ${p99}, most ${most} ms; ${pages} pages given back`)
  // Far more than it takes on a machine that does nothing else.
  assert.ok((median as number) < 250 && (p99 as number) < 1_000, `median ${median}, p99 ${p99} ms`)
  if (options.client !== 'sqlite') return
  await store.close()
  const after = (await stat(options.filename)).size
  t.diagnostic(`the file had ${size} bytes and has ${after}`)
  assert.ok(after < size / 4)
})
