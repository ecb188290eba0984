import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { ask, type Answer } from '../../lib/query/ask.ts'
import { completeAgents, completeTypes } from '../../lib/query/complete.ts'
import type { ResultKind } from '../../lib/query/series/names.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { QueryModel } from './query-model.ts'

/** A multiple of a day. */
const start = 19_675 * day

/** Three agents: `b` with two types, `a` with one of them, `c` with another one. */
async function open (t: TestContext, { options, query }: OpenDatabase): Promise<{ store: Store, model: QueryModel }> {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  const model = new QueryModel(store, query)
  await model.send('agent/connected', { agent: { uuid: 'b', name: 'Boiler' } }, start)
  for (let i = 0; i < 3; i++) {
    await model.report('b', start + i * 60_000, { temperature: 20 + i, memory: i })
    await model.report('a', start + i * 60_000, { temperature: 10 + i })
  }
  await model.report('c', start, { door: 'open' })
  return { store, model }
}

async function answers (store: Store, input: QueryInput, { result = 'objects', most = 10_000 }: { result?: ResultKind, most?: number } = {}): Promise<Answer[]> {
  const answers: Answer[] = []
  for await (const answer of ask(await store.read(), parseQuery(input, start + hour), { result, most })) answers.push(answer)
  return answers
}

async function rows (store: Store, input: QueryInput): Promise<unknown> {
  return (await answers(store, input))[0]?.payload
}

const b = { uuid: 'b', name: 'Boiler' }
const a = { uuid: 'a', name: null }

onEachDatabase('one question is about several agents and types, and each row says which it is of', async (t, database) => {
  const { store } = await open(t, database)
  const range = { from: start, to: start + 180_000, bucket: '2m', aggregates: 'avg' }
  const [first, second] = [start, start + 120_000]
  assert.deepEqual(await rows(store, { query: 'buckets', uuid: ['a', 'b'], type: 'temperature', ...range }), [
    { ...b, ts: first, avg: 20.5 }, { ...b, ts: second, avg: 22 }, { ...a, ts: first, avg: 10.5 }, { ...a, ts: second, avg: 12 }
  ])
  assert.deepEqual(await rows(store, { query: 'buckets', uuid: 'b', type: ['temperature', 'memory', 'nothing'], ...range }), [
    { type: 'memory', ts: first, avg: 0.5 }, { type: 'memory', ts: second, avg: 2 }, { type: 'temperature', ts: first, avg: 20.5 }, { type: 'temperature', ts: second, avg: 22 }
  ])
  assert.deepEqual(await rows(store, { query: 'buckets', uuid: ['a', 'b'], type: ['memory', 'temperature'], ...range, order: 'desc', to: start + 120_000 }), [
    { ...b, type: 'memory', ts: first, avg: 0.5 }, { ...b, type: 'temperature', ts: first, avg: 20.5 }, { ...a, type: 'temperature', ts: first, avg: 10.5 }
  ])
  assert.deepEqual(await rows(store, { query: 'typeBuckets', type: ['memory', 'temperature'], ...range, bucket: '1h' }), [
    { ...b, type: 'memory', ts: start, avg: 1 }, { ...b, type: 'temperature', ts: start, avg: 21 }, { ...a, type: 'temperature', ts: start, avg: 11 }
  ])
  // A list of one is a list.
  assert.deepEqual(await rows(store, { query: 'buckets', uuid: ['a'], type: ['temperature'], ...range, bucket: '1h' }), [{ ...a, type: 'temperature', ts: start, avg: 11 }])
  const points = (await answers(store, { query: 'buckets', uuid: ['a', 'b'], type: 'temperature', ...range, bucket: '1h' }, { result: 'chart' }))[0]?.payload
  assert.deepEqual(points, [{ series: 'Boiler', x: start, y: 21 }, { series: 'a', x: start, y: 11 }])
})

onEachDatabase('the metrics of several series come one series after the other, also in parts, as many of each as asked for', async (t, database) => {
  const { store } = await open(t, database)
  const question = { query: 'series', uuid: ['a', 'b'], type: ['memory', 'temperature'] }
  const all = [
    ...[0, 1, 2].map(i => ({ ...b, type: 'memory', ts: start + i * 60_000, value: i })),
    ...[0, 1, 2].map(i => ({ ...b, type: 'temperature', ts: start + i * 60_000, value: 20 + i })),
    ...[0, 1, 2].map(i => ({ ...a, type: 'temperature', ts: start + i * 60_000, value: 10 + i }))
  ]
  assert.deepEqual(await rows(store, question), all)
  for (const most of [1, 2, 3, 4]) assert.deepEqual((await answers(store, question, { result: 'parts', most })).flatMap(({ payload }) => payload), all)
  assert.deepEqual(await rows(store, { ...question, limit: 1, order: 'desc' }), [all[2], all[5], all[8]])
  assert.deepEqual(await rows(store, { query: 'series', uuid: ['c', 'a'], type: ['door'] }), [{ uuid: 'c', name: null, type: 'door', ts: start, value: 'open' }])
})

