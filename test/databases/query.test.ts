import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { ask, type Answer } from '../../lib/query/ask.ts'
import type { ResultKind } from '../../lib/query/series/names.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { deletedPart } from '../../lib/store/rollup/rollup.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { expectedBuckets, QueryModel } from './query-model.ts'

/** A multiple of a day. */
const start = 19_675 * day

function open (t: TestContext, { options, query }: OpenDatabase): { store: Store, model: QueryModel } {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  return { store, model: new QueryModel(store, query) }
}

/** Every answer to a query. */
async function answers (store: Store, input: QueryInput, { result = 'objects', most = 10_000, now = start + day }: { result?: ResultKind, most?: number, now?: number } = {}): Promise<Answer[]> {
  const answers: Answer[] = []
  for await (const answer of ask(await store.read(), parseQuery(input, now), { result, most })) answers.push(answer)
  return answers
}

async function rows (store: Store, input: QueryInput, options?: { most?: number, now?: number }): Promise<unknown> {
  return (await answers(store, input, options))[0]?.payload
}

onEachDatabase('agents are listed: all, the connected, a user\'s, one', async (t, database) => {
  const { store, model } = open(t, database)
  await model.send('agent/connected', { agent: { uuid: 'b', username: 'ann', name: 'B', hostname: 'h', pid: 7 } }, 1000)
  await model.send('agent/connected', { agent: { uuid: 'a', username: 'bob' } }, 2000)
  await model.send('agent/disconnected', { agent: { uuid: 'b' } }, 3000)
  const b = { uuid: 'b', username: 'ann', name: 'B', hostname: 'h', pid: 7, connected: false, connectedAt: 1000, lastSeenAt: 1000 }
  const a = { uuid: 'a', username: 'bob', name: null, hostname: null, pid: null, connected: true, connectedAt: 2000, lastSeenAt: 2000 }
  assert.deepEqual(await rows(store, { query: 'agents' }), [a, b])
  assert.deepEqual(await rows(store, { query: 'connectedAgents' }), [a])
  assert.deepEqual(await rows(store, { query: 'agentsOf', username: 'ann' }), [b])
  assert.deepEqual(await rows(store, { query: 'agentsOf', username: 'nobody' }), [])
  assert.deepEqual(await rows(store, { query: 'agent', uuid: 'b' }), b)
  assert.deepEqual((await answers(store, { query: 'agents' }, { result: 'parts', most: 1 })).map(({ payload }) => payload), [[b], [a]])
})

onEachDatabase('types and the latest value of each: a boolean is a number, a string a string, and what comes late is not the latest', async (t, database) => {
  const { store, model } = open(t, database)
  await model.report('a', start + 5, { on: true, cpu: 1.5, state: 'ok' })
  await model.report('a', start + 9, { on: false, cpu: -2 })
  await model.report('a', start + 1, { cpu: 100 })
  assert.deepEqual(await rows(store, { query: 'types', uuid: 'a' }), ['cpu', 'on', 'state'])
  const latest = [{ type: 'cpu', ts: start + 9, value: -2 }, { type: 'on', ts: start + 9, value: 0 }, { type: 'state', ts: start + 5, value: 'ok' }]
  assert.deepEqual(await rows(store, { query: 'latest', uuid: 'a' }), latest)
  assert.deepEqual((await answers(store, { query: 'latest', uuid: 'a' }, { result: 'parts', most: 2 })).map(({ payload }) => payload), [latest.slice(0, 2), latest.slice(2)])
  assert.deepEqual((await answers(store, { query: 'latest', uuid: 'a' }, { result: 'chart' }))[0]?.payload, latest.map(({ type, value }) => ({ series: 'a', x: type, y: value })))
})

