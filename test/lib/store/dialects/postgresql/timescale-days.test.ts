import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timescale } from '../../../../../lib/store/dialects/postgresql/timescale.ts'
import { ChunkDeletion } from '../../../../../lib/store/retention/chunk-deletion.ts'
import { Pace } from '../../../../../lib/store/slices/pace.ts'
import type { Stored } from '../../../../../lib/store/store.ts'
import { until } from '../../../../helpers/events.ts'
import { compress, day, daysOf, forEver, hour, minute, oneDay, onTimescale, open, type Sent, times, today } from '../../../../helpers/timescale.ts'

await onTimescale((_version, database) => {
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
})
