import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import { connectAsync } from 'mqtt'
import { openBroker, type TestBroker } from '../helpers/broker.ts'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed, type DeployType, type NodeRed } from '../helpers/node-red.ts'
import { assertStoredOnce, Sender } from '../helpers/sender.ts'

type FlowNode = Record<string, unknown> & { id: string, type: string }

interface Monitoring {
  nodeRed: NodeRed
  /** All but the tab. */
  nodes: FlowNode[]
  senders: Sender[]
  /** The broker on the other side of the bridge. */
  remote: TestBroker
  isFree (): Promise<boolean>
  /** Resolved when many more messages were stored, and what is published here came to the other broker. */
  flowing (): Promise<void>
  url: string
  /** Ends the senders; fails unless each message that was acknowledged is stored once. */
  finish (): Promise<void>
  check (sender: Sender): Promise<void>
}

const bridgeId = 'b00000000000e001'

async function monitor (t: TestContext): Promise<Monitoring> {
  const [remote, port] = [await openBroker(t), await freePort()]
  const [tab, ...nodes] = await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }, ['platziverse-agent', 'debug', 'comment'])
  const { id: broker, z } = find(nodes, 'platziverse-broker')
  const topics = [{ direction: 'out', filter: 'x/#', qos: 1, localPrefix: '', remotePrefix: '' }]
  nodes.push({ id: bridgeId, type: 'platziverse-bridge', z, broker, url: remote.url, clientId: 'bridge', topics, keepalive: 60, buffer: 1000, wires: [[]] })
  const nodeRed = await startNodeRed({ flows: [tab, ...nodes] })
  t.after(() => nodeRed.stop())
  const url = `mqtt://127.0.0.1:${port}`
  const senders = Array.from({ length: 3 }, (_, i) => new Sender(`moved-${i}`, url))
  const runs = senders.map(sender => sender.run())
  t.after(() => { for (const sender of senders) sender.vanish() })
  const hearer = await remote.client()
  let last = ''
  hearer.on('message', (_topic, payload) => { last = String(payload) })
  await hearer.subscribeAsync('x/#', { qos: 1 })
  const check = async (sender: Sender): Promise<void> => {
    const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
    await assertStoredOnce(knex, sender).finally(() => knex.destroy())
  }
  let turn = 0
  const acknowledged = (): number => senders.reduce((sum, sender) => sum + sender.acknowledged.size, 0)
  return {
    nodeRed,
    nodes,
    senders,
    remote,
    isFree: () => new Promise<boolean>(resolve => {
      const server = createServer().once('error', () => { resolve(false) })
      server.listen(port, '127.0.0.1', () => server.close(() => { resolve(true) }))
    }),
    async flowing () {
      const before = acknowledged()
      await until(acknowledged, n => n >= before + 300, 20_000)
      const publisher = await connectAsync(url)
      const sent = String(++turn)
      await until(async () => {
        await publisher.publishAsync('x/1', sent, { qos: 1 })
        return last
      }, heard => heard === sent)
      await publisher.endAsync()
    },
    async finish () {
      await Promise.all(senders.map(sender => sender.stop()))
      await Promise.all(runs)
      for (const sender of senders) await check(sender)
    },
    check,
    url
  }
}

function find (nodes: FlowNode[], type: string): FlowNode {
  const node = nodes.find(node => node.type === type)
  assert.ok(node)
  return node
}

const lossesOf = ({ senders, remote }: Monitoring): number[] => [...senders.map(({ losses }) => losses), remote.events.filter(({ event, clientId }) => event === 'disconnected' && clientId === 'bridge').length]
const none = [0, 0, 0, 0]

test('nodes that move to another tab while their old one is deleted keep every connection, and lose no message', { timeout: 180_000 }, async t => {
  const monitoring = await monitor(t)
  const { nodeRed, nodes, flowing } = monitoring
  await flowing()
  for (const [i, deploy] of (['full', 'nodes', 'flows'] as DeployType[]).entries()) {
    const tab = `c00000000000e00${i}`
    for (const node of nodes) if (node['z'] !== undefined) node['z'] = tab
    await nodeRed.deploy([{ id: tab, type: 'tab', label: `Moved ${i}` }, ...nodes], deploy)
    await flowing()
    assert.deepEqual(lossesOf(monitoring), none, `moved in a deploy of ${deploy}`)
  }
  await monitoring.finish()
  await nodeRed.deploy([{ id: 'd00000000000e000', type: 'tab', label: 'Empty' }], 'nodes')
  await until(monitoring.isFree, free => free, 1000)
  await until(() => monitoring.remote.place.clients(), clients => clients.every(({ clientId }) => clientId !== 'bridge'), 2000)
})

test('what is renamed or started anew keeps its connections; what is disabled or deleted ends within a second, and goes on where it comes back', { timeout: 180_000 }, async t => {
  const monitoring = await monitor(t)
  const { nodeRed, nodes, flowing, isFree } = monitoring
  const tab: FlowNode = { id: find(nodes, 'agent-in')['z'] as string, type: 'tab', label: 'Monitor' }
  await flowing()
  for (const node of nodes) node['name'] = 'renamed'
  await nodeRed.deploy([tab, ...nodes], 'nodes')
  await flowing()
  await nodeRed.deploy([], 'reload')
  await flowing()
  assert.deepEqual(lossesOf(monitoring), none)

  await nodeRed.deploy([{ ...tab, disabled: true }, ...nodes], 'nodes')
  await until(isFree, free => free, 1000)
  await nodeRed.deploy([tab, ...nodes], 'nodes')
  await flowing()

  const deleteAndUndo = async (type: string): Promise<void> => {
    await nodeRed.deploy([tab, ...nodes.filter(node => node.type !== type)], 'nodes')
    // At once: what is deleted may still be closing.
    await nodeRed.deploy([tab, ...nodes], 'nodes')
  }
  for (const type of ['platziverse-broker', 'metric-store', 'platziverse-bridge']) {
    await deleteAndUndo(type)
    await flowing()
  }
  await monitoring.finish()
  // Without it the broker is a plain one, which acknowledges what nobody stores.
  await deleteAndUndo('agent-in')
  const late = new Sender('late', monitoring.url)
  t.after(() => { late.vanish() })
  void late.run()
  await until(() => late.acknowledged.size, n => n > 100)
  await late.stop()
  await monitoring.check(late)
  assert.doesNotMatch(nodeRed.log, /BROKER_LISTEN_FAILED|BROKER_FOLDER/)
})

test('flows that are stopped free the port after a while, and start again with it', { timeout: 120_000 }, async t => {
  const monitoring = await monitor(t)
  const { nodeRed, flowing, isFree } = monitoring
  await flowing()
  const set = async (state: 'start' | 'stop'): Promise<void> => { await nodeRed.api('flows/state', { body: { state } }) }
  await set('stop')
  await set('start')
  await flowing()
  assert.deepEqual(lossesOf(monitoring), none)
  await set('stop')
  await until(isFree, free => free, 8_000)
  await set('start')
  await flowing()
  await monitoring.finish()
})
