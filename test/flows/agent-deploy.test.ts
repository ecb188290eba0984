import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import { connectAsync } from 'mqtt'
import { openBroker } from '../helpers/broker.ts'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed, type DeployType } from '../helpers/node-red.ts'

type FlowNode = Record<string, unknown> & { id: string, type: string }
interface Said { topic: string, payload: { agent: { uuid: string }, metrics?: Array<{ type: string }>, seq?: number, timestamp?: number } }

function find (flow: FlowNode[], type: string): FlowNode {
  const node = flow.find(node => node.type === type)
  assert.ok(node)
  return node
}

/** What a subscriber of `agent/#` receives. */
async function hear (t: TestContext, url: string): Promise<Said[]> {
  const said: Said[] = []
  const client = await connectAsync(url, { clientId: 'subscriber', clean: false, reconnectPeriod: 50 })
  t.after(() => { client.end(true) })
  client.on('message', (topic, payload) => { said.push({ topic, payload: JSON.parse(String(payload)) as Said['payload'] }) })
  await client.subscribeAsync('agent/#', { qos: 1 })
  return said
}

/** The example with an agent that measures ten times a second and is given a metric as often. */
async function monitor (t: TestContext) {
  const port = await freePort()
  const fast = { interval: '0.1', disk: true, cpu: false, memory: false, temperature: false, network: false }
  const flow: FlowNode[] = await exampleFlow('Monitor agents', { 'platziverse-broker': { port }, 'platziverse-agent': fast }, ['debug'])
  const agent = find(flow, 'platziverse-agent')
  flow.push({ id: 'a00000000000f001', type: 'inject', z: agent['z'], repeat: '0.1', once: true, props: [{ p: 'payload' }], payload: '{"type":"wired","value":1}', payloadType: 'json', wires: [[agent.id]] })
  const nodeRed = await startNodeRed({ flows: flow })
  t.after(() => nodeRed.stop())
  const said = await hear(t, `mqtt://127.0.0.1:${port}`)
  const messages = () => said.filter(({ topic }) => topic === 'agent/message')
  // The first hello is heard or not.
  await until(() => messages().length, n => n > 0)
  said.splice(0)
  return {
    nodeRed,
    flow,
    agent,
    said,
    messages,
    wired: () => messages().filter(({ payload }) => payload.metrics?.[0]?.type === 'wired').length,
    /** Who said that, in order. */
    saying: (topic: string) => said.filter(said => said.topic === topic).map(({ payload }) => payload.agent.uuid),
    flowing: async () => {
      const before = messages().length
      await until(() => messages().length, n => n > before + 15)
    }
  }
}

test('a platziverse-agent stays connected through deploys that do not change it, and what it measures and is given has no gap', { timeout: 120_000 }, async t => {
  const { nodeRed, flow, said, messages, wired, saying, flowing } = await monitor(t)
  await flowing()
  const moves: Array<[DeployType, string]> = [['full', 'comment'], ['full', 'agent-out'], ['full', 'platziverse-broker'], ['nodes', 'metric-store'], ['nodes', 'platziverse-agent'], ['flows', 'agent-in'], ['full', 'comment']]
  for (const [i, [deploy, type]] of moves.entries()) {
    // The name of an agent is the agent's.
    find(flow, type)[type === 'platziverse-agent' ? 'x' : 'name'] = i
    const before = wired()
    await nodeRed.deploy(flow, deploy)
    await flowing()
    assert.deepEqual([saying('agent/connected').length, saying('agent/disconnected')], [0, []], `a ${deploy} deploy that changes ${type}`)
    await until(wired, n => n > before + 3)
  }
  await nodeRed.deploy([], 'reload')
  await flowing()
  assert.deepEqual(said.filter(({ topic }) => topic !== 'agent/message'), [])
  const seqs = [...new Set(messages().map(({ payload }) => payload.seq as number))].sort((a, b) => a - b)
  assert.equal(seqs.length, (seqs.at(-1) as number) - (seqs[0] as number) + 1)
  const times = [...new Set(messages().map(({ payload }) => payload.timestamp as number))].sort((a, b) => a - b)
  assert.ok(Math.max(...times.slice(1).map((time, i) => time - (times[i] as number))) < 2_000)
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const stored = new Set(await knex('metrics').pluck<number[]>('seq'))
  assert.deepEqual(seqs.filter(seq => !stored.has(seq)), [])
})