onEachDatabase('the latest values are of one agent, of several, or of all', async (t, database) => {
  const { store } = await open(t, database)
  const newest = start + 120_000
  const ofB = [{ ...b, type: 'memory', ts: newest, value: 2 }, { ...b, type: 'temperature', ts: newest, value: 22 }]
  const ofA = { ...a, type: 'temperature', ts: newest, value: 12 }
  const ofC = { uuid: 'c', name: null, type: 'door', ts: start, value: 'open' }
  assert.deepEqual(await rows(store, { query: 'latest', uuid: ['c', 'b'] }), [...ofB, ofC])
  assert.deepEqual(await rows(store, { query: 'latestOfAll' }), [...ofB, ofA, ofC])
  for (const most of [1, 2, 3]) assert.deepEqual((await answers(store, { query: 'latestOfAll' }, { result: 'parts', most })).flatMap(({ payload }) => payload), [...ofB, ofA, ofC])
  assert.deepEqual(await rows(store, { query: 'latestOfAll', type: 'temperature' }), [ofB[1], ofA])
  assert.deepEqual(await rows(store, { query: 'latestOfAll', type: ['door', 'memory'] }), [ofB[0], ofC])
  assert.deepEqual(await rows(store, { query: 'latestOfAll', type: 'nothing' }), [])
  await assert.rejects(answers(store, { query: 'latestOfAll', limit: 4 }, { most: 3 }), { code: 'QUERY_RANGE_TOO_LARGE' })
  assert.equal((await answers(store, { query: 'latestOfAll' }, { most: 4 }))[0]?.rows, 4)
})

onEachDatabase('an agent of a list that nobody knows is named, and types that none of them has are an error', async (t, database) => {
  const { store } = await open(t, database)
  const range = { from: start, to: start + hour, bucket: '1h' }
  for (const query of ['series', 'buckets']) {
    await assert.rejects(rows(store, { query, uuid: ['a', 'nobody'], type: 'temperature', ...range }), { code: 'QUERY_AGENT_UNKNOWN', message: /"nobody"/ })
    await assert.rejects(rows(store, { query, uuid: ['a', 'b'], type: ['nothing'], ...range }), { code: 'QUERY_SERIES_UNKNOWN' })
    await assert.rejects(rows(store, { query, uuid: 'a', type: 'nothing', ...range }), { code: 'QUERY_SERIES_UNKNOWN', message: /The agent "a" has no metric of the type "nothing"/ })
  }
  await assert.rejects(rows(store, { query: 'latest', uuid: ['a', 'nobody'] }), { code: 'QUERY_AGENT_UNKNOWN' })
})

onEachDatabase('buckets of texts are an error, before they are rolled up and after, and where there is a number they are not', async (t, database) => {
  const { store, model } = await open(t, database)
  const retention = new Retention(store, { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] })
  await model.report('c', start + 5, { mixed: 7 })
  await model.report('c', start + 6, { mixed: 'a text', empty: '' })
  const bucketsOf = (type: QueryInput['type'], others: QueryInput = {}) => rows(store, { query: 'buckets', uuid: 'c', type, from: start, to: start + 60_000, bucket: '1m', aggregates: 'avg', ...others })
  for (const pass of ['before', 'after']) {
    for (const type of ['door', 'empty', ['door', 'empty']]) await assert.rejects(bucketsOf(type), { code: 'QUERY_SERIES_TEXT' }, pass)
    await assert.rejects(rows(store, { query: 'typeBuckets', type: 'door', from: start, bucket: '1h' }), { code: 'QUERY_SERIES_TEXT' }, pass)
    assert.deepEqual(await bucketsOf('mixed'), [{ ts: start, avg: 7 }], pass)
    assert.deepEqual(await bucketsOf('mixed', { from: start + hour, to: start + hour + 60_000 }), [{ ts: start + hour, avg: null }], pass)
    assert.deepEqual(await bucketsOf(['door', 'mixed']), [{ type: 'door', ts: start, avg: null }, { type: 'mixed', ts: start, avg: 7 }], pass)
    await retention.runOnce(start + day)
  }
})

onEachDatabase('a form is completed with agents and types that contain what was typed, and with at most fifty', async (t, database) => {
  const { store, model } = await open(t, database)
  const db = await store.read()
  assert.deepEqual(await completeAgents(db, 'OIL'), [{ name: 'b', label: 'Boiler' }])
  assert.deepEqual((await completeAgents(db, '')).map(({ name }) => name), ['a', 'b', 'c'])
  assert.deepEqual(await completeTypes(db, '', []), ['door', 'memory', 'temperature'].map(name => ({ name })))
  assert.deepEqual(await completeTypes(db, 'M', ['a', 'nobody']), [{ name: 'temperature' }])
  await model.report('100%_!', start, { '50%': 1, 'it\'s': 1 })
  for (const text of ['%', '_', '!', '0%_']) assert.deepEqual((await completeAgents(db, text)).map(({ name }) => name), ['100%_!'], text)
  assert.deepEqual(await completeTypes(db, '%', []), [{ name: '50%' }])
  assert.deepEqual(await completeTypes(db, '\'', []), [{ name: 'it\'s' }])
  await model.report('many', start, Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`type ${i}`, i])))
  assert.equal((await completeTypes(db, 'type', [])).length, 50)
})
