import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { Agent } from '../../lib/agent/agent.ts'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { publishPacket, rawClient } from '../helpers/raw-client.ts'

const load = useNodeRed()
const pulse = '{"agent":{"uuid":"p"},"metrics":[{"type":"pulse","value":1}]}'

async function platform (t: TestContext, intake: object = {}, more: object[] = []) {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const flow = await load([
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', wires: [['store'], ['store'], ['store'], []], ...intake },
    { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['stored']] },
    { id: 'stored', z: 'tab', type: 'helper' },
    ...more
  ].map(node => ({ ...node, ...'z' in node ? { x: 1, y: 1 } : {} })))
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  return { flow, knex, port: Number(new URL(await flow.url('broker')).port) }
}

/** Resolves when so many PUBACKs came. */
async function acknowledged (socket: Socket, count: number): Promise<void> {
  let bytes = 0
  while (bytes < count * 4) bytes += ((await once(socket, 'data')) as [Buffer])[0].length
}

function segment (count: number, payload: string, from = 1): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => publishPacket('agent/message', payload, 1, from + i)))
}

async function rows (knex: Knex): Promise<number> {
  return (await knex('metrics')).length
}

test('fifty equal pulses without a timestamp in one segment are fifty metrics', async t => {
  const { knex, port } = await platform(t)
  const socket = await rawClient(t, port, 'c1')
  socket.write(segment(50, pulse))
  await acknowledged(socket, 50)
  assert.equal(await rows(knex), 50)
})

test('equal pulses of several connections at once are a metric each', async t => {
  const { knex, port } = await platform(t)
  const sockets = await Promise.all(Array.from({ length: 5 }, (_, i) => rawClient(t, port, `c${i}`)))
  await Promise.all(sockets.map(socket => {
    const done = acknowledged(socket, 20)
    socket.write(segment(20, pulse))
    return done
  }))
  assert.equal(await rows(knex), 100)
})

test('equal pulses that the agent library reports in one millisecond are a metric each', async t => {
  const { knex, port } = await platform(t)
  const agent = new Agent({ uuid: 'p', interval: 1_000_000, mqtt: { url: `mqtt://127.0.0.1:${port}` } })
  t.after(() => agent.disconnect())
  await agent.connect()
  await Promise.all(Array.from({ length: 50 }, () => agent.report({ type: 'pulse', value: 1 })))
  assert.equal(await rows(knex), 50)
})

test('equal pulses from any other node are a metric each', async t => {
  const { flow, knex } = await platform(t)
  for (let i = 0; i < 50; i++) flow.receive('store', { topic: 'agent/message', payload: pulse })
  await until(() => flow.received('stored').length, n => n === 50)
  assert.equal(await rows(knex), 50)
})

test('two agent-ins that hand one pulse to one store make one metric of it', async t => {
  const { knex, port } = await platform(t, {}, [{ id: 'second', z: 'tab', type: 'agent-in', broker: 'broker', wires: [['store'], ['store'], ['store'], []] }])
  const socket = await rawClient(t, port, 'c1')
  socket.write(segment(50, pulse))
  await acknowledged(socket, 50)
  assert.equal(await rows(knex), 50)
})

test('a pulse keeps its key through a flow that returns the payload alone', async t => {
  const { flow, knex, port } = await platform(t, { acknowledge: 'arrival', wires: [[], [], ['stored'], []] })
  const socket = await rawClient(t, port, 'c1')
  socket.write(segment(50, pulse))
  const messages = await until(() => [...flow.received('stored')], messages => messages.length === 50)
  for (const { topic, payload } of messages) flow.receive('store', { topic, payload })
  await until(() => flow.received('stored').length, n => n === 100)
  // And once more, as a flow that tries again does.
  for (const { topic, payload } of messages) flow.receive('store', { topic, payload })
  await until(() => flow.received('stored').length, n => n === 150)
  assert.equal(await rows(knex), 50)
})

test('a message with a timestamp that comes again is stored once', async t => {
  const { knex, port } = await platform(t)
  const timed = JSON.stringify({ ...JSON.parse(pulse), timestamp: Date.now() })
  const socket = await rawClient(t, port, 'c1')
  socket.write(segment(20, timed))
  await acknowledged(socket, 20)
  assert.equal(await rows(knex), 1)
})
