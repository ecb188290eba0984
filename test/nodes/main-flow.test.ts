import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import { connectAsync } from 'mqtt'
import helper from 'node-red-node-test-helper'
import { Agent } from '../../lib/agent/agent.ts'
import type { Delivered } from '../../lib/broker/publication.ts'
import { fingerprint } from '../../lib/messages/fingerprint.ts'
import { dropAgentStates } from '../../lib/registry/agent-states.ts'
import { agentForgotten } from '../../lib/registry/forgotten-agents.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import type { DatabaseNode } from '../../nodes/platziverse-database/platziverse-database.ts'
import { openBroker, removeBroker } from '../helpers/broker.ts'
import { closing, once, until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { reading } from '../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'

const load = useNodeRed()

/** The main flow with helper nodes at its ends. */
async function mainFlow (t: TestContext, changes: Record<string, object> = {}) {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const flow = [
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', type: 'platziverse-broker', port: 0, wires: [['clients'], ['statistics']] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', wires: [['store'], ['store'], ['store'], ['rejected']] },
    { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['out', 'stored']] },
    { id: 'out', z: 'tab', type: 'agent-out', broker: 'broker' },
    { id: 'errors', z: 'tab', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    ...['clients', 'statistics', 'rejected', 'stored', 'caught'].map(id => ({ id, z: 'tab', type: 'helper' }))
  ].map(node => ({ ...node, ...'z' in node ? { x: 1, y: 1 } : {}, ...changes[node.id] }))
  return { filename, flow: await load(flow) }
}