test('an agent whose interval, uuid or broker changes is another one from then on; one that is disabled or deleted says goodbye', { timeout: 120_000 }, async t => {
  const { nodeRed, flow, agent, messages, saying, flowing } = await monitor(t)
  await flowing()
  const uuid = messages()[0]?.payload.agent.uuid as string
  const farewells = async (count: number) => { assert.deepEqual(await until(() => saying('agent/disconnected'), ({ length }) => length >= count, 5_000), Array(count).fill(uuid)) }

  agent['interval'] = '0.3'
  await nodeRed.deploy(flow)
  await farewells(1)
  await until(() => saying('agent/connected'), uuids => uuids.length === 1)
  const measured = () => messages().filter(({ payload }) => payload.metrics?.[0]?.type === 'diskUsedPercent').map(({ payload }) => payload.timestamp as number)
  const from = measured().length + 2
  await until(measured, ({ length }) => length > from + 4)
  const [first, ...others] = measured().slice(from)
  assert.ok(((others.at(-1) as number) - (first as number)) / others.length > 250)

  agent['d'] = true
  await nodeRed.deploy(flow, 'nodes')
  await farewells(2)
  delete agent['d']
  await nodeRed.deploy(flow, 'nodes')
  await until(() => saying('agent/connected'), uuids => uuids.length === 2)

  const remote = await openBroker(t)
  const there = await hear(t, remote.url)
  await nodeRed.deploy(flow.map(node => node === agent ? { ...node, broker: '', url: remote.url } : node), 'nodes')
  await farewells(3)
  await until(() => there.length, n => n > 5)
  assert.deepEqual([there[0]?.topic, there[0]?.payload.agent.uuid], ['agent/connected', uuid])
  await nodeRed.deploy(flow, 'nodes')
  await until(() => there.at(-1)?.topic, topic => topic === 'agent/disconnected')
  await until(() => saying('agent/connected'), uuids => uuids.length === 3)

  await writeFile(join(nodeRed.userDir, 'platziverse', 'agents', `${agent.id}.uuid`), 'another')
  await nodeRed.deploy(flow)
  await farewells(4)
  await until(() => saying('agent/connected').at(-1), last => last === 'another')
  await flowing()
  await nodeRed.deploy(flow.filter(node => node !== agent), 'nodes')
  await until(() => saying('agent/disconnected').at(-1), last => last === 'another', 5_000)
})

test('what other agents say comes out of a platziverse-agent through deploys, all of it', { timeout: 120_000 }, async t => {
  const remote = await openBroker(t)
  const { nodeRed, flow, agent, said, flowing } = await monitor(t)
  Object.assign(agent, { broker: '', url: remote.url, interval: 60, wires: [[find(flow, 'agent-out').id]] })
  flow.pop()
  await nodeRed.deploy(flow)
  const publisher = await remote.client()
  await until(() => remote.place.clients(), clients => clients.some(({ subscriptions }) => subscriptions.length > 0))
  let sent = 0
  const timer = setInterval(() => { publisher.publish('agent/message', JSON.stringify({ agent: { uuid: 'other' }, metrics: [{ type: 't', value: sent }], seq: sent++, timestamp: 1 }), { qos: 1 }) }, 10)
  t.after(() => { clearInterval(timer) })
  const heard = () => new Set(said.filter(({ payload }) => payload.agent.uuid === 'other').map(({ payload }) => payload.seq as number))
  for (const [i, deploy] of (['full', 'nodes', 'flows', 'full', 'full'] as DeployType[]).entries()) {
    find(flow, 'agent-out')['name'] = `again ${i}`
    await nodeRed.deploy(flow, deploy)
    await flowing()
  }
  clearInterval(timer)
  const missing = () => Array.from({ length: sent }, (_, i) => i).filter(i => !heard().has(i))
  await until(missing, ({ length }) => length === 0, 5_000).catch(() => undefined)
  assert.deepEqual(missing(), [], `of ${sent}`)
  // No deploy says goodbye; the end of the process does, once the broker no longer holds back the last will.
  const there = await hear(t, remote.url)
  await nodeRed.stop()
  await until(() => there.find(({ topic }) => topic === 'agent/disconnected'), said => said !== undefined, 20_000)
})
