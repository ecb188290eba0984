import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { DatabaseNode } from '../../nodes/platziverse-database/platziverse-database.ts'
import { until } from '../helpers/events.ts'
import { useNodeRed, type TestFlow } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const load = useNodeRed()
const start = 19_675 * 86_400_000

type Message = Record<string, unknown> & { payload: unknown, answer: Record<string, unknown>, parts: Record<string, unknown> }

/** A metric-query whose database has ten metrics of two agents each, a second apart. */
async function queryFlow (t: TestContext, changes: object = {}) {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const flow = await load([
    { id: 'tab', type: 'tab' },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'store', type: 'metric-store', database: 'database', wires: [['stored']] },
    { id: 'query', type: 'metric-query', database: 'database', uuid: 'a', metricType: 'cpu', from: start, to: start + 60_000, wires: [['answers']], ...changes },
    { id: 'join', type: 'join', mode: 'auto', build: 'array', property: 'payload', wires: [['joined']] },
    { id: 'errors', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    ...['stored', 'answers', 'joined', 'caught'].map(id => ({ id, type: 'helper' }))
  ].map(node => node.type === 'tab' ? node : { ...node, z: 'tab', x: 1, y: 1 }))
  for (let i = 0; i < 10; i++) {
    for (const uuid of ['a', 'b']) flow.receive('store', { topic: 'agent/message', payload: { agent: { uuid, name: uuid.toUpperCase() }, metrics: [{ type: 'cpu', value: i }], timestamp: start + i * 1000 } })
  }
  await until(() => flow.received('stored').length, n => n === 20)
  return flow
}

function answersOf (flow: TestFlow): Message[] {
  return flow.received<Message>('answers')
}

/** Sends one message; the first answer to it. */
async function ask (flow: TestFlow, query?: unknown, others: object = {}): Promise<Message> {
  const before = answersOf(flow).length
  flow.receive('query', { ...others, ...query === undefined ? {} : { query } })
  return await until(() => answersOf(flow)[before], message => message !== undefined) as Message
}

test('a message is answered by the node\'s own query, and keeps what it had', async t => {
  const flow = await queryFlow(t, { query: 'series', limit: '2', order: 'desc' })
  const message = await ask(flow, undefined, { topic: 'mine', payload: 'replaced' })
  assert.deepEqual(message.payload, [{ ts: start + 9000, value: 9 }, { ts: start + 8000, value: 8 }])
  assert.deepEqual([message.topic, message.answer, 'parts' in message], ['mine', { rows: 2, from: start, to: start + 60_000 }, false])
  await until(() => flow.status('query'), status => status?.fill === 'green' && /answered/.test(status.text ?? ''))
})

test('msg.query replaces what it mentions, and nothing else', async t => {
  const flow = await queryFlow(t)
  assert.deepEqual((await ask(flow)).payload, [{ type: 'cpu', ts: start + 9000, value: 9 }])
  const { payload, answer } = await ask(flow, { query: 'buckets', bucket: '5s', aggregates: 'sum', to: start + 15_000 })
  assert.deepEqual(payload, [{ ts: start, sum: 10 }, { ts: start + 5000, sum: 35 }, { ts: start + 10_000, sum: null }])
  assert.deepEqual(answer, { rows: 3, source: 'raw', bucket: 5000, from: start, to: start + 15_000 })
  assert.equal(((await ask(flow, { query: 'agent' })).payload as { name: string }).name, 'A')
  assert.deepEqual(((await ask(flow, { query: 'agents' })).payload as Array<{ uuid: string }>).map(({ uuid }) => uuid), ['a', 'b'])
})

test('a chart gets points, in place of those before', async t => {
  const flow = await queryFlow(t, { query: 'typeBuckets', bucket: '10s', fill: 'skip', result: 'chart' })
  const { payload, action } = await ask(flow)
  assert.deepEqual([payload, action], [[{ series: 'A', x: start, y: 4.5 }, { series: 'B', x: start, y: 4.5 }], 'replace'])
})