onEachDatabase('a series has its range, from included and to not, in either order, and as many as asked for', async (t, database) => {
  const { store, model } = open(t, database)
  for (let i = 0; i < 10; i++) await model.report('a', start + i, { cpu: i, other: -1 })
  const values = async (input: object): Promise<unknown[]> => (await rows(store, { query: 'series', uuid: 'a', type: 'cpu', ...input }) as Array<{ value: unknown }>).map(({ value }) => value)
  assert.deepEqual(await values({}), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.deepEqual(await values({ from: start + 3, to: start + 6 }), [3, 4, 5])
  assert.deepEqual(await values({ from: start + 3, to: start + 6, order: 'desc', limit: 2 }), [5, 4])
  assert.deepEqual(await values({ from: new Date(start + 8).toISOString() }), [8, 9])
  assert.deepEqual(await values({ from: start + 100 }), [])
  assert.deepEqual(await rows(store, { query: 'series', uuid: 'a', type: 'cpu', limit: 1 }), [{ ts: start, value: 0 }])
})

for (const order of ['asc', 'desc'] as const) {
  onEachDatabase(`a series comes in parts, ${order}, also through many metrics of one timestamp, each once`, async (t, database) => {
    const { store, model } = open(t, database)
    await Promise.all(Array.from({ length: 25 }, (_, i) => model.report('a', start + Math.floor(i / 10), { cpu: i }, i % 10)))
    const expected = Array.from({ length: 25 }, (_, i) => i)
    if (order === 'desc') expected.reverse()
    for (const most of [1, 3, 5, 24, 25, 26]) {
      const parts = await answers(store, { query: 'series', uuid: 'a', type: 'cpu', order }, { result: 'parts', most })
      assert.deepEqual(parts.flatMap(({ payload }) => (payload as Array<{ value: number }>).map(({ value }) => value)), expected)
      assert.ok(parts.every(({ payload }) => (payload as unknown[]).length <= most))
      assert.deepEqual(parts.map(({ part }) => part), parts.map((_, index) => index === parts.length - 1 ? { index, count: parts.length } : { index }))
    }
    const limited = await answers(store, { query: 'series', uuid: 'a', type: 'cpu', order, limit: 7 }, { result: 'parts', most: 3 })
    assert.deepEqual(limited.map(({ payload }) => (payload as unknown[]).length), [3, 3, 1])
    assert.equal(limited.at(-1)?.rows, 7)
    const none = await answers(store, { query: 'series', uuid: 'a', type: 'cpu', order, from: start + day }, { result: 'parts' })
    assert.deepEqual(none.map(({ payload, part }) => ({ payload, part })), [{ payload: [], part: { index: 0, count: 1 } }])
  })
}

onEachDatabase('buckets begin at multiples of their width, and missing ones are null or left out', async (t, database) => {
  const { store, model } = open(t, database)
  await model.report('a', start + 1000, { cpu: 1 })
  await model.report('a', start + 2000, { cpu: 4 })
  await model.report('a', start + 2000, { cpu: 'no number' }, 9)
  await model.report('a', start + 130_000, { cpu: 10 }, 2)
  await model.report('a', start + 130_000, { cpu: 30 }, 1)
  const input = { query: 'buckets', uuid: 'a', type: 'cpu', from: start + 500, to: start + 120_001, bucket: '1m', aggregates: 'avg,min,max,sum,count,last' }
  const first = { ts: start, avg: 2.5, min: 1, max: 4, sum: 5, count: 2, last: 4 }
  const none = { ts: start + 60_000, avg: null, min: null, max: null, sum: null, count: 0, last: null }
  const third = { ts: start + 120_000, avg: 20, min: 10, max: 30, sum: 40, count: 2, last: 10 }
  const [answer] = await answers(store, input)
  assert.deepEqual(answer, { payload: [first, none, third], rows: 3, about: { source: 'raw', bucket: 60_000, from: start, to: start + 180_000 } })
  assert.deepEqual(await rows(store, { ...input, order: 'desc' }), [third, none, first])
  assert.deepEqual(await rows(store, { ...input, fill: 'skip' }), [first, third])
  assert.deepEqual(await rows(store, { ...input, aggregates: ['max'], fill: 'skip' }), [{ ts: start, max: 4 }, { ts: start + 120_000, max: 30 }])
  assert.deepEqual((await answers(store, { ...input, aggregates: 'avg' }, { result: 'chart' }))[0]?.payload, [first, none, third].map(({ ts, avg }) => ({ series: 'cpu', x: ts, y: avg })))
  assert.deepEqual((await answers(store, { ...input, aggregates: 'min,max', fill: 'skip', to: start + 60_000 }, { result: 'chart' }))[0]?.payload, [{ series: 'cpu min', x: start, y: 1 }, { series: 'cpu max', x: start, y: 4 }])
})

onEachDatabase('all agents of a type by bucket, one agent after the other, also in parts', async (t, database) => {
  const { store, model } = open(t, database)
  for (const uuid of ['a', 'b', 'c']) for (let i = 0; i < 4; i++) await model.report(uuid, start + i * 60_000, { cpu: i, ...uuid === 'b' ? { other: 1 } : {} })
  await model.send('agent/connected', { agent: { uuid: 'b', name: 'Bee' } }, start)
  const input = { query: 'typeBuckets', type: 'cpu', from: start, to: start + 4 * 60_000, bucket: '1m', aggregates: 'sum' }
  const expected = ['a', 'b', 'c'].flatMap(uuid => [0, 1, 2, 3].map(i => ({ uuid, name: uuid === 'b' ? 'Bee' : null, ts: start + i * 60_000, sum: i })))
  assert.deepEqual(await rows(store, input), expected)
  for (const most of [1, 3, 4, 5, 8, 100]) {
    const parts = await answers(store, input, { result: 'parts', most })
    assert.deepEqual(parts.flatMap(({ payload }) => payload), expected)
    assert.ok(parts.every(({ payload }) => (payload as unknown[]).length <= most))
  }
  const points = (await answers(store, input, { result: 'chart' }))[0]?.payload as Array<{ series: string }>
  assert.deepEqual([...new Set(points.map(({ series }) => series))], ['a', 'Bee', 'c'])
})

onEachDatabase('what nobody knows, and what is too large, is an error with its code', async (t, database) => {
  const { store, model } = open(t, database)
  for (let i = 0; i < 5; i++) await model.report(`a${i}`, start + i, { cpu: i, memory: 1 })
  for (let i = 0; i < 5; i++) await model.report('a0', start + 10 + i, { cpu: i })
  const refuses = async (code: string, input: QueryInput, most = 3, result: ResultKind = 'objects') => {
    await assert.rejects(answers(store, input, { most, result }), { code }, JSON.stringify(input))
  }
  const range = { from: start, to: start + 60_000, bucket: '1s' }
  for (const query of ['agent', 'types', 'latest', 'series', 'buckets']) await refuses('QUERY_AGENT_UNKNOWN', { query, uuid: 'nobody', type: 'cpu', ...range })
  for (const query of ['series', 'buckets', 'typeBuckets']) await refuses('QUERY_SERIES_UNKNOWN', { query, uuid: 'a0', type: 'nothing', ...range })
  await refuses('QUERY_RANGE_TOO_LARGE', { query: 'agents', limit: 4 })
  await refuses('QUERY_RANGE_TOO_LARGE', { query: 'types', uuid: 'a0' }, 1)
  await refuses('QUERY_RANGE_TOO_LARGE', { query: 'series', uuid: 'a0', type: 'cpu' })
  await refuses('QUERY_RANGE_TOO_LARGE', { query: 'series', uuid: 'a0', type: 'cpu', limit: 4 })
  await refuses('QUERY_RANGE_TOO_LARGE', { query: 'buckets', uuid: 'a0', type: 'cpu', ...range }, 59)
  await refuses('QUERY_RANGE_TOO_LARGE', { query: 'typeBuckets', type: 'cpu', ...range }, 299)
  await refuses('QUERY_RANGE_TOO_LARGE', { query: 'buckets', uuid: 'a0', type: 'cpu', ...range, bucket: '1ms', fill: 'skip' })
  // A stream, too, has an end.
  await refuses('QUERY_RANGE_TOO_LARGE', { query: 'buckets', uuid: 'a0', type: 'cpu', from: 0, to: start, bucket: '1ms' }, 3, 'parts')
  await refuses('QUERY_INVALID', { query: 'agents' }, 10, 'chart')
  assert.equal((await rows(store, { query: 'series', uuid: 'a0', type: 'cpu', limit: 3 }, { most: 3 }) as unknown[]).length, 3)
  assert.equal((await rows(store, { query: 'buckets', uuid: 'a0', type: 'cpu', ...range }, { most: 60 }) as unknown[]).length, 60)
})

onEachDatabase('no property becomes SQL', async (t, database) => {
  const { store, model } = open(t, database)
  await model.report('a', start, { cpu: 1 })
  const attacks = ['\'', '\' or \'1\'=\'1', 'a\'; drop table metrics; --', '"; delete from agents; --', '1) union select uuid from agents --', '?', ':id0', '\\\'; --', '%', '`', '$1', '??']
  const known = ['QUERY_INVALID', 'QUERY_AGENT_UNKNOWN', 'QUERY_SERIES_UNKNOWN']
  const good = { uuid: 'a', type: 'cpu', username: 'a', from: start, to: start + hour, limit: 5, order: 'asc', bucket: '1m', aggregates: 'avg', fill: 'skip' }
  for (const query of ['agents', 'agentsOf', 'agent', 'types', 'latest', 'series', 'buckets', 'typeBuckets']) {
    for (const name of ['query', ...Object.keys(good)]) {
      for (const attack of attacks) {
        const answer = await rows(store, { query, ...good, [name]: attack }).catch((error: { code: string }) => error.code)
        assert.ok(Array.isArray(answer) || known.includes(answer as string) || (answer as { uuid?: string }).uuid === 'a', `${query} ${name} ${attack}: ${String(answer)}`)
        if (name === 'uuid' && query !== 'agents' && query !== 'agentsOf' && query !== 'typeBuckets') assert.equal(answer, 'QUERY_AGENT_UNKNOWN')
      }
    }
  }
  // What an attack is called is only a name.
  for (const attack of attacks) await model.report(attack, start, { [attack]: 5 })
  for (const attack of attacks) {
    assert.deepEqual(await rows(store, { query: 'buckets', uuid: attack, type: attack, from: start, to: start + 1, bucket: '1h' }, { now: start }), [{ ts: start, avg: 5 }], attack)
    assert.deepEqual(await rows(store, { query: 'latest', uuid: attack }), [{ type: attack, ts: start, value: 5 }])
  }
})

onEachDatabase('a database that fails says why, without the statement', async (t, database) => {
  const { store, model } = open(t, database)
  await model.report('a', start, { cpu: 1 })
  await store.run(async knex => { await (database.options.client === 'sqlite' ? knex.schema.dropView('metrics') : knex.schema.renameTable('metrics', 'gone')) })
  await assert.rejects(rows(store, { query: 'series', uuid: 'a', type: 'cpu' }), (error: Error & { code?: string }) => error.code === 'QUERY_FAILED' && !/select/.test(error.message))
})

onEachDatabase('hours and days are right whatever is rolled up, dirty, late, or deleted', async (t, database) => {
  const { store, model } = open(t, database)
  const retention = new Retention(store, { rawDays: 1, hourDays: 2, dayDays: 0, overrides: [] })
  const random = randomOf(20_231_114)
  const sources = new Map<string, number>()
  for (let now = start + hour; now < start + 5 * day; now += Math.ceil(random() * 10 * hour)) {
    const time = (): number => start + Math.floor(random() * (now - start))
    await Promise.all(Array.from({ length: 20 }, () => {
      const value = random() < 0.1 ? 'text' : Math.floor(random() * 1000)
      return model.report(random() < 0.5 ? 'a' : 'b', time(), { cpu: value })
    }))
    if (random() < 0.6) await retention.runOnce(now)
    await model.look()
    // In the order of their first reports, as the answers have them.
    const agents = (await rows(store, { query: 'agents' }) as Array<{ uuid: string }>).map(({ uuid }) => uuid)
    for (let i = 0; i < 4; i++) {
      const bucket = ['5m', '37m', '1h', '3h', '1d', '2d'][Math.floor(random() * 6)] as string
      const [from, to] = [time(), time()].sort((x, y) => x - y) as [number, number]
      const range = { type: 'cpu', from, to: to + 1, bucket }
      const [order, filled, uuid] = [random() < 0.5 ? 'asc' : 'desc', random() < 0.5, agents[Math.floor(random() * agents.length)] as string]
      const [one] = await answers(store, { query: 'buckets', ...range, uuid, fill: filled ? 'null' : 'skip', order, aggregates: 'avg,min,max,sum,count,last' })
      const where = `${new Date(now).toISOString()}: ${JSON.stringify(range)} of ${one?.about.source}`
      const { source, bucket: width } = model.sourceOf([uuid], 'cpu', from, bucket)
      assert.deepEqual([one?.about.source, one?.about.bucket], [source, width], where)
      const expected = expectedBuckets(model.metrics(uuid, 'cpu'), from, to + 1, width, filled)
      if (order === 'desc') expected.reverse()
      assert.deepEqual(one?.payload, expected, where)
      sources.set(source, (sources.get(source) ?? 0) + 1)

      const all = model.sourceOf(agents, 'cpu', from, bucket)
      const every = await rows(store, { query: 'typeBuckets', ...range, fill: 'skip', aggregates: 'min,sum' })
      const ofAll = agents.flatMap(uuid => expectedBuckets(model.metrics(uuid, 'cpu'), from, to + 1, all.bucket, false).map(({ ts, min, sum }) => ({ uuid, name: null, ts, min, sum })))
      assert.deepEqual(every, ofAll, `typeBuckets, ${where}`)
    }
  }
  assert.deepEqual([...sources.keys()].sort(), ['days', 'hours', 'raw'], 'every source was asked')
  assert.ok(retention.statistics().late > 0, 'metrics came late')
})

onEachDatabase('an hour of which a part was deleted is whole, and so is its day', async (t, database) => {
  const { store, model } = open(t, database)
  for (const minute of [10, 20, 40, 50]) await model.report('a', start + minute * 60_000, { cpu: minute })
  // As the retention leaves it between two slices: the first half is gone, and something comes late to it.
  await store.run(async knex => {
    await knex('metrics').where('ts', '<', start + hour / 2).delete()
    for (const ts of [deletedPart, start]) await knex('metrics_1h').insert({ series_id: 1, ts, n: ts === start ? 4 : 2, sum: 30, min: 10, max: 20, last: 20 })
    await knex('retention').insert({ series_id: 1, raw_from: start + hour / 2, hours_from: 0 })
  })
  await model.report('a', start + 5 * 60_000, { cpu: 5 })
  const whole = { ts: start, avg: 25, min: 5, max: 50, sum: 125, count: 5, last: 50 }
  for (const bucket of ['1h', '1d', '1m']) {
    const [answer] = await answers(store, { query: 'buckets', uuid: 'a', type: 'cpu', from: start, to: start + hour, bucket, aggregates: 'avg,min,max,sum,count,last' })
    assert.deepEqual([answer?.payload, answer?.about.source], [[whole], bucket === '1d' ? 'days' : 'hours'])
  }
})

onEachDatabase('sums beyond the largest number end there, and averages do not', async (t, database) => {
  const { store, model } = open(t, database)
  for (let i = 0; i < 4; i++) await model.report('a', start + i, { cpu: 1.5e308, tiny: 1e-310, mixed: i % 2 === 0 ? 1.5e308 : -1.5e308 })
  const of = async (type: string, bucket: string): Promise<unknown> => await rows(store, { query: 'buckets', uuid: 'a', type, from: start, to: start + 1, bucket, aggregates: 'avg,sum' })
  for (const bucket of ['1m', '1h']) {
    assert.deepEqual(await of('cpu', bucket), [{ ts: start, avg: 1.5e308, sum: Number.MAX_VALUE }])
    assert.deepEqual(await of('tiny', bucket), [{ ts: start, avg: 1e-310, sum: 4e-310 }])
    assert.deepEqual(await of('mixed', bucket), [{ ts: start, avg: 0, sum: 0 }])
  }
})

onEachDatabase('reading neither holds the writer up nor sees half of what is written, rolled up or deleted', async (t, database) => {
  const { store, model } = open(t, database)
  const retention = new Retention(store, { rawDays: 1, hourDays: 0, dayDays: 0, overrides: [] })
  await model.report('a', start, { cpu: 1 })
  let writing = true
  const writer = (async () => {
    for (let i = 1; i < 100; i++) {
      await model.report('a', start + i * 1000, { cpu: 1 })
      // The hour has ended, and in the end its metrics are too old.
      if (i % 10 === 0) await retention.runOnce(i < 60 ? start + 2 * hour : start + 2 * day)
    }
  })().finally(() => { writing = false })
  const input = { query: 'buckets', uuid: 'a', type: 'cpu', from: start, to: start + hour, aggregates: 'count,sum' }
  let reads = 0
  let before = 0
  while (writing) {
    const [row] = await rows(store, { ...input, bucket: reads++ % 2 === 0 ? '1h' : '1d' }) as Array<{ count: number, sum: number }>
    assert.ok(row !== undefined && row.count >= before && row.sum === row.count, `${row?.count} after ${before}`)
    before = row.count
  }
  await writer
  assert.ok(reads > 5, `${reads} reads`)
  assert.deepEqual(await rows(store, { ...input, bucket: '1h' }), [{ ts: start, count: 100, sum: 100 }])
  assert.ok(retention.statistics().late > 0)
})

/** Numbers from 0 to 1, the same in every run. */
function randomOf (seed: number): () => number {
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed / 2_147_483_648
  }
}

onEachDatabase('a question from before the database is open is answered once it is', async (t, { options }) => {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  assert.deepEqual(await Promise.all([rows(store, { query: 'agents' }), rows(store, { query: 'agents' })]), [[], []])
})
