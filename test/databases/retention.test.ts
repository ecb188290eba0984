import assert from 'node:assert/strict'
import { Retention, type RetentionOptions } from '../../lib/store/retention/retention.ts'
import { databases, onEachDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'
import { day, expected, forEver, hour, minute, open, randomFrom, rollups, type Row, rowByRow, type Sent, times, today, write } from './retention-model.ts'

onEachDatabase('an hour is rolled up a minute after it ended, and again when metrics come late', async (t, database) => {
  const { retention, write } = open(t, database, forEver)
  const { query } = database
  await write([['a', 'cpu', today + 1, 4], ['a', 'cpu', today + 3, 0.5], ['a', 'cpu', today + 2, -1], ['a', 'cpu', today + 2, 'no number'], ['a', 'cpu', today + hour, 9]])
  await retention.runOnce(today + hour + minute - 1)
  assert.deepEqual(await rollups(query, 'metrics_1h'), [])
  await retention.runOnce(today + hour + minute)
  const first = { series: 'a/cpu', ts: today, n: 3, sum: 3.5, min: -1, max: 4, last: 0.5 }
  assert.deepEqual(await rollups(query, 'metrics_1h'), [first])
  assert.deepEqual(await rollups(query, 'metrics_1d'), [first])
  assert.deepEqual(await times(query, 'dirty_hours'), [today + hour])
  await write([['a', 'cpu', today + hour - 1, 10]])
  await retention.runOnce(today + 2 * hour + minute)
  const second = { series: 'a/cpu', ts: today, n: 4, sum: 13.5, min: -1, max: 10, last: 10 }
  assert.deepEqual(await rollups(query, 'metrics_1h'), [second, { series: 'a/cpu', ts: today + hour, n: 1, sum: 9, min: 9, max: 9, last: 9 }])
  assert.deepEqual(await rollups(query, 'metrics_1d'), [{ ...second, n: 5, sum: 22.5, last: 9 }])
  assert.deepEqual(await times(query, 'dirty_hours'), [])
  assert.equal((await times(query, 'metrics')).length, 6)
})

onEachDatabase('texts alone make no rollup, and are deleted like others', async (t, database) => {
  const { retention, write } = open(t, database, { rawDays: 1, hourDays: 0, dayDays: 0, overrides: [] })
  await write([['a', 'state', today + 1, 'ok'], ['a', 'state', today + 2 * day, 'ok']])
  await retention.runOnce(today + 2 * day + 2 * hour)
  await write([['a', 'state', today + 2, 'late']])
  await retention.runOnce(today + 2 * day + 3 * hour)
  assert.deepEqual(await rollups(database.query, 'metrics_1h'), [])
  assert.deepEqual(await rollups(database.query, 'metrics_1d'), [])
  assert.deepEqual(await times(database.query, 'metrics'), [today + 2 * day])
  assert.deepEqual(await times(database.query, 'dirty_hours'), [])
})

onEachDatabase('each is deleted in its time, and its type\'s override goes before', async (t, database) => {
  const { retention, write } = open(t, database, { rawDays: 1, hourDays: 3, dayDays: 10, overrides: [{ type: 'CPU', rawDays: 5, hourDays: 5, dayDays: 0 }] })
  const { query } = database
  const sent = Array.from({ length: 20 }, (_, i): Sent[] => [['a', 'cpu', today + i * day + 12 * hour, i], ['a', 'CPU', today + i * day + 12 * hour, i]]).flat()
  await write(sent)
  const now = today + 20 * day + 12 * hour
  await retention.runOnce(now)
  const kept = async (table: string, type: string) => (await query(table).where('ts', '>=', 0).join('series', 'series.id', 'series_id').orderBy('ts').select('ts', 'type'))
    .filter(row => row.type === type).map(row => (row.ts - today - row.ts % day + today % day) / day)
  const last = (days: number) => Array.from({ length: days }, (_, i) => 20 - days + i)
  assert.deepEqual(await kept('metrics', 'cpu'), last(1))
  assert.deepEqual(await kept('metrics_1h', 'cpu'), last(3))
  assert.deepEqual(await kept('metrics_1d', 'cpu'), last(10))
  assert.deepEqual(await kept('metrics', 'CPU'), last(5))
  assert.deepEqual(await kept('metrics_1h', 'CPU'), last(5))
  assert.deepEqual(await kept('metrics_1d', 'CPU'), last(20))
  assert.equal((await query('series')).length, 2)
})

onEachDatabase('metrics that come when those of their hour are gone are added to the hour, and to the day when the hour is gone too', async (t, database) => {
  const { retention, write } = open(t, database, { rawDays: 1, hourDays: 3, dayDays: 0, overrides: [] })
  const { query } = database
  const old = today + 5 * hour
  const older = today - 10 * day
  await write([['a', 'cpu', old + 10, 1], ['a', 'cpu', old + 20, 2], ['a', 'cpu', older, 7]])
  await retention.runOnce(today + 2 * day + hour)
  assert.deepEqual(await times(query, 'metrics'), [])
  await write([['a', 'cpu', old + 15, 10], ['a', 'cpu', old + 2 * hour, 3], ['a', 'cpu', older + 1, -7], ['a', 'cpu', older - day, 5], ['a', 'cpu', old + 3 * hour, 'text']])
  await retention.runOnce(today + 2 * day + 2 * hour)
  assert.deepEqual(await times(query, 'metrics'), [])
  assert.deepEqual(await rollups(query, 'metrics_1h'), [
    { series: 'a/cpu', ts: old, n: 3, sum: 13, min: 1, max: 10, last: 2 },
    { series: 'a/cpu', ts: old + 2 * hour, n: 1, sum: 3, min: 3, max: 3, last: 3 }
  ])
  assert.deepEqual(await rollups(query, 'metrics_1d'), [
    { series: 'a/cpu', ts: older - day, n: 1, sum: 5, min: 5, max: 5, last: 5 },
    { series: 'a/cpu', ts: older, n: 2, sum: 0, min: -7, max: 7, last: -7 },
    { series: 'a/cpu', ts: today, n: 4, sum: 16, min: 1, max: 10, last: 3 }
  ])
  assert.deepEqual(await times(query, 'dirty_hours'), [])
})

onEachDatabase('an hour that a process claimed when it crashed is taken over a minute later, and nothing of it is deleted before', async (t, database) => {
  const { retention, write } = open(t, database, { rawDays: 1, hourDays: 0, dayDays: 0, overrides: [] })
  const { query } = database
  await write([['a', 'cpu', today, 1]])
  const now = today + 3 * day + 30 * minute
  await query('dirty_hours').update({ ts: today + now % hour - 1 })
  await retention.runOnce(now)
  assert.deepEqual([(await times(query, 'metrics')).length, (await rollups(query, 'metrics_1h')).length], [1, 0])
  await retention.runOnce(now + hour - minute)
  assert.deepEqual([(await times(query, 'metrics')).length, (await rollups(query, 'metrics_1h')).length], [0, 1])
})

onEachDatabase('an hour that was claimed before its metrics were deleted is added to as a late one', async (t, database) => {
  const { retention, write } = open(t, database, { rawDays: 1, hourDays: 0, dayDays: 0, overrides: [] })
  const { query } = database
  await write([['a', 'cpu', today, 1]])
  await retention.runOnce(today + 3 * day)
  assert.deepEqual(await times(query, 'metrics'), [])
  await write([['a', 'cpu', today + 1, 2], ['a', 'cpu', today + hour - 1, 4], ['a', 'cpu', today + hour, 8]])
  await query('dirty_hours').where('ts', today).update({ ts: today + 20 * minute })
  await retention.runOnce(today + 3 * day + 30 * minute)
  assert.deepEqual(await rollups(query, 'metrics_1h'), [{ series: 'a/cpu', ts: today, n: 3, sum: 7, min: 1, max: 4, last: 4 }, { series: 'a/cpu', ts: today + hour, n: 1, sum: 8, min: 8, max: 8, last: 8 }])
  assert.deepEqual([await times(query, 'metrics'), await times(query, 'dirty_hours')], [[], []])
})

onEachDatabase('a sum that leaves the range of a double stops nothing', async (t, database) => {
  const { retention, write } = open(t, database, forEver)
  const extremes = [Number.MAX_VALUE, Number.MAX_VALUE, 5e-324, 1e300, -Number.MAX_VALUE]
  await write(extremes.map((value, i): Sent => ['a', 'cpu', today + i, value]))
  await write([['a', 'cpu', today + hour, Number.MAX_VALUE], ['a', 'cpu', today + hour, Number.MAX_VALUE]])
  await retention.runOnce(today + day)
  const [first, second] = await rollups(database.query, 'metrics_1h')
  assert.deepEqual([first?.n, first?.sum, first?.min, first?.max], [5, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MAX_VALUE])
  assert.equal(second?.sum, Number.MAX_VALUE)
  assert.deepEqual(await times(database.query, 'dirty_hours'), [])
})

onEachDatabase('late metrics in a random order, and a process that ends at any time, change nothing in the end', async (t, database) => {
  const random = randomFrom(7)
  const kept: RetentionOptions = { rawDays: 2, hourDays: 4, dayDays: 9, overrides: [{ type: 'b', rawDays: 1, hourDays: 2, dayDays: 0 }] }
  const sent: Sent[] = []
  let now = today + 20 * hour
  let process = open(t, database, kept)
  let ended = 0
  for (let round = 0; round < 12; round++) {
    now += 2 * hour + random(10 * hour)
    const batch = Array.from({ length: 25 }, (): Sent => {
      // Mostly new, some older than anything that is kept.
      const age = random(3) > 0 ? random(12 * hour) : random(13 * day)
      return [`agent-${random(3)}`, ['a', 'b'][random(2)] as string, Math.max(0, now - age), random(10) === 0 ? 'text' : random(2_000) - 1_000]
    })
    sent.push(...batch)
    await process.write(batch)
    const pass = process.retention.runOnce(now)
    if (random(2) === 0) {
      await pass
      continue
    }
    // Each slice is a turn of the writer's: end after some of them.
    for (let turns = random(12); turns > 0; turns--) await process.store.run(async () => undefined)
    const closing = process.store.close()
    await pass.then(() => undefined, () => { ended++ })
    await closing
    process = open(t, database, kept)
  }
  assert.ok(ended > 2, `${ended} passes were ended`)
  // Not at the same time of an hour: what a process claimed before it ended would count as claimed just now.
  now += 2 * hour + 2 * minute
  await process.retention.runOnce(now)
  const { query } = database
  assert.deepEqual(await times(query, 'dirty_hours'), (await times(query, 'dirty_hours')).filter(ts => ts > now - hour - minute))
  const daysAgo = (days: number) => now - now % day - days * day
  // TimescaleDB drops the metrics of a whole day, once none of them is kept.
  const unit = database.server?.timescale === undefined ? hour : day
  const rawFrom = (type: string) => type === 'b' ? now - now % hour - day : now - now % unit - 2 * day
  const rows = await query('metrics').join('series', 'series.id', 'series_id').select('type', 'ts') as Array<{ type: string, ts: number }>
  assert.deepEqual(rows.map(({ type, ts }) => `${type} ${ts}`).sort(), sent.filter(([, type, ts]) => ts >= rawFrom(type)).map(([, type, ts]) => `${type} ${ts}`).sort())
  const ends = now - now % hour
  assert.deepEqual(await rollups(query, 'metrics_1h'), expected(sent, hour, type => daysAgo(type === 'b' ? 2 : 4), ends))
  const days = await rollups(query, 'metrics_1d')
  assert.deepEqual(days, expected(sent, day, type => type === 'b' ? 0 : daysAgo(9), ends))
  // What was deleted when metrics came late to it has lost the order.
  const intact = (rows: Row[]) => rows.filter(({ ts }) => ts > now - day)
  assert.deepEqual(intact(await rollups(query, 'metrics_1h')), intact(expected(sent, hour, () => 0, ends)))
})

onEachDatabase('an hour with too many metrics for one step is deleted in parts, and what comes late meanwhile counts', async (t, database) => {
  const { store, retention, write } = open(t, database, rowByRow)
  const { query } = database
  const dense = Array.from({ length: 20_000 }, (_, i): Sent => ['a', 'cpu', today + i * 100, i])
  await write(dense)
  await retention.runOnce(today + 2 * hour)
  const inParts = async () => {
    const { raw_from: from } = await query('retention').first('raw_from') as { raw_from: number }
    return from > today && from < today + hour
  }
  const pass = retention.runOnce(today + 3 * day)
  while (!await inParts()) await store.run(async () => undefined)
  const closing = store.close()
  await assert.rejects(pass, { code: 'STORE_CLOSED' })
  await closing
  assert.ok(await inParts(), 'the process ended too late for this test')

  const again = open(t, database, rowByRow)
  const late: Sent[] = [['a', 'cpu', today + 1, 1_000_000], ['a', 'cpu', today + hour - 1, -5]]
  await again.write(late)
  await again.retention.runOnce(today + 3 * day + minute)
  const row = expected([...dense, ...late], hour, () => 0, today + day)
  assert.deepEqual(await rollups(query, 'metrics_1h'), row)
  assert.deepEqual(await rollups(query, 'metrics_1d'), row)
  assert.equal((await times(query, 'metrics')).length, 0)
  assert.equal((await query('metrics_1h')).length, 1, 'nothing is left of the part')
  await again.write([['a', 'cpu', today + 2, 1]])
  await again.retention.runOnce(today + 3 * day + hour)
  assert.equal((await rollups(query, 'metrics_1h'))[0]?.n, 20_003)
})

onEachDatabase('a pass that fails says why, and a later one goes on', async (t, database) => {
  const { store } = open(t, database, forEver)
  const retention = new Retention(store, forEver, { first: 1, between: 20 })
  t.after(() => retention.stop())
  await write(store, [['a', 'cpu', today, 1]])
  const { query } = database
  await query.schema.renameTable('metrics_1d', 'elsewhere')
  const told: string[] = []
  retention.start(({ code }) => { told.push(code) })
  await until(() => retention.statistics().error?.code, code => code === 'STORE_UNAVAILABLE')
  await query.schema.renameTable('elsewhere', 'metrics_1d')
  // What it had claimed is free again a minute later.
  await query('dirty_hours').update({ ts: today })
  await until(() => rollups(query, 'metrics_1d'), rows => rows.length === 1)
  await until(() => retention.statistics().error, error => error === null)
  assert.deepEqual(told, ['STORE_UNAVAILABLE'])
  await retention.stop()
  await retention.stop()
  await assert.rejects(retention.runOnce(today), { name: 'AbortError' })
}, databases.slice(0, 1))