async function connect (t: TestContext, url: string) {
  const client = await connectAsync(url, { reconnectPeriod: 0, clientId: 'tester' })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

test('Prometheus is served what agents measured, where the database is told so, and to nobody else', async t => {
  const { flow } = await mainFlow(t, { database: { prometheus: '10', name: 'metrics' } })
  const sender = await connect(t, await flow.url('broker'))
  await sender.publishAsync('agent/message', reading('a1', { metrics: [{ type: 'temperature', value: 21.5 }] }), { qos: 1 })
  const { status, text } = await helper.request().get('/platziverse/metrics')
  assert.equal(status, 200)
  assert.match(text, /^platziverse_metric_value\{database="metrics",agent="a1",type="temperature"\} 21\.5$/m)
  assert.doesNotMatch(text, /platziverse_broker/)
  await helper.unload()
  await mainFlow(t)
  assert.equal((await helper.request().get('/platziverse/metrics')).status, 404)
})

test('a reading is stored, acknowledged and sent to subscribers', async t => {
  const { flow, filename } = await mainFlow(t)
  const url = await flow.url('broker')
  const subscriber = await connectAsync(url)
  t.after(() => { subscriber.end(true) })
  const heard: string[] = []
  subscriber.on('message', (topic, payload) => { heard.push(`${topic} ${payload.toString()}`) })
  await subscriber.subscribeAsync('#', { qos: 1 })
  const sender = await connect(t, url)
  const payload = reading('a1')
  await sender.publishAsync('agent/message', payload, { qos: 1 })
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  assert.equal((await knex('metrics')).length, 3)

  const message = await until(() => flow.received('stored')[0], message => message !== undefined)
  assert.deepEqual([message?.topic, message?.payload, message?.stored], ['agent/message', JSON.parse(payload), { agentId: 1, metrics: 3, duplicates: 0 }])
  const { id, receivedAt, ...delivery } = message?.delivery as Record<string, unknown>
  assert.deepEqual([typeof id, typeof receivedAt, delivery], ['string', 'number', { clientId: 'tester', username: undefined, qos: 1, retain: false, fingerprint: fingerprint(payload) }])
  assert.deepEqual(structuredClone(message?.delivery), message?.delivery, 'plain data')
  await until(() => heard, heard => heard.length === 1)
  assert.deepEqual(JSON.parse(heard[0]?.slice('agent/message '.length) ?? ''), JSON.parse(payload))

  sender.end(true)
  await until(() => heard, heard => heard.length === 2)
  assert.equal(heard[1], 'agent/disconnected {"agent":{"uuid":"a1"}}')
  assert.deepEqual(flow.received('clients').map(({ topic }) => topic), ['client/connected', 'client/subscribed', 'client/connected', 'client/disconnected'])
  assert.deepEqual(flow.log().filter(line => /[A-Z]{3,}_[A-Z]/.test(line)), [])
})

test('a database that gathers answers who waits once their messages are stored together, and passes them on then', async t => {
  const { flow, filename } = await mainFlow(t, { database: { gather: '1000' } })
  const sender = await connect(t, await flow.url('broker'))
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  await sender.publishAsync('agent/connected', '{"agent":{"uuid":"a1"}}', { qos: 1 })
  let answered = 0
  const publish = async (payload: string, qos: 1 | 2) => {
    await sender.publishAsync('agent/message', payload, { qos })
    answered++
  }
  const published = [publish(reading('a1'), 1), publish(reading('a2'), 2), publish(reading('a1'), 1)]
  await until(() => flow.node<DatabaseNode>('database').store.statistics().queued, queued => queued === 3)
  assert.deepEqual([answered, (await knex('metrics')).length, flow.received('stored').length], [0, 0, 1])
  await Promise.any(published)
  assert.equal((await knex('metrics')).length, 9)
  await Promise.all(published)
  await until(() => flow.received('stored').length, n => n === 4)
})

test('a sender that gives up sooner than messages are gathered, and sends again, is answered and stored once; a keepalive that is shorter changes nothing', async t => {
  const { flow, filename } = await mainFlow(t, { database: { gather: '2500' } })
  const url = await flow.url('broker')
  const patient = await connectAsync(url, { keepalive: 1, reconnectPeriod: 0 })
  t.after(() => patient.end(true))
  let ended = 0
  patient.on('close', () => { ended++ })
  await patient.publishAsync('agent/connected', '{"agent":{"uuid":"patient"}}', { qos: 1 })
  const published = patient.publishAsync('agent/message', reading('patient'), { qos: 1 })
  const payload = JSON.stringify({ agent: { uuid: 'hasty' }, metrics: [{ type: 'door', value: 1 }], timestamp: Date.now(), seq: 7 })
  let tries = 0
  for (let isAnswered = false; !isAnswered && tries < 20; tries++) {
    const hasty = await connectAsync(url, { clientId: 'hasty', clean: false, reconnectPeriod: 0 })
    t.after(() => hasty.end(true))
    const late = new Promise<boolean>(resolve => { setTimeout(resolve, 700, false) })
    isAnswered = await Promise.race([hasty.publishAsync('agent/message', payload, { qos: 1 }).then(() => true, () => false), late])
    await hasty.endAsync(true)
  }
  await published
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  assert.ok(tries > 1 && tries < 20, `${tries} tries`)
  assert.deepEqual([ended, (await knex('metrics')).length], [0, 4])
  // Otherwise the next flow would be told.
  await until(() => flow.received('stored'), stored => stored.some(({ topic }) => topic === 'agent/disconnected'))
})

test('an agent that ends while its goodbye waits for others is gone once', async t => {
  const { flow, filename } = await mainFlow(t, { database: { gather: '1500' } })
  const agent = new Agent({ uuid: 'a1', interval: 3_600_000, mqtt: { url: await flow.url('broker') } })
  await agent.connect()
  await agent.report([{ type: 'door', value: 1 }])
  await agent.disconnect(200)
  const gone = () => flow.received('stored').filter(({ topic, payload }) => topic === 'agent/disconnected' && (payload as { agent: { uuid: string } }).agent.uuid === 'a1')
  await until(gone, messages => messages.length > 0)
  await until(() => flow.node<DatabaseNode>('database').store.statistics().queued, queued => queued === 0)
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  assert.deepEqual([await knex('agents').select('uuid', 'connected'), gone().length], [[{ uuid: 'a1', connected: 0 }], 1])
  assert.deepEqual(flow.log().filter(line => /[A-Z]{3,}_[A-Z]/.test(line)), [])
})

test('what breaks the contract leaves by the fourth output, with its bytes and the reason', async t => {
  const { flow } = await mainFlow(t)
  const sender = await connect(t, await flow.url('broker'))
  await sender.publishAsync('agent/message', '{"agent":{}}', { qos: 1 })
  const message = await until(() => flow.received('rejected')[0], message => message !== undefined)
  const { topic, payload, reason, detail } = message?.payload as Record<string, string>
  assert.deepEqual([topic, payload, reason], ['agent/message', '{"agent":{}}', 'FIELD_INVALID'])
  assert.match(detail ?? '', /metrics/)
})

test('statistics come at the interval that was asked for', async t => {
  const { flow } = await mainFlow(t, { broker: { statistics: 1 } })
  const message = await until(() => flow.received('statistics')[0], message => message !== undefined)
  const statistics = message?.payload as Record<string, number>
  for (const name of ['clients', 'received', 'delivered', 'dropped', 'agents', 'rejected', 'unsettled', 'waiting', 'timedOut']) assert.equal(typeof statistics[name], 'number', name)
})

test('times longer than a timer can wait are no times of zero', async t => {
  const { flow } = await mainFlow(t, { broker: { statistics: 3_000_000 }, store: { grace: 3_000_000 } })
  const sender = await connect(t, await flow.url('broker'))
  await sender.publishAsync('agent/message', reading(), { qos: 1 })
  await sender.publishAsync('other', '', { qos: 1 })
  assert.deepEqual(flow.received('statistics'), [])
  assert.ok(!flow.received('stored').some(({ topic }) => topic === 'agent/disconnected'))
})

test('on arrival: acknowledged at once, also without a metric-store', async t => {
  const { flow } = await mainFlow(t, { in: { acknowledge: 'arrival', wires: [[], [], ['stored'], []] } })
  await (await connect(t, await flow.url('broker'))).publishAsync('agent/message', reading(), { qos: 1 })
  await until(() => flow.received('stored').length, n => n === 1)
})

test('a flow without a metric-store is told so after the time limit, and nothing is acknowledged', async t => {
  const { flow } = await mainFlow(t, { in: { timeLimit: 1, wires: [[], [], [], []] } })
  const sender = await connect(t, await flow.url('broker'))
  let acknowledged = false
  sender.publish('agent/message', reading(), { qos: 1 }, error => { acknowledged = !error })
  await closing(sender)
  const message = await until(() => flow.received('caught')[0], message => message !== undefined)
  assert.match((message?.error as { message: string }).message, /DELIVERY_UNSETTLED: .*metric-store/)
  assert.equal(acknowledged, false)
})

test('a taken port: red status, one error, and it opens once the port is free', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { flow } = await mainFlow(t, { broker: { port: (other.address() as AddressInfo).port } })
  await until(() => flow.status('broker'), status => status?.fill === 'red' && status.text === 'BROKER_PORT_TAKEN')
  other.close()
  await flow.url('broker')
  await until(() => flow.status('broker'), status => status?.fill === 'green')
  assert.equal(flow.log().filter(line => line.endsWith('(BROKER_PORT_TAKEN)')).length, 1)
})

