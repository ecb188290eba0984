import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { connectAsync, type IPublishPacket, type MqttClient } from 'mqtt'
import { Bridge, type BridgeOptions, type BridgeStatistics, type LocalBroker } from '../../../lib/bridge/bridge.ts'
import type { BridgeTopic } from '../../../lib/bridge/topics.ts'
import { attachBroker } from '../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, openIntake, removeBroker, type TestBroker } from '../../helpers/broker.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { openMosquitto, withoutMosquitto } from '../../helpers/mosquitto.ts'

function row (direction: BridgeTopic['direction'], filter: string, rest: Partial<BridgeTopic> = {}): BridgeTopic {
  return { direction, filter, localPrefix: '', remotePrefix: '', qos: 1, ...rest }
}

let bridges = 0

type Side = { port: number }
type Options = Partial<BridgeOptions> & Pick<BridgeOptions, 'topics'>

async function openBridge (t: TestContext, { place }: Pick<TestBroker, 'place'>, { port }: Side, options: Options): Promise<Bridge> {
  const local: LocalBroker = {
    publish: (publication, origin) => place.publish(publication, origin),
    subscribe: (filter, subscriber) => place.subscribe(filter, subscriber),
    retained: (filters, signal) => place.retained(filters, signal)
  }
  const bridge = new Bridge(local, { id: `test-${process.pid}-${++bridges}`, url: `mqtt://127.0.0.1:${port}`, reconnect: { min: 20, max: 100 }, ...options })
  t.after(() => bridge.close(100))
  const connected = waitFor<{ state: string }>(bridge, 'state', ({ state }) => state === 'connected')
  bridge.open()
  await connected
  return bridge
}

async function connect (t: TestContext, { port }: Side): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

/** Publishes retained messages, `topic` to text. */
async function retain (t: TestContext, side: Side, messages: Record<string, string>, qos: 0 | 1 | 2 = 1): Promise<void> {
  const client = await connect(t, side)
  for (const [topic, text] of Object.entries(messages)) await client.publishAsync(topic, text, { qos, retain: true })
  await client.endAsync()
}

/** What a broker of ours, or Mosquitto, retains. */
async function retainedAt (t: TestContext, side: Side & Partial<TestBroker>): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  if (side.place !== undefined) {
    for await (const { topic, payload } of side.place.retained(['#'], t.signal)) found[topic] = payload.toString()
    return found
  }
  const client = await connect(t, side)
  let ended = false
  client.on('message', (topic, payload, packet: IPublishPacket) => {
    if (topic === 'end') ended = true
    else if (packet.retain) found[topic] = payload.toString()
  })
  await client.subscribeAsync('#', { qos: 1 })
  await client.publishAsync('end', '', { qos: 1 })
  await until(() => ended, ended => ended)
  await client.endAsync()
  return found
}

/** Hears everything at a broker; `texts` are "topic text", in their order. */
async function listen (t: TestContext, side: Side): Promise<{ texts: string[], qos: number[] }> {
  const client = await connect(t, side)
  const [texts, qos]: [string[], number[]] = [[], []]
  client.on('message', (topic, payload, packet: IPublishPacket) => {
    texts.push(`${topic} ${payload}`)
    qos.push(packet.qos)
  })
  await client.subscribeAsync('#', { qos: 2 })
  return { texts, qos }
}

async function counted (bridge: Bridge, check: (statistics: BridgeStatistics) => boolean): Promise<BridgeStatistics> {
  return await until(() => bridge.statistics(), check) as BridgeStatistics
}

test('what was retained here before the bridge is retained there, under its prefix and with the lower QoS', { skip: withoutMosquitto }, async t => {
  const [local, remote] = [await openBroker(t), await openMosquitto(t)]
  await retain(t, local, { 'plant/a': '1', 'plant/b/c': '2', other: '3' }, 2)
  await retain(t, local, { 'plant/a': 'new', 'plant/gone': '4' }, 0)
  await retain(t, local, { 'plant/gone': '' })
  const there = await listen(t, remote)
  const bridge = await openBridge(t, local, remote, { topics: [row('out', '#', { localPrefix: 'plant/', remotePrefix: 'cloud/7/' }), row('out', 'plant/b/#'), row('in', 'other')] })
  await counted(bridge, ({ sent }) => sent === 2)
  assert.deepEqual(await retainedAt(t, remote), { 'cloud/7/a': 'new', 'cloud/7/b/c': '2' })
  assert.deepEqual(there.texts.slice(0, 2).sort(), ['cloud/7/a new', 'cloud/7/b/c 2'], 'each once')
  assert.deepEqual(there.qos.slice(0, 2).sort(), [0, 1])
})

test('another broker that lost what it retained gets it again when it is back', { skip: withoutMosquitto }, async t => {
  const [local, remote] = [await openBroker(t), await openMosquitto(t)]
  await retain(t, local, { a: '1', b: '2' })
  const bridge = await openBridge(t, local, remote, { topics: [row('out', '#')] })
  await counted(bridge, ({ sent }) => sent === 2)
  await remote.stop()
  await retain(t, local, { b: 'new' })
  await remote.start()
  await counted(bridge, ({ reconnects, sent, buffered }) => reconnects === 1 && sent >= 4 && buffered === 0)
  assert.deepEqual(await retainedAt(t, remote), { a: '1', b: 'new' })
})

