import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, afterEach, before, test, type TestContext } from 'node:test'
import type { NodeMessage } from 'node-red'
import helper from 'node-red-node-test-helper'
import { openBroker, type TestBroker } from '../helpers/broker.ts'
import { until } from '../helpers/events.ts'
import { loadNodes } from '../helpers/loaded-nodes.ts'
import { Peer } from '../helpers/peer.ts'

// Node-RED's own nodes `mqtt in` with protocol version 5, as clients of the broker. Each test names the report.

const require = createRequire(import.meta.url)
const mqttNodes: unknown = require('@node-red/nodes/core/network/10-mqtt.js')

helper.init(require.resolve('node-red'))
before(() => new Promise<void>(resolve => { helper.startServer(resolve) }))
after(() => new Promise<void>(resolve => { helper.stopServer(resolve) }))
afterEach(() => helper.unload())

type Received = NodeMessage & { topic: string, payload: unknown, qos: number }

interface Nodes { received (id: string): Received[] }

/** `mqtt in` nodes of one connection, whose output is received. @param inputs their properties, by id */
async function nodesOf ({ port, events }: TestBroker, inputs: Record<string, { topic: string, qos: string, rh?: number }>, connection: object = {}): Promise<Nodes> {
  const received = new Map<string, Received[]>()
  const ids = Object.keys(inputs)
  await loadNodes([mqttNodes], [
    { id: 'connection', type: 'mqtt-broker', broker: '127.0.0.1', port: `${port}`, clientid: 'node-red', protocolVersion: '5', cleansession: true, autoConnect: true, keepalive: '60', ...connection },
    ...ids.flatMap(id => [{ id, type: 'mqtt in', datatype: 'utf8', broker: 'connection', rh: 0, ...inputs[id], wires: [[`of ${id}`]] }, { id: `of ${id}`, type: 'helper' }])
  ])
  for (const id of ids) {
    const messages: Received[] = []
    received.set(id, messages)
    helper.getNode(`of ${id}`).on('input', message => { messages.push(message as Received) })
  }
  const filters = new Set(ids.map(id => inputs[id]!.topic)).size
  await until(() => events.filter(({ event }) => event === 'subscribed').length, count => count >= filters)
  return { received: id => received.get(id)! }
}

async function peerOf (t: TestContext, { port }: TestBroker, ...filters: string[]): Promise<Peer> {
  const peer = await Peer.open(port)
  t.after(() => { peer.cut() })
  await peer.connect('peer')
  for (const filter of filters) await peer.subscribe(filter)
  return peer
}

// https://github.com/node-red/node-red/issues/5962, https://github.com/node-red/node-red/issues/4264: nodes get what the others' filters bring, too. With several
// subscription ids in one message, none of them gets it.
test('nodes whose filters overlap get each message once, at their own QoS, live and retained', async t => {
  const broker = await openBroker(t)
  const peer = await peerOf(t, broker)
  await peer.publish('a/b', 'retained', { qos: 2, retain: true })
  const filters = { exact: { topic: 'a/b', qos: '1' }, wild: { topic: 'a/#', qos: '2' }, other: { topic: '+/b', qos: '0' } }
  const { received } = await nodesOf(broker, filters)
  for (const id of Object.keys(filters)) await until(() => received(id).length, count => count === 1)
  for (const qos of [0, 1, 2] as const) await peer.publish('a/b', `${qos}`, { qos })
  await peer.publish('a/b', 'last', { qos: 2 })
  for (const [id, { qos }] of Object.entries(filters)) {
    await until(() => received(id).length, count => count >= 5)
    const live = received(id).slice(1).map(message => [message.payload, message.qos])
    assert.deepEqual(live, [['0', 0], ['1', Math.min(1, Number(qos))], ['2', Number(qos)], ['last', Number(qos)]], id)
  }
})

// https://github.com/node-red/node-red/issues/3838: the session of a node that is cut off is kept as long as it says, and what waited comes to each node once.
// https://github.com/node-red/node-red/issues/3501: the properties of its last will.
test('a connection that keeps its session gets what waited, and its last will has its properties', async t => {
  const broker = await openBroker(t)
  const peer = await peerOf(t, broker, 'will')
  const { received } = await nodesOf(broker, { exact: { topic: 'a/b', qos: '1' }, wild: { topic: 'a/#', qos: '2' } }, {
    cleansession: false, sessionExpiry: '600', willTopic: 'will', willPayload: 'gone', willQos: '1', willMsg: { contentType: 'text/plain', userProps: '{"from":"node-red"}' }
  })
  broker.place.control.disconnect('node-red')
  const { payload, properties } = await peer.message()
  assert.deepEqual([String(payload), properties?.contentType, { ...properties?.userProperties }], ['gone', 'text/plain', { from: 'node-red' }])
  for (const each of ['1', '2', '3']) await peer.publish('a/b', each, { qos: 2 })
  for (const id of ['exact', 'wild']) {
    await until(() => received(id).length, count => count >= 3)
    assert.deepEqual(received(id).map(message => message.payload), ['1', '2', '3'], id)
  }
})
