import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { connectAsync, type MqttClient } from 'mqtt'
import { closing, until } from '../helpers/events.ts'
import { useNodeRed, type TestFlow } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const load = useNodeRed()

/** The main flow with a function between agent-in and metric-store. */
async function flowWith (
  t: TestContext, func: string, more: Array<{ id: string, type: string, database: string, wires: string[][] }> = []
): Promise<{ client: MqttClient, knex: Knex, flow: TestFlow }> {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const nodes = [
    { id: 'broker', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', type: 'agent-in', broker: 'broker', timeLimit: 2, wires: [['store'], ['store'], ['function', 'beside'], []] },
    { id: 'function', type: 'function', func, outputs: 1, wires: [['store', ...more.map(({ id }) => id)]] },
    { id: 'store', type: 'metric-store', database: 'database', wires: [['stored']] },
    { id: 'stored', type: 'helper' },
    { id: 'beside', type: 'helper' },
    ...more
  ].map(node => ({ x: 1, y: 1, z: 'tab', ...node }))
  const flow = await load([{ id: 'tab', type: 'tab' }, ...nodes])
  const client = await connectAsync(await flow.url('broker'), { reconnectPeriod: 0 })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  return { client, knex, flow }
}

const values = (knex: Knex): Promise<number[]> => knex('metrics').orderBy('value').pluck<number[]>('value')
const reading = (value: number, rest = {}): string => JSON.stringify({ agent: { uuid: 'a1' }, metrics: [{ type: 't', value }], ...rest })

test('a function that passes on topic and payload alone keeps no publisher waiting', async t => {
  const { client, knex, flow } = await flowWith(t, 'return { topic: msg.topic, payload: msg.payload }')
  await client.publishAsync('agent/message', reading(1, { timestamp: 1_700_000_000_000 }), { qos: 1 })
  await client.publishAsync('agent/message', reading(2), { qos: 1 })
  assert.deepEqual(await values(knex), [1, 2])
  assert.deepEqual(flow.log().filter(line => line.includes('DELIVERY')), [])
})

test('a message that a function makes several of is acknowledged when all of them are stored', async t => {
  const { client, knex } = await flowWith(t, "return [[0, 1, 2].map(i => ({ topic: msg.topic, payload: { agent: msg.payload.agent, timestamp: msg.payload.metrics[0].value || undefined, metrics: [{ type: 't', value: i }] } }))]")
  // Each at one time of the function's own, and then at the time of receipt.
  await client.publishAsync('agent/message', reading(1_700_000_000_000), { qos: 1 })
  assert.deepEqual(await values(knex), [0, 1, 2])
  await client.publishAsync('agent/message', reading(0), { qos: 1 })
  assert.deepEqual(await values(knex), [0, 0, 1, 1, 2, 2])
})

const copies: Record<string, string> = {
  'clones of the message': 'return [[msg, RED.util.cloneMessage(msg)]]',
  'new messages with the payload': 'return [[0, 1].map(() => ({ topic: msg.topic, payload: { ...msg.payload } }))]',
  'clones with another value each': 'const other = RED.util.cloneMessage(msg); other.payload.metrics[0].value = 2; return [[msg, other]]',
  'clones that come later': 'const other = RED.util.cloneMessage(msg); await new Promise(resolve => { setTimeout(resolve, 20) }); return [[msg, other]]'
}
for (const [what, func] of Object.entries(copies)) {
  test(`of a message without a timestamp a flow makes two metrics of one type: ${what}`, async t => {
    const { client, knex } = await flowWith(t, func)
    await Promise.all(Array.from({ length: 5 }, () => client.publishAsync('agent/message', reading(1), { qos: 1 })))
    assert.deepEqual(await values(knex), what.includes('another') ? [1, 1, 1, 1, 1, 2, 2, 2, 2, 2] : Array(10).fill(1))
  })
}

test('a message without a timestamp that a flow takes apart by metric keeps its seq, in two stores of one database too', async t => {
  const apart = 'return [msg.payload.metrics.map(metric => ({ ...msg, payload: { ...msg.payload, metrics: [metric] } }))]'
  const { client, knex, flow } = await flowWith(t, apart, [{ id: 'second', type: 'metric-store', database: 'database', wires: [[]] }])
  const metrics = [{ type: 't', value: 1 }, { type: 'u', value: 2 }]
  await client.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'a1' }, metrics }), { qos: 1 })
  assert.deepEqual(await values(knex), [1, 2])
  const seqs = new Set(flow.received('stored').map(({ payload }) => (payload as { seq: number }).seq))
  assert.equal(seqs.size, 1)
})

test('a message that comes to the store as another one is stored and not acknowledged, and the error says why', async t => {
  const { client, knex, flow } = await flowWith(t, 'return null')
  client.publish('agent/message', reading(1, { timestamp: 1_700_000_000_000 }), { qos: 1 }, () => undefined)
  // As after a join, or a file: a message of its own.
  const { topic, payload } = await until(() => flow.received('beside')[0], message => message !== undefined) ?? {}
  flow.receive('store', { topic, payload })
  const line = await until(() => flow.log().find(line => line.includes('DELIVERY')), line => line !== undefined)
  assert.match(line ?? '', /^1 message was stored without msg\.delivery.*\(DELIVERY_LOST\)$/)
  assert.deepEqual(await values(knex), [1])
})

test('a message whose msg.delivery.id a function overwrites is stored and not acknowledged, and the error says why', async t => {
  const { client, knex, flow } = await flowWith(t, "msg.delivery.id = 'mine'; return msg")
  const closed = closing(client)
  client.publish('agent/message', reading(1, { timestamp: 1_700_000_000_000 }), { qos: 1 }, () => undefined)
  await closed
  const line = await until(() => flow.log().find(line => line.includes('DELIVERY')), line => line !== undefined)
  assert.match(line ?? '', /^1 message was stored without msg\.delivery and msg\._msgid as agent-in sent them.*\(DELIVERY_LOST\)$/)
  assert.deepEqual(await values(knex), [1])
})
