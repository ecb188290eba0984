import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, afterEach, before, test, type TestContext } from 'node:test'
import type { NodeMessage } from 'node-red'
import helper from 'node-red-node-test-helper'
import agentNode from '../../nodes/platziverse-agent/platziverse-agent.ts'
import brokerNode from '../../nodes/platziverse-broker/platziverse-broker.ts'
import { closeAll } from '../../nodes/shared/broker.ts'
import { makeAgent, startBroker } from '../helpers/agent-broker.ts'
import { openBroker } from '../helpers/broker.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { called, loadNodes, withText } from '../helpers/loaded-nodes.ts'

// Node-RED 5 does not run on Node 20.
const nodeRed = Number.parseInt(process.versions.node) >= 22 ? 'node-red' : 'node-red-4'
helper.init(createRequire(import.meta.url).resolve(nodeRed))
before(() => new Promise<void>(resolve => helper.startServer(resolve)))
after(() => new Promise<void>(resolve => helper.stopServer(resolve)))
afterEach(async () => { await helper.unload(); await closeAll() })

type Load = { t: TestContext, userDir?: string, config?: object, credentials?: object }

/** Deploy one agent node, with helper nodes for what it sends, has done and fails at. */
async function load ({ t, userDir, config, credentials }: Load) {
  const folder = userDir ?? await temporaryFolder(t)
  helper.settings({ userDir: folder })
  const flow = [
    { id: 'agent1', type: 'platziverse-agent', name: 'Roof', broker: '', url: 'mqtt://127.0.0.1:1', username: 'ana', interval: '60', wires: [['out']], ...config },
    { id: 'out', type: 'helper' },
    { id: 'complete1', type: 'complete', scope: ['agent1'], uncaught: false, wires: [['done']] },
    { id: 'done', type: 'helper' },
    { id: 'catch1', type: 'catch', scope: ['agent1'], wires: [['failed']] },
    { id: 'failed', type: 'helper' }
  ]
  await loadNodes(agentNode, flow, { agent1: credentials ?? {} })
  return { node: helper.getNode('agent1'), out: helper.getNode('out'), done: helper.getNode('done'), failed: helper.getNode('failed'), userDir: folder }
}

test('the node reports the chosen host metrics and shows that it is connected', async t => {
  const broker = await startBroker(t)
  const { node } = await load({ t, config: { url: broker.url, memory: true, disk: true } })
  const [message] = await broker.arrived('agent/message')
  assert.deepEqual(message?.payload.metrics?.map(({ type }) => type), ['memoryUsed', 'memoryUsedPercent', 'diskUsedPercent'])
  assert.deepEqual({ ...message.payload.agent, uuid: '', hostname: '' }, { uuid: '', username: 'ana', name: 'Roof', hostname: '', pid: process.pid })
  await called(node, 'status', withText(/status\.connecting/))
  const { fill, shape } = await called(node, 'status', withText(/status\.connected/))
  assert.deepEqual([fill, shape], ['green', 'dot'])
})

for (const [name, payload] of Object.entries({
  'one metric': { type: 'door', value: 'open' },
  'a list of metrics': [{ type: 'door', value: 'open' }],
  'a message with metrics': { metrics: [{ type: 'door', value: 'open' }] }
})) {
  test(`${name} on the input is reported, and done when the broker acknowledged it`, async t => {
    const broker = await startBroker(t)
    let acknowledged = false
    broker.settle = async ({ topic }) => {
      if (topic !== 'agent/message') return undefined
      await new Promise(resolve => setImmediate(resolve))
      acknowledged = true
      return undefined
    }
    const { node, done } = await load({ t, config: { url: broker.url } })
    node.receive({ payload })
    await once(done, 'input', { signal: AbortSignal.timeout(10_000) })
    assert.equal(acknowledged, true)
    assert.deepEqual((await broker.arrived('agent/message'))[0]?.payload.metrics, [{ type: 'door', value: 'open' }])
  })
}

test('what is no metric is an error', async t => {
  const broker = await startBroker(t)
  const { node, failed } = await load({ t, config: { url: broker.url } })
  node.receive({ payload: 'open' })
  const [message] = await once(failed, 'input', { signal: AbortSignal.timeout(10_000) })
  assert.match(message.error.message, /AGENT_METRIC_FAILED/)
})

test('what other agents say comes out', async t => {
  const broker = await startBroker(t)
  const { out } = await load({ t, config: { url: broker.url } })
  await broker.arrived('agent/connected')
  const other = makeAgent(t, { mqtt: { url: broker.url } })
  const heard: NodeMessage[] = []
  const three = new Promise<void>(resolve => out.on('input', message => { if (heard.push(message as NodeMessage) === 3) resolve() }))
  other.connect()
  await other.report({ type: 'a', value: 1 })
  await other.disconnect()
  await three
  assert.deepEqual(heard.map(({ topic }) => topic), ['agent/connected', 'agent/message', 'agent/disconnected'])
  assert.deepEqual((heard[0]?.payload as { agent: unknown }).agent, other.identity)
})