test('nodes without a broker or a database say so, and their messages end as errors', async t => {
  const { flow } = await mainFlow(t, { in: { broker: '' }, store: { database: 'nowhere', wires: [[]] }, out: { broker: '' } })
  await until(() => flow.status('out'), status => status?.text === 'BROKER_MISSING')
  assert.deepEqual([flow.status('in')?.text, flow.status('store')?.text], ['BROKER_MISSING', 'DATABASE_MISSING'])
  flow.receive('store', { topic: 'agent/message', payload: JSON.parse(reading()) })
  flow.receive('out', { topic: 'a', payload: 'b' })
  const caught = await until(() => flow.received('caught'), messages => messages.length === 2)
  assert.deepEqual(caught.map(({ error }) => (error as { message: string }).message.split(':')[0]).sort(), ['BROKER_MISSING', 'DATABASE_MISSING'])
})

test('nodes whose broker was deleted say so', async t => {
  const { flow } = await mainFlow(t, { in: { broker: 'nowhere' }, out: { broker: 'nowhere' } })
  await until(() => [flow.status('in')?.text, flow.status('out')?.text], ([intake, out]) => intake === 'BROKER_MISSING' && out === 'BROKER_MISSING')
})

test('agent-out refuses a topic with a wildcard, and a broker that is not there', async t => {
  const { flow } = await mainFlow(t, { out: { retain: true } })
  await flow.url('broker')
  flow.receive('out', { topic: 'a/#', payload: 'b' })
  const [message] = await until(() => flow.received('caught'), messages => messages.length === 1)
  assert.match((message?.error as { message: string }).message, /PUBLISH_TOPIC_INVALID: The topic a\/# has a wildcard/)
})

test('agent-out publishes by its template, with its QoS and as retained', async t => {
  const { flow } = await mainFlow(t, { out: { topic: 'm/{uuid}/{type}', qos: '2', retain: true } })
  const url = await flow.url('broker')
  await (await connect(t, url)).publishAsync('agent/message', reading('a1'), { qos: 1 })
  const subscriber = await connectAsync(url)
  t.after(() => { subscriber.end(true) })
  const packets: Array<{ topic: string, qos: number, retain: boolean }> = []
  subscriber.on('message', (topic, _payload, { qos, retain }) => { packets.push({ topic, qos, retain }) })
  await subscriber.subscribeAsync('m/#', { qos: 2 })
  await until(() => packets.length, n => n === 3)
  assert.deepEqual(packets.map(({ topic }) => topic).sort(), ['m/a1/cpu', 'm/a1/on', 'm/a1/state'])
  assert.ok(packets.every(({ qos, retain }) => qos === 2 && retain))
})

const publishing = {
  contentType: 'text/plain', expiry: '60', responseTopic: 'answers/{uuid}', userProperties: [{ name: 'plant', value: 'north' }, { name: 'plant', value: '' }]
}
const said = { contentType: 'text/plain', responseTopic: 'answers/{uuid}', userProperties: [['plant', 'north'], ['plant', '']] }

for (const { what, out, payload, expected } of [
  { what: 'JSON is JSON unless the node says otherwise', out: {}, payload: { a: 1 }, expected: { contentType: 'application/json', isText: true } },
  { what: 'of a text nothing is said', out: {}, payload: 'open', expected: undefined },
  { what: 'of bytes nothing is said', out: {}, payload: Buffer.of(0xff), expected: undefined },
  { what: 'JSON goes out with what the node says', out: publishing, payload: { a: 1 }, expected: { ...said, isText: true, messageExpiry: 60 } },
  { what: 'a text goes out with what the node says', out: publishing, payload: 'open', expected: { ...said, messageExpiry: 60 } }
]) {
  test(`agent-out publishes with properties of MQTT 5: ${what}`, async t => {
    const { flow } = await mainFlow(t, { out: { topic: 'm', retain: true, ...out } })
    await flow.url('broker')
    const heard: Delivered[] = []
    t.after(findBroker('broker').subscribe('m', message => { heard.push(message) }))
    flow.receive('out', { payload })
    await until(() => heard.length, n => n === 1)
    assert.deepEqual(heard[0]?.properties, expected)
    assert.deepEqual(flow.received('caught'), [])
  })
}

for (const [property, value] of Object.entries({ responseTopic: 'a/#', contentType: 'a\0b', userProperties: [{ name: 'a', value: '\ud800' }] })) {
  test(`agent-out refuses what MQTT cannot carry as ${property}`, async t => {
    const { flow } = await mainFlow(t, { out: { topic: 'm', [property]: value } })
    assert.equal(flow.status('out')?.text, 'NODE_PROPERTY_INVALID')
    flow.receive('out', { payload: 'x' })
    const [message] = await until(() => flow.received('caught'), messages => messages.length > 0)
    assert.match((message?.error as { message: string }).message, new RegExp(`NODE_PROPERTY_INVALID: The property "${property}"`))
  })
}

for (const { what, out, expected } of [
  { what: 'for topics that come again', out: {}, expected: [['plant/a1', 1], ['', 1], ['', 1]] },
  { what: 'not at all', out: { topicAlias: false }, expected: [['plant/a1', undefined], ['plant/a1', undefined], ['plant/a1', undefined]] }
]) {
  test(`agent-out lets the broker use topic aliases ${what}`, async t => {
    t.after(() => { dropAgentStates('out') })
    const { flow } = await mainFlow(t, { out: { topic: 'plant/{uuid}', agentState: true, ...out } })
    const url = await flow.url('broker')
    const subscriber = await connectAsync(url, { protocolVersion: 5, properties: { topicAliasMaximum: 3 } })
    t.after(() => { subscriber.end(true) })
    const packets: Array<[topic: string, alias: number | undefined]> = []
    const topics: string[] = []
    subscriber.on('packetreceive', packet => { if (packet.cmd === 'publish') packets.push([packet.topic, packet.properties?.topicAlias]) })
    subscriber.on('message', topic => { topics.push(topic) })
    await subscriber.subscribeAsync('#', { qos: 1 })
    const sender = await connect(t, url)
    for (const _ of [1, 2, 3]) await sender.publishAsync('agent/message', reading('a1'), { qos: 1 })
    await until(() => topics.length, length => length === 4)
    const isState = ([topic]: [string, unknown]): boolean => topic === 'agent/a1/status'
    assert.deepEqual(packets.filter(packet => !isState(packet)), expected)
    assert.deepEqual(packets.filter(isState), [['agent/a1/status', undefined]], 'a state changes seldom')
    assert.deepEqual(topics.sort(), ['agent/a1/status', 'plant/a1', 'plant/a1', 'plant/a1'])
  })
}

test('agent-out publishes values alone, and keeps the state of each agent for subscribers that come later', async t => {
  const { flow } = await mainFlow(t, { out: { payload: 'value', retain: true, agentState: true } })
  const url = await flow.url('broker')
  const sender = await connect(t, url)
  await sender.publishAsync('agent/message', reading('a1', { metrics: [{ type: 't', value: 21.5 }, { type: 'door', value: 'open' }] }), { qos: 1 })
  await sender.publishAsync('agent/connected', '{"agent":{"uuid":"a2"}}', { qos: 1 })
  await until(() => flow.received('stored').length, n => n === 2)
  const retained = async () => {
    const later = await connectAsync(url)
    const heard: Record<string, string> = {}
    later.on('message', (topic, payload) => { heard[topic] = payload.toString() })
    await later.subscribeAsync('agent/#', { qos: 1 })
    await later.subscribeAsync('end', { qos: 1 })
    await later.publishAsync('end', 'end', { qos: 1 })
    await until(() => heard['end'], text => text === 'end')
    await later.endAsync()
    delete heard['end']
    return heard
  }
  assert.deepEqual(await retained(), { 'agent/a1/t': '21.5', 'agent/a1/door': 'open', 'agent/a1/status': 'connected', 'agent/a2/status': 'connected' })
  await sender.publishAsync('agent/disconnected', '{"agent":{"uuid":"a2"}}', { qos: 1 })
  await until(() => flow.received('stored').length, n => n === 3)
  assert.equal((await retained())['agent/a2/status'], 'disconnected')
  agentForgotten('a2')
  await until(retained, heard => !('agent/a2/status' in heard))
})

test('agent-out counts the states that the disk kept, and clears those of agents that are forgotten', async t => {
  const folder = await temporaryFolder(t)
  const before = await openBroker(t, { folder })
  const states = Array.from({ length: 5_000 }, (_, i) => ({ topic: `agent/a${i}/status`, payload: 'connected', qos: 1, retain: true }) as const)
  await Promise.all(states.map(state => before.place.publish(state)))
  await removeBroker(before.id)
  dropAgentStates('out')
  const { flow } = await mainFlow(t, { broker: { persistence: 'disk', folder }, out: { agentState: true } })
  const sender = await connect(t, await flow.url('broker'))
  const retained = async () => {
    const topics = new Set<string>()
    for await (const { topic } of findBroker('broker').retained(['agent/+/status'], t.signal)) topics.add(topic)
    return topics
  }
  await sender.publishAsync('agent/message', reading('new'), { qos: 1 })
  const now = await until(retained, topics => topics.has('agent/new/status') && topics.size === 5_000)
  const old = [...now].find(topic => topic !== 'agent/new/status')!.split('/')[1]!
  agentForgotten(old)
  await until(retained, topics => topics.size === 4_999 && !topics.has(`agent/${old}/status`))
})

// https://github.com/TheAgentK/tuya-mqtt/issues/48 and https://github.com/ioBroker/ioBroker.mqtt/issues/182: real names of devices, which in a topic had
// brokers hang up again and again.
test('an agent whose uuid is no level of a topic has no retained state, on which a Mosquitto that bridges from here would hang up', { skip: withoutMosquitto }, async t => {
  const { flow } = await mainFlow(t, { out: { agentState: true } })
  const url = await flow.url('broker')
  const { port } = await openMosquitto(t, `allow_anonymous true\nconnection ours\naddress ${new URL(url).host}\ntopic # in 1`)
  await until(() => flow.received('clients'), events => events.some(({ topic }) => topic === 'client/subscribed'))
  const there = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  t.after(() => { there.end(true) })
  const heard: string[] = []
  there.on('message', topic => { if (topic.endsWith('/status')) heard.push(topic) })
  await there.subscribeAsync('#', { qos: 1 })
  const sender = await connect(t, url)
  for (const uuid of ['T2 candle 5W RGB+CW', 'SHSW-1#11490B#1', 'kitchen/lamp', 'lamp-7']) await sender.publishAsync('agent/message', reading(uuid), { qos: 1 })
  await until(() => heard, topics => topics.length > 0)
  assert.deepEqual(heard, ['agent/lamp-7/status'])
  agentForgotten('SHSW-1#11490B#1')
  assert.deepEqual(flow.received('caught'), [])
})

test('metric-store stores what any other node sends, and refuses what breaks the contract', async t => {
  const { flow } = await mainFlow(t)
  flow.receive('store', { topic: 'agent/message', payload: reading('b') })
  flow.receive('store', { topic: 'agent/message', payload: { agent: { uuid: 'b' } } })
  flow.receive('store', { topic: 'other', payload: 1 })
  const message = await until(() => flow.received('stored')[0], message => message !== undefined)
  assert.deepEqual(message?.stored, { agentId: 1, metrics: 3, duplicates: 0 })
  const caught = await until(() => flow.received('caught'), messages => messages.length === 2)
  assert.deepEqual(caught.map(({ error }) => /[A-Z]+_[A-Z]+/.exec((error as { message: string }).message)?.[0]), ['FIELD_INVALID', 'TOPIC_UNKNOWN'])
})

test('a message that the flow broke on its way is not acknowledged', async t => {
  const { flow } = await mainFlow(t, { in: { wires: [['store'], ['store'], ['break'], []] }, rejected: { id: 'break', type: 'change', rules: [{ t: 'delete', p: 'payload.metrics', pt: 'msg' }], wires: [['store']] } })
  const sender = await connect(t, await flow.url('broker'))
  sender.publish('agent/message', reading(), { qos: 1 }, () => undefined)
  await closing(sender)
  const [message] = await until(() => flow.received('caught'), messages => messages.length >= 1)
  assert.match((message?.error as { message: string }).message, /FIELD_INVALID/)
})

test('a database that cannot be opened: red status, one error, nothing acknowledged, and no end to Node-RED', async t => {
  const folder = join(await temporaryFolder(t), 'missing')
  const { flow } = await mainFlow(t, { database: { filename: join(folder, 'a.sqlite') } })
  const sender = await connect(t, await flow.url('broker'))
  let acknowledged = false
  sender.publish('agent/message', reading(), { qos: 1 }, error => { acknowledged = !error })
  const status = await until(() => flow.status('store'), status => status?.fill === 'red' && /waiting/.test(status.text ?? '') && !/ 0 /.test(status.text ?? ''))
  assert.equal(status?.shape, 'ring')
  assert.equal(acknowledged, false)
  assert.equal(flow.log().filter(line => line.endsWith('(STORE_CANNOT_OPEN)')).length, 1)
  await import('node:fs/promises').then(fs => fs.mkdir(folder))
  await until(() => acknowledged, Boolean)
  await until(() => flow.status('store'), status => status?.fill === 'green')
})

test('the status tells of metrics that were deleted', async t => {
  const day = 24 * 3_600_000
  const { flow } = await mainFlow(t, { database: { rawDays: '1', hourDays: '0', dayDays: '0' } })
  flow.receive('store', { topic: 'agent/message', payload: JSON.parse(reading('a', { timestamp: Date.now() - 3 * day })) })
  await until(() => flow.received('stored'), messages => messages.length === 1)
  const { retention } = flow.node<DatabaseNode>('database')
  assert.ok(retention)
  await retention.runOnce(Date.now())
  await until(() => flow.status('store'), status => /deleted/.test(status?.text ?? ''))
  assert.equal(retention.statistics().deleted.metrics, 3)
})
