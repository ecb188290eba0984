import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Knex } from 'knex'
import { ask, type Answer } from '../../lib/query/ask.ts'
import type { ResultKind } from '../../lib/query/series/names.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { expectedBuckets, QueryModel } from './query-model.ts'

/** A multiple of a day. */
const start = 19_675 * day
const aggregates = 'avg,min,max,sum,count,last'

/** Two days of a metric each quarter of an hour, of two agents. */
async function fill (
  t: TestContext, { options, query }: OpenDatabase, kept = { rawDays: 1, hourDays: 2, dayDays: 0 }
): Promise<{ store: Store, model: QueryModel, retention: Retention }> {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  const model = new QueryModel(store, query)
  const reports = Array.from({ length: 192 }, (_, i) => ['a', 'b'].map(uuid => model.report(uuid, start + i * hour / 4, { cpu: i }))).flat()
  await Promise.all(reports)
  return { store, model, retention: new Retention(store, { ...kept, overrides: [] }) }
}

function answersOf (db: Knex, input: QueryInput, options: { result?: ResultKind, most?: number } = {}): AsyncGenerator<Answer> {
  return ask(db, parseQuery(input, start + 2 * day), { result: 'objects', most: 10_000, ...options })
}

async function allOf<Item> (items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Does something before the first statement that reads buckets, once their source is chosen. */
function beforeReading (db: Knex, work: () => Promise<void>): Knex {
  let done = false
  return new Proxy(db, {
    get: (target, name): unknown => name !== 'raw' ? Reflect.get(target, name) : async (...args: Parameters<Knex['raw']>) => {
      if (!done) {
        done = true
        await work()
      }
      return await target.raw(...args)
    }
  })
}

const range = { type: 'cpu', from: start, to: start + 2 * day, aggregates, fill: 'skip' }

for (const query of ['buckets', 'typeBuckets']) {
  onEachDatabase(`${query} whose source is deleted before it is read come whole from the next coarser one`, async (t, database) => {
    const { store, model, retention } = await fill(t, database)
    const expected = (width: number): unknown[] => (query === 'buckets' ? ['a'] : ['a', 'b']).flatMap(uuid =>
      expectedBuckets(model.metrics(uuid, 'cpu'), start, start + 2 * day, width, false).map(row => query === 'buckets' ? row : { uuid, name: null, ...row }))
    const input = { query, uuid: 'a', ...range }
    for (const [bucket, width, now] of [['5m', hour, start + 2 * day + hour], ['1h', day, start + 5 * day]] as const) {
      const db = beforeReading(await store.read(), () => retention.runOnce(now))
      const answers = await allOf(answersOf(db, { ...input, bucket }))
      assert.deepEqual(answers.map(({ about, payload }) => [about.bucket, payload]), [[width, expected(width)]])
    }
  })
}

for (const order of ['asc', 'desc'] as const) {
  for (const [query, bucket] of [['buckets', '5m'], ['buckets', '1h'], ['typeBuckets', '5m'], ['series', '5m']] as const) {
    onEachDatabase(`parts of ${query}, ${bucket}, ${order}, whose source is deleted after the first of them end with an error`, async (t, database) => {
      const { store, retention } = await fill(t, database)
      const parts = answersOf(await store.read(), { query, uuid: 'a', ...range, bucket, fill: 'null', order }, { result: 'parts', most: 20 })
      assert.equal(((await parts.next()).value as Answer).rows, 20)
      await retention.runOnce(start + 4 * day)
      await assert.rejects(allOf(parts), { code: 'QUERY_DATA_DELETED' })
    })
  }
}

onEachDatabase('parts go on when only what they had already is deleted', async (t, database) => {
  const { store, model, retention } = await fill(t, database)
  const parts = answersOf(await store.read(), { query: 'buckets', uuid: 'a', ...range, bucket: '5m' }, { result: 'parts', most: 300 })
  const first = (await parts.next()).value as Answer
  await retention.runOnce(start + 2 * day + hour)
  const rows = [first, ...await allOf(parts)].flatMap(({ payload }) => payload as unknown[])
  assert.deepEqual(rows, expectedBuckets(model.metrics('a', 'cpu'), start, start + 2 * day, 5 * 60_000, false))
})

onEachDatabase('answers while retention deletes are whole, whatever it deletes meanwhile', async (t, database) => {
  const { store, model, retention } = await fill(t, database)
  let deleting = true
  const passes = (async () => {
    for (let now = start + 2 * day; now < start + 4 * day; now += hour) await retention.runOnce(now)
  })().finally(() => { deleting = false })
  const db = await store.read()
  for (let reads = 0; deleting; reads++) {
    const from = start + reads % 8 * 6 * hour
    const [{ payload, about }] = await allOf(answersOf(db, { query: 'buckets', uuid: 'a', ...range, from, bucket: ['5m', '1h'][reads % 2] })) as [Answer]
    assert.deepEqual(payload, expectedBuckets(model.metrics('a', 'cpu'), about.from as number, about.to as number, about.bucket as number, false), JSON.stringify(about))
  }
  await passes
})
