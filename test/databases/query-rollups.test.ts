import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { ask } from '../../lib/query/ask.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { QueryModel } from './query-model.ts'

/** A multiple of a day. */
const start = 19_675 * day
const kept = { rawDays: 1, hourDays: 0, dayDays: 0, overrides: [] }

function open (t: TestContext, { options, query }: OpenDatabase): { store: Store, model: QueryModel, retention: Retention } {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  return { store, model: new QueryModel(store, query), retention: new Retention(store, kept) }
}

async function rows (store: Store, input: QueryInput): Promise<Array<Record<string, number>>> {
  for await (const { payload } of ask(await store.read(), parseQuery(input, start), { result: 'objects', most: 10_000 })) return payload as Array<Record<string, number>>
  return []
}

onEachDatabase('the last of a backlog is its newest, in however many parts and passes it comes, also where the metrics of its hour are deleted', async (t, database) => {
  const { store, model, retention } = open(t, database)
  const lastOf = async (bucket: string, from = start): Promise<unknown> =>
    (await rows(store, { query: 'buckets', uuid: 'a', type: 'cpu', from, to: from + hour, bucket, aggregates: 'last,count' })).map(({ last, count }) => [last, count])
  const send = async (first: number, end: number, at = start): Promise<void> => {
    await Promise.all(Array.from({ length: end - first }, (_, i) => model.report('a', at + Math.floor((first + i) / 2), { cpu: first + i }, (first + i) % 2)))
  }
  const now = start + 10 * day
  // Once it is deleted, everything older comes late.
  await model.report('a', start - day, { cpu: -1 })
  await retention.runOnce(now)
  await send(0, 6_000)
  assert.deepEqual(await lastOf('1h'), [[5_999, 6_000]])
  await retention.runOnce(now)
  for (const bucket of ['1h', '1d']) assert.deepEqual(await lastOf(bucket), [[5_999, 6_000]])
  // Two parts, the newer one first; then what is newer, and what is of the same time and an earlier seq.
  const other = start + 2 * day
  await send(11, 20, other)
  await retention.runOnce(now)
  await send(0, 11, other)
  await model.report('a', other + 9, { cpu: 'a text is no last' }, 7)
  for (const bucket of ['1h', '1d']) assert.deepEqual(await lastOf(bucket, other), [[19, 20]], 'before the pass')
  await retention.runOnce(now)
  for (const bucket of ['1h', '1d']) assert.deepEqual(await lastOf(bucket, other), [[19, 20]], 'after the pass')
  await model.report('a', other + 9, { cpu: 20 }, 2)
  for (const bucket of ['1h', '1d']) assert.deepEqual(await lastOf(bucket, other), [[20, 21]], 'before the pass')
  await retention.runOnce(now)
  for (const bucket of ['1h', '1d']) assert.deepEqual(await lastOf(bucket, other), [[20, 21]], 'after the pass')
  assert.ok(retention.statistics().late > 0)
})

for (const hourDays of [0, 2]) {
  onEachDatabase(`each day of three days that come late has its last value, with hours kept for ${hourDays} days`, async (t, database) => {
    const { store, model } = open(t, database)
    const retention = new Retention(store, { ...kept, hourDays })
    const now = start + 10 * day
    // Once it is deleted, everything older comes late.
    await model.report('a', start - day, { cpu: -1 })
    await retention.runOnce(now)
    for (let i = 0; i < 72; i++) {
      await model.report('a', start + i * hour + 5, { cpu: i })
      if (i % 13 === 0) await retention.runOnce(now)
    }
    await retention.runOnce(now)
    const days = await rows(store, { query: 'buckets', uuid: 'a', type: 'cpu', from: start, to: start + 3 * day, bucket: '1d', aggregates: 'last' })
    assert.deepEqual(days.map(({ last }) => last), [23, 47, 71])
  })
}

onEachDatabase('an average is between the least and the greatest, before a rollup and after, also where the sum leaves the range', async (t, database) => {
  const { store, model, retention } = open(t, database)
  for (let i = 0; i < 3; i++) {
    await model.report('a', start + i, { huge: 1.7e308, below: -1.7e308, tenth: 0.1, mixed: 1.7e308 })
    await model.report('a', start + hour + i, { huge: 1.7e308, below: -1.7e308, tenth: 0.1, mixed: -1.7e308 })
  }
  const check = async (): Promise<void> => {
    for (const [bucket, width] of [['1m', 60_000], ['1h', hour], ['1d', day]] as const) {
      const of = async (type: string): Promise<unknown> => (await rows(store, { query: 'buckets', uuid: 'a', type, from: start, to: start + width, bucket, aggregates: 'avg,sum' })).map(({ avg, sum }) => [avg, sum])
      assert.deepEqual(await of('huge'), [[1.7e308, Number.MAX_VALUE]], bucket)
      assert.deepEqual(await of('below'), [[-1.7e308, -Number.MAX_VALUE]], bucket)
      assert.deepEqual(await of('mixed'), [bucket === '1d' ? [0, 0] : [1.7e308, Number.MAX_VALUE]], bucket)
      const [[avg]] = await of('tenth') as [[number]]
      assert.equal(avg, 0.1, bucket)
    }
  }
  await check()
  await retention.runOnce(start + hour + 3 * hour)
  await check()
  await retention.runOnce(start + 10 * day)
  await check()
  // Added to what is there already, with no metric left to add up.
  for (const at of [start, start + hour]) await model.report('a', at + 9, { huge: 1.7e308, below: -1.7e308, tenth: 0.1, mixed: at === start ? 1.7e308 : -1.7e308 })
  await check()
  await retention.runOnce(start + 10 * day)
  await check()
})

onEachDatabase('times near 2^31, where four bytes end, near 0 and near the last there is are as any other', async (t, database) => {
  const { store, model } = open(t, database)
  const retention = new Retention(store, { ...kept, rawDays: 0 })
  const times = [0, 5, 2_073_600_005, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 31 + day, 2 ** 32, 8.64e15 - 1]
  const check = async (): Promise<void> => {
    for (const ts of times) {
      for (const bucket of ['1m', '1h', '1d', '30d']) {
        const [row] = await rows(store, { query: 'buckets', uuid: 'a', type: 'cpu', from: ts, to: ts + 1, bucket, aggregates: 'max,last', fill: 'skip' })
        assert.ok(row !== undefined && (row.ts as number) <= ts && (row.max as number) >= ts && (row.last as number) >= ts, `${ts} by ${bucket}: ${JSON.stringify(row)}`)
        const each = await rows(store, { query: 'typeBuckets', type: 'cpu', from: ts, to: ts + 1, bucket, aggregates: 'last', fill: 'skip' })
        assert.equal(each.length, 1)
      }
      assert.deepEqual(await rows(store, { query: 'series', uuid: 'a', type: 'cpu', from: ts, to: ts + 1 }), [{ ts, value: ts }])
    }
  }
  for (const ts of times) await model.report('a', ts, { cpu: ts })
  await check()
  // Too many dirty hours to name them.
  await Promise.all(Array.from({ length: 420 }, (_, i) => model.report('a', 2_073_600_006 + i * hour, { cpu: 2_073_600_006 + i * hour })))
  await check()
  await retention.runOnce(8.64e15)
  await check()
})