test('what both brokers retain of a topic that goes both ways is then the other one\'s, and nothing is sent back', { skip: withoutMosquitto }, async t => {
  const [local, remote] = [await openBroker(t), await openMosquitto(t)]
  await retain(t, local, { both: 'here', 'only/here': '1' })
  await retain(t, remote, { both: 'there', 'only/there': '2' })
  const there = await listen(t, remote)
  const bridge = await openBridge(t, local, remote, { topics: [row('both', '#')] })
  await counted(bridge, ({ sent, received }) => sent === 1 && received === 2)
  const expected = { both: 'there', 'only/here': '1', 'only/there': '2' }
  assert.deepEqual(await retainedAt(t, local), expected)
  assert.deepEqual(await retainedAt(t, remote), expected)
  assert.deepEqual(there.texts.filter(text => !text.startsWith('end')), ['both there', 'only/there 2', 'only/here 1'])
})

test('of a topic that goes both ways the older value does not undo what the other broker has for us', async t => {
  const [local, remote] = [await openBroker(t), await openBroker(t)]
  const bridge = await openBridge(t, local, remote, { clientId: 'bridge', topics: [row('both', 'both'), row('out', 'out')], reconnect: { min: 200, max: 200 } })
  await retain(t, local, { both: 'old', out: 'old' })
  await counted(bridge, ({ sent }) => sent === 2)
  remote.place.control.disconnect('bridge')
  await retain(t, remote, { both: 'new', out: 'lost' })
  assert.equal(bridge.statistics().connected, false)
  await counted(bridge, ({ reconnects, sent, received }) => reconnects === 1 && sent === 3 && received === 1)
  assert.deepEqual(await retainedAt(t, remote), { both: 'new', out: 'old' })
})

test('more than the buffer holds gets there, and what is published meanwhile is neither dropped nor undone', async t => {
  const [local, remote] = [await openBroker(t), await openBroker(t)]
  const names = Array.from({ length: 2000 }, (_, i) => `t/${i}`)
  for (const topic of names) await local.place.publish({ topic, payload: 'old', qos: 1, retain: true })
  const there = await listen(t, remote)
  const bridge = await openBridge(t, local, remote, { topics: [row('out', '#')], buffer: { messages: 100 } })
  const changed = names.filter((_, i) => i % 10 === 0).reverse()
  for (const topic of changed) {
    await local.place.publish({ topic, payload: 'new', qos: 1, retain: true })
    await new Promise(resolve => { setImmediate(resolve) })
  }
  await until(() => new Set(there.texts.map(text => text.split(' ')[0])).size, size => size === names.length)
  const { dropped } = await counted(bridge, ({ buffered }) => buffered === 0)
  assert.equal(dropped, 0)
  const retained = await retainedAt(t, remote)
  assert.deepEqual(names.filter(name => retained[name] === 'new').sort(), [...changed].sort())
  // Some were sent before they changed, some were only sent as changed.
  assert.ok(there.texts.length < names.length + changed.length, `${there.texts.length}`)
})

test('what a broker finds on its disk is sent, also when it opens after the bridge', async t => {
  const folder = await temporaryFolder(t)
  const [local, remote] = [await openBroker(t, { folder }), await openBroker(t)]
  await retain(t, local, { a: 'kept' })
  await removeBroker(local.id)
  const bridge = await openBridge(t, local, remote, { topics: [row('out', '#')] })
  await attachBroker(local.id, brokerOptions({ folder }))
  await counted(bridge, ({ sent }) => sent === 1)
  assert.deepEqual(await retainedAt(t, remote), { a: 'kept' })
})

test('brokers that bridge to each other do not send a retained message round for ever', async t => {
  const [one, other] = [await openBroker(t), await openBroker(t)]
  await retain(t, one, { a: 'round' })
  const there = await listen(t, other)
  const bridges = [await openBridge(t, other, one, { topics: [row('out', 'a')] }), await openBridge(t, one, other, { topics: [row('out', 'a')] })]
  await until(() => bridges.some(bridge => bridge.statistics().loops > 0), looped => looped)
  const moved = (): number => bridges.reduce((sum, bridge) => sum + bridge.statistics().sent, 0)
  let before = -1
  await until(async () => {
    before = moved()
    await new Promise(resolve => { setTimeout(resolve, 200) })
    return moved()
  }, after => after === before)
  assert.ok(there.texts.length < 200, `${there.texts.length}`)
})

test('what is retained on the three topics of agents is no news to another platform, however often the bridge connects; what agents say is', async t => {
  const [local, remote] = [await openBroker(t), await openBroker(t)]
  const { heard } = openIntake(t, remote.id, { acknowledge: 'arrival' })
  const said = (i: number): string => JSON.stringify({ agent: { uuid: 'a' }, metrics: [{ type: 't', value: i }] })
  await retain(t, local, { 'agent/connected': '{"agent":{"uuid":"gone"}}', 'agent/message': said(1), 'agent/gone/status': 'connected', plant: '1' })
  const bridge = await openBridge(t, local, remote, { clientId: 'bridge', topics: [row('out', 'plant', { remotePrefix: 'other/' }), row('out', '#')] })
  await counted(bridge, ({ sent }) => sent === 2)
  await retain(t, local, { 'agent/message': said(2) })
  await counted(bridge, ({ sent }) => sent === 3)
  remote.place.control.disconnect('bridge')
  await retain(t, local, { 'agent/message': said(3) })
  await counted(bridge, ({ reconnects, sent }) => reconnects === 1 && sent === 6)
  assert.deepEqual(await retainedAt(t, remote), { 'agent/gone/status': 'connected', 'other/plant': '1' })
  const messages = heard.filter(({ kind }) => kind === 'message').map(({ incoming }) => incoming?.payload as { metrics: Array<{ value: number }> })
  assert.deepEqual(messages.map(({ metrics }) => metrics[0]?.value), [2, 3])
  assert.ok(!heard.some(({ incoming }) => incoming?.payload.agent.uuid === 'gone'))
})
