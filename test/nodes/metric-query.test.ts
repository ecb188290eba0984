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
