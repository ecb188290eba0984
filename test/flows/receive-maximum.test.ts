import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed, type NodeRed } from '../helpers/node-red.ts'
import { reading } from '../helpers/messages.ts'
import { Peer } from '../helpers/peer.ts'

type FlowNode = Record<string, unknown> & { id: string, type: string }

interface Running { nodeRed: NodeRed, tab: FlowNode, nodes: FlowNode[], port: number }

/** The main flow, of which agent-in lets each client have so many messages unstored. */
async function run (t: TestContext, clientWindow: number): Promise<Running> {
  const port = await freePort()
  const [tab, ...nodes] = await exampleFlow('Monitor agents', { 'platziverse-broker': { port }, 'agent-in': { clientWindow } }, ['platziverse-agent', 'debug', 'comment'])
  const nodeRed = await startNodeRed({ flows: [tab, ...nodes] })
  t.after(() => nodeRed.stop())
  return { nodeRed, tab: tab as FlowNode, nodes, port }
}

async function enter (t: TestContext, port: number, clientId: string): Promise<Peer> {
  const peer = await Peer.open(port)
  t.after(() => { peer.cut() })
  await peer.connect(clientId)
  return peer
}

/** Publish so many at once. @returns the code of each PUBACK */
async function burst (peer: Peer, count: number, agent: string): Promise<number[]> {
  for (let i = 1; i <= count; i++) {
    peer.send({ cmd: 'publish', topic: 'agent/message', payload: reading(agent), qos: 1, messageId: i, retain: false, dup: false })
  }
  const codes = []
  for (let i = 1; i <= count; i++) codes.push((await peer.next('puback', i)).reasonCode ?? 0)
  return codes
}

test('CONNACK allows as many messages as agent-in lets one client have unstored, from each deploy on; who is connected keeps what it was told', async t => {
  const { nodeRed, tab, nodes, port } = await run(t, 7)
  const deploy = (nodes: FlowNode[]): Promise<void> => nodeRed.deploy([tab, ...nodes], 'nodes')
  const changed = (change: object): FlowNode[] => nodes.map(node => node.type === 'agent-in' ? { ...node, ...change } : node)
  const first = await enter(t, port, 'first')
  assert.equal(first.connack.properties?.receiveMaximum, 7)

  await deploy(changed({ clientWindow: 3 }))
  const second = await enter(t, port, 'second')
  assert.equal(second.connack.properties?.receiveMaximum, 3)
  assert.deepEqual(await burst(first, 7, 'first'), Array(7).fill(0), 'as many as it was told')
  assert.deepEqual(await burst(second, 3, 'second'), Array(3).fill(0))

  // Of several the smallest, because a message goes to all of them.
  await deploy([...changed({ clientWindow: '20' }), { ...nodes.find(({ type }) => type === 'agent-in')!, id: 'b00000000000e002', clientWindow: 12, wires: [[], [], [], []] }])
  assert.equal((await enter(t, port, 'third')).connack.properties?.receiveMaximum, 12)

  await deploy(nodes.filter(({ type }) => type !== 'agent-in'))
  assert.equal((await enter(t, port, 'fourth')).connack.properties?.receiveMaximum, 1_000, 'no agent-in')
  assert.equal(first.closed || second.closed, false)
})

test('the limit receiveMaximum of the broker goes before it', async t => {
  const { nodeRed, tab, nodes, port } = await run(t, 7)
  await nodeRed.deploy([tab, ...nodes.map(node => node.type === 'platziverse-broker' ? { ...node, limits: { receiveMaximum: 5 } } : node)], 'nodes')
  assert.equal((await enter(t, port, 'client')).connack.properties?.receiveMaximum, 5)
})