test('a command changes what the node reports and is shown, unless the node takes none', async t => {
  const broker = await openBroker(t)
  const operator = await broker.client()
  const states: Array<{ topic: string, metrics: string[] }> = []
  operator.on('message', (topic, payload) => { states.push({ topic, ...JSON.parse(String(payload)) }) })
  await operator.subscribeAsync('config_change/+/state', { qos: 1 })
  await operator.publishAsync('config_change/all', '{"interval": 90000, "metrics": ["memoryUsed"]}', { qos: 1, retain: true })
  const { node } = await load({ t, config: { url: broker.url, memory: true } })
  await called(node, 'status', withText(/status\.connected.*status\.commanded/))
  await until(() => states.length, length => length > 0)
  assert.deepEqual(states.map(({ metrics }) => metrics), [['memoryUsed']])
  await operator.publishAsync('config_change/all', '{"interval": 1}', { qos: 1, retain: true })
  assert.match(await called(node, 'warn', () => true), /\(COMMAND_INTERVAL_INVALID\)$/)
  await helper.unload()
  const deaf = await load({ t, config: { url: broker.url, memory: true, commands: false } })
  await called(deaf.node, 'status', withText(/status\.connected$/))
})

test('the uuid survives a deploy and is another one in another installation', async t => {
  const broker = await startBroker(t)
  const { userDir } = await load({ t, config: { url: broker.url } })
  await broker.arrived('agent/connected', 1)
  await helper.unload()
  // Another setting: another connection.
  await load({ t, userDir, config: { url: broker.url, interval: '61' } })
  await broker.arrived('agent/connected', 2)
  await helper.unload()
  await load({ t, config: { url: broker.url } })
  const uuids = (await broker.arrived('agent/connected', 3)).map(({ payload }) => payload.agent.uuid)
  assert.equal(uuids[0], uuids[1])
  assert.notEqual(uuids[1], uuids[2])
  assert.deepEqual(await readdir(join(userDir, 'platziverse', 'agents')), ['agent1.uuid'])
})

test('the next instance of a node finds its agent connected, shows it, and reports through it', async t => {
  const broker = await startBroker(t)
  const { userDir } = await load({ t, config: { url: broker.url } })
  await broker.arrived('agent/connected')
  await helper.unload()
  const { node, done } = await load({ t, userDir, config: { url: broker.url } })
  assert.equal((await called(node, 'status', () => true) as { fill: string }).fill, 'green')
  node.receive({ payload: { type: 'door', value: 'open' } })
  await once(done, 'input', { signal: AbortSignal.timeout(10_000) })
  assert.deepEqual(broker.arrivals.map(({ connection, topic }) => [connection, topic]), [[0, 'agent/connected'], [0, 'agent/message']])
})

test('an agent whose flows do not start again says agent/disconnected', async t => {
  const broker = await startBroker(t)
  await load({ t, config: { url: broker.url } })
  await broker.arrived('agent/connected')
  await helper.unload()
  await broker.arrived('agent/disconnected')
  assert.equal(broker.arrivals.at(-1)?.topic, 'agent/disconnected')
})

test('user and password log in', async t => {
  const broker = await startBroker(t, { authenticate: (_client, user, password, callback) => { callback(null, user === 'ana' && String(password) === 'secret') } })
  await load({ t, config: { url: broker.url }, credentials: { user: 'ana', password: 'secret' } })
  await broker.arrived('agent/connected')
})

test('the address is the one of the chosen broker, wherever it listens and whenever it starts', async t => {
  helper.settings({ userDir: await temporaryFolder(t) })
  const flow = [
    { id: 'agent1', type: 'platziverse-agent', broker: 'broker1', url: 'mqtt://127.0.0.1:1', wires: [[]] },
    { id: 'broker1', type: 'platziverse-broker', port: 0, wires: [['clients'], []] },
    { id: 'clients', type: 'helper' }
  ]
  await loadNodes([agentNode, brokerNode], flow)
  await called(helper.getNode('agent1'), 'status', withText(/status\.connected/))
})

test('a broker that does not answer is shown at once, and warned of once', async t => {
  const { node } = await load({ t })
  const { fill } = await called(node, 'status', withText(/^AGENT_UNREACHABLE/))
  assert.equal(fill, 'red')
  assert.match(await called(node, 'warn', () => true), /\(AGENT_UNREACHABLE\)$/)
})

test('a wrong option is shown, told, and answers every message', async t => {
  const { node, failed } = await load({ t, config: { url: 'nowhere' } })
  assert.equal((await called(node, 'status', withText(/^AGENT_OPTION_INVALID/))).fill, 'red')
  assert.match(await called(node, 'error', () => true), /^mqtt\.url.*\(AGENT_OPTION_INVALID\)$/)
  node.receive({ payload: { type: 'a', value: 1 } })
  const [message] = await once(failed, 'input', { signal: AbortSignal.timeout(10_000) })
  assert.match(message.error.message, /AGENT_OPTION_INVALID/)
})

test('an agent whose login was lost with the credentials connects to nothing, and says so', async t => {
  const { node } = await load({ t, config: { hasLogin: true } })
  await called(node, 'status', ({ fill }: { fill: string }) => fill === 'red')
  await called(node, 'error', (error: unknown) => String(error).endsWith('(CREDENTIALS_LOST)'))
})