test('parts come one by one, and join makes one of them', async t => {
  const flow = await queryFlow(t, { query: 'series', result: 'parts', most: '4', wires: [['answers', 'join']] })
  await ask(flow)
  const [joined] = await until(() => flow.received('joined'), messages => messages.length === 1)
  assert.deepEqual((joined?.payload as Array<{ value: number }>).map(({ value }) => value), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  const parts = answersOf(flow).map(({ parts }) => parts)
  assert.equal(new Set(parts.map(({ id }) => id)).size, 1)
  assert.deepEqual(parts.map(({ id: _id, ...part }) => part), [{ type: 'array', len: 4, index: 0 }, { type: 'array', len: 4, index: 1 }, { type: 'array', len: 4, index: 2, count: 3 }])
  // A part of something else does not forget what of.
  const { parts: nested } = await ask(flow, undefined, { parts: { id: 'outer', index: 5 } })
  assert.deepEqual(nested.parts, { id: 'outer', index: 5 })
})

test('what goes wrong goes to a catch node, with its code, and shows', async t => {
  const flow = await queryFlow(t, { most: 5 })
  const cases: Array<[unknown, string]> = [
    [{ uuid: 'nobody' }, 'QUERY_AGENT_UNKNOWN'],
    [{ query: 'series', type: 'nothing' }, 'QUERY_SERIES_UNKNOWN'],
    [{ query: 'series' }, 'QUERY_RANGE_TOO_LARGE'],
    [{ query: 'series', from: 'yesterday' }, 'QUERY_INVALID'],
    [{ result: 'everything' }, 'QUERY_INVALID'],
    [{ most: 1_000_000 }, 'QUERY_INVALID'],
    ['select * from agents', 'QUERY_INVALID']
  ]
  for (const [query] of cases) flow.receive('query', { query })
  const caught = await until(() => flow.received('caught'), messages => messages.length === cases.length)
  const codes = caught.map(({ query, error }) => [query, (error as { message: string }).message.split(':')[0]])
  assert.deepEqual(new Set(codes.map(code => JSON.stringify(code))), new Set(cases.map(code => JSON.stringify(code))))
  await until(() => flow.status('query'), status => status?.fill === 'red' && /^QUERY_/.test(status.text ?? ''))
  assert.equal(answersOf(flow).length, 0)
})

test('with a database that was closed every question is an error', async t => {
  const flow = await queryFlow(t)
  await flow.node<DatabaseNode>('database').store.close()
  flow.receive('query', {})
  const [closed] = await until(() => flow.received('caught'), messages => messages.length === 1)
  assert.match((closed?.error as { message: string }).message, /^DATABASE_MISSING: The database was closed/)
})

test('without a database every question is an error, and the node says so', async () => {
  const nodes = [{ id: 'query', type: 'metric-query', database: '', wires: [[]] }, { id: 'errors', type: 'catch', scope: null, wires: [['caught']] }, { id: 'caught', type: 'helper' }]
  const flow = await load([{ id: 'tab', type: 'tab' }, ...nodes.map(node => ({ ...node, z: 'tab', x: 1, y: 1 }))])
  await until(() => flow.status('query'), status => status?.text === 'DATABASE_MISSING')
  flow.receive('query', {})
  const [missing] = await until(() => flow.received('caught'), messages => messages.length === 1)
  assert.match((missing?.error as { message: string }).message, /^DATABASE_MISSING/)
})

test('a node that is closed sends no further parts', async t => {
  const flow = await queryFlow(t, { query: 'series', result: 'parts', most: 1 })
  flow.node('answers').on('input', () => { void flow.node<{ close (): Promise<void> }>('query').close() })
  await ask(flow)
  // The database answers another question after those that would have been asked.
  await (await flow.node<DatabaseNode>('database').store.read()).raw('select 1')
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(answersOf(flow).length, 1)
})

/** The next report of an agent, through metric-store; resolves once it is stored. */
async function report (flow: TestFlow, uuid: string, i: number, type = 'cpu'): Promise<void> {
  const stored = flow.received('stored').length
  flow.receive('store', { topic: 'agent/message', payload: { agent: { uuid, name: uuid.toUpperCase() }, metrics: [{ type, value: i }], timestamp: start + i * 1000 } })
  await until(() => flow.received('stored').length, n => n > stored)
}

test('one question is about several agents and types, of the form or of the message, and a chart gets a series each', async t => {
  const flow = await queryFlow(t, { query: 'buckets', uuid: ['a', 'b'], points: '2', to: start + 10_000 })
  assert.deepEqual((await ask(flow)).payload, ['a', 'b'].flatMap(uuid => [2, 7].map((avg, i) => ({ uuid, name: uuid.toUpperCase(), ts: start + i * 5_000, avg }))))
  const { payload, answer } = await ask(flow, { uuid: 'b', type: ['cpu', 'memory'], bucket: '10s', result: 'chart' })
  assert.deepEqual([payload, answer.bucket], [[{ series: 'cpu', x: start, y: 4.5 }], 10_000])
  const latest = (await ask(flow, { query: 'latestOfAll' })).payload
  assert.deepEqual(latest, ['a', 'b'].map(uuid => ({ uuid, name: uuid.toUpperCase(), type: 'cpu', ts: start + 9_000, value: 9 })))
})

test('days of a time zone begin there', async t => {
  const flow = await queryFlow(t, { query: 'buckets', bucket: 'day', timezone: 'America/Bogota', aggregates: ['count'] })
  const { payload, answer } = await ask(flow)
  assert.deepEqual(payload, [{ ts: start - 19 * 3_600_000, count: 10 }])
  assert.deepEqual([answer.bucket, answer.timezone, answer.source], ['day', 'America/Bogota', 'hours'])
})

test('a question that is followed is answered again when something new is stored, with its own message', async t => {
  const flow = await queryFlow(t, { query: 'latest', follow: '100ms' })
  const first = await ask(flow, undefined, { topic: 'wall', payload: 'not kept', viewer: { id: 7 } })
  assert.deepEqual(first.payload, [{ type: 'cpu', ts: start + 9_000, value: 9 }])
  ;(first.viewer as { id: number }).id = 8
  await until(() => flow.status('query'), status => /live/.test(status?.text ?? ''))
  await report(flow, 'b', 11)
  await report(flow, 'a', 12)
  const [, second] = await until(() => answersOf(flow), messages => messages.length >= 2)
  assert.deepEqual([second?.payload, second?.topic, second?.viewer, second?._msgid], [[{ type: 'cpu', ts: start + 12_000, value: 12 }], 'wall', { id: 7 }, first._msgid])
  // News for another question is no reason.
  await report(flow, 'b', 13)
  await report(flow, 'a', 14)
  const third = await until(() => answersOf(flow)[2], message => message !== undefined)
  assert.deepEqual(third?.payload, [{ type: 'cpu', ts: start + 14_000, value: 14 }])
})

test('a live question ends with the next one of its topic, or when it is told to', async t => {
  const flow = await queryFlow(t, { query: 'latest', follow: '100ms' })
  const of = (topic: string): Message[] => answersOf(flow).filter(message => message.topic === topic)
  await ask(flow, undefined, { topic: 'one' })
  await ask(flow, { uuid: 'b' }, { topic: 'one' })
  await ask(flow, { uuid: 'a' }, { topic: 'two' })
  await ask(flow, { follow: '' }, { topic: 'three' })
  await report(flow, 'a', 20)
  await until(() => of('two').length, n => n === 2)
  await report(flow, 'b', 21)
  await until(() => of('one').length, n => n === 3)
  assert.deepEqual(of('one').map(({ payload }) => (payload as Array<{ value: number }>)[0]?.value), [9, 9, 21], 'only the newer one is followed')
  flow.receive('query', { topic: 'one', query: { follow: false } })
  await until(() => flow.status('query'), status => /ended/.test(status?.text ?? ''))
  await report(flow, 'b', 22)
  await report(flow, 'a', 23)
  await until(() => of('two').length, n => n === 3)
  assert.deepEqual([of('one').length, of('three').length], [3, 1])
})

test('a live question about an agent that is yet to come says so once, and is answered when it comes', async t => {
  const flow = await queryFlow(t, { query: 'latest', uuid: 'c', follow: '100ms' })
  flow.receive('query', { topic: 'early' })
  const [caught] = await until(() => flow.received('caught'), messages => messages.length === 1)
  assert.match((caught?.error as { message: string }).message, /^QUERY_AGENT_UNKNOWN/)
  await report(flow, 'c', 30)
  const [answer] = await until(() => answersOf(flow), messages => messages.length === 1)
  assert.deepEqual([answer?.topic, answer?.payload], ['early', [{ type: 'cpu', ts: start + 30_000, value: 30 }]])
})

test('a live question ends with its node', async t => {
  const flow = await queryFlow(t, { query: 'latest', follow: '100ms' })
  await ask(flow)
  const { feed } = (flow.node('database') as unknown as { store: { feed: { isHeard: boolean } } }).store
  assert.equal(feed.isHeard, true)
  await (flow.node('query') as unknown as { close (): Promise<void> }).close()
  assert.equal(feed.isHeard, false)
})

test('what is stored through another node of the same database is followed too', async t => {
  const folder = await temporaryFolder(t)
  const database = { type: 'platziverse-database', client: 'sqlite', filename: join(folder, 'shared.sqlite') }
  const flow = await load([
    { id: 'tab', type: 'tab' }, { ...database, id: 'first' }, { ...database, id: 'second' },
    { id: 'store', type: 'metric-store', database: 'first', z: 'tab', wires: [['stored']] },
    { id: 'query', type: 'metric-query', database: 'second', query: 'latestOfAll', follow: '100ms', z: 'tab', wires: [['answers']] },
    ...['stored', 'answers'].map(id => ({ id, type: 'helper', z: 'tab' }))
  ])
  assert.deepEqual((await ask(flow)).payload, [])
  await report(flow, 'a', 1)
  const [, second] = await until(() => answersOf(flow), messages => messages.length >= 2)
  assert.deepEqual(second?.payload, [{ uuid: 'a', name: 'A', type: 'cpu', ts: start + 1_000, value: 1 }])
})
