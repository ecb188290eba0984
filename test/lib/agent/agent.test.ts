import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectAsync } from 'mqtt'
import { Agent } from '../../../lib/agent/agent.ts'
import { makeAgent, next, problem, startBroker } from '../../helpers/agent-broker.ts'
import { openBroker } from '../../helpers/broker.ts'
import { until } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

test('a uuid is made once and kept', async t => {
  const uuidFile = join(await temporaryFolder(t), 'new', 'agent.uuid')
  const first = new Agent({ uuidFile })
  assert.match(first.uuid, /^[0-9a-f-]{36}$/)
  assert.equal(new Agent({ uuidFile }).uuid, first.uuid)
})

test('agent/connected comes first, on every connection', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, name: 'Roof', username: 'ana', interval: 20 })
  agent.addMetric('a', () => 1)
  await agent.connect()
  await broker.arrived('agent/message')
  broker.cut()
  await broker.arrived('agent/connected', 2)
  const moments = []
  for (const connection of [0, 1]) {
    const [first] = broker.arrivals.filter(arrival => arrival.connection === connection)
    assert.equal(first?.topic, 'agent/connected')
    const { timestamp, ...payload } = first.payload as { timestamp: number }
    assert.deepEqual(payload, { agent: agent.identity, seq: 0 })
    moments.push(timestamp)
  }
  assert.ok(Number(moments[0]) < Number(moments[1]), 'the second connection is newer')
  assert.deepEqual(agent.identity, { uuid: agent.uuid, username: 'ana', name: 'Roof', hostname: hostname(), pid: process.pid })
})

test('metrics may be sync, async or callback style, and null is nothing to report', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  agent
    .addMetric('sync', () => 1.5)
    .addMetric('async', async () => 'two')
    .addMetric('callback', callback => { setImmediate(callback, null, true) })
    .addMetric('nothing', () => null)
    .addMetric('removed', () => 1)
  assert.equal(agent.removeMetric('removed'), true)
  assert.equal(agent.removeMetric('removed'), false)
  const before = Date.now()
  agent.connect()
  const [message] = await broker.arrived('agent/message')
  assert.deepEqual(message?.payload.metrics, [{ type: 'sync', value: 1.5 }, { type: 'async', value: 'two' }, { type: 'callback', value: true }])
  assert.ok(message.payload.timestamp! >= before && message.payload.timestamp! <= Date.now())
  assert.ok(Number.isSafeInteger(message.payload.seq))
})

test('a metric that fails, is late or breaks the contract is told, and the others are sent', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, metricTimeout: 20 })
  const problems: string[] = []
  agent.on('problem', error => problems.push(error.detail))
  agent
    .addMetric('throws', () => { throw new Error('broken sensor') })
    .addMetric('rejects', async () => { throw new Error('no answer') })
    .addMetric('calls back', callback => callback(new Error('bus error')))
    .addMetric('rejects beside its callback', async (_callback: unknown) => { throw new Error('gone') })
    .addMetric('late', () => new Promise<number>(() => {}))
    .addMetric('nan', () => Number.NaN)
    .addMetric('long', () => 'x'.repeat(1025))
    .addMetric('good', () => 1)
  agent.connect()
  const [message] = await broker.arrived('agent/message')
  assert.deepEqual(message?.payload.metrics, [{ type: 'good', value: 1 }])
  assert.deepEqual(problems.toSorted(), [
    'The metric "calls back" was not reported: bus error.',
    'The metric "late" was not reported: it did not answer within 20 ms.',
    'The metric "long" was not reported: value must be a finite number, a boolean, or a string of at most 1 KiB.',
    'The metric "nan" was not reported: value must be a finite number, a boolean, or a string of at most 1 KiB.',
    'The metric "rejects beside its callback" was not reported: gone.',
    'The metric "rejects" was not reported: no answer.',
    'The metric "throws" was not reported: broken sensor.'
  ])
  assert.throws(() => agent.addMetric('none', 5 as never), { code: 'AGENT_METRIC_FAILED' })
})

test('a metric that never answers is called once, not in every round', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, metricTimeout: 5, interval: 10 })
  let calls = 0
  agent.addMetric('stuck', () => { calls++; return new Promise<number>(() => {}) }).addMetric('good', () => 1)
  agent.connect()
  await broker.arrived('agent/message', 3)
  assert.equal(calls, 1)
})

test('a slow round is not overlapped by the next', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, interval: 5 })
  let running = 0
  let most = 0
  agent.addMetric('slow', async () => {
    most = Math.max(most, ++running)
    await new Promise(resolve => setTimeout(resolve, 30))
    return running--
  })
  agent.connect()
  await broker.arrived('agent/message', 2)
  assert.equal(most, 1)
})

test('two agents hear each other and not themselves', async t => {
  const broker = await startBroker(t)
  const [one, two] = [makeAgent(t, { mqtt: { url: broker.url } }), makeAgent(t, { mqtt: { url: broker.url } })]
  await one.connect()
  const heard: unknown[] = []
  two.on('agent/connected', payload => heard.push(payload))
  const [connected, message, disconnected] = ['agent/connected', 'agent/message', 'agent/disconnected'].map(event => next(one, event))
  await two.connect()
  const [came] = await connected as [{ timestamp: number }]
  assert.deepEqual(came, { agent: two.identity, timestamp: came.timestamp, seq: 0 })
  await two.report({ type: 'a', value: 1 })
  const [payload] = await message as [{ metrics: unknown }]
  assert.deepEqual(payload.metrics, [{ type: 'a', value: 1 }])
  await two.disconnect()
  const [left] = await disconnected as [{ timestamp: number }]
  assert.deepEqual(left, { agent: { uuid: two.uuid }, timestamp: left.timestamp, seq: 0 })
  assert.ok(left.timestamp > came.timestamp)
  assert.deepEqual(heard, [])
  const odd = next(one, 'agent/disconnected')
  const other = await connectAsync(broker.url)
  await other.publishAsync('agent/disconnected', '{"agent":{"uuid":"x","name":null}}')
  assert.deepEqual(await odd, [{ agent: { uuid: 'x', name: null } }])
  await other.endAsync()
})

// https://github.com/mr-manuel/venus-os_dbus-mqtt-grid/issues/48: an old value came again at each restart, and was believed.
test('what a broker retained of other agents is no news to one that listens', async t => {
  const broker = await openBroker(t)
  const device = await broker.client()
  const send = async (topic: string, payload: object): Promise<unknown> => await device.publishAsync(topic, JSON.stringify(payload), { qos: 1, retain: true })
  const metric = (uuid: string): object => ({ agent: { uuid }, metrics: [{ type: 'a', value: 1 }] })
  await send('agent/connected', { agent: { uuid: 'gone' } })
  await send('agent/message', metric('gone'))
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  const heard: string[] = []
  for (const topic of ['agent/connected', 'agent/message'] as const) agent.on(topic, ({ agent: { uuid } }: { agent: { uuid: string } }) => { heard.push(`${topic} ${uuid}`) })
  await agent.connect()
  const message = next(agent, 'agent/message')
  await send('agent/message', metric('here'))
  await message
  assert.deepEqual(heard, ['agent/message here'])
})

test('an agent that does not listen does not subscribe', async t => {
  const broker = await startBroker(t, { authorizeSubscribe: (_client, _subscription, callback) => callback(new Error('forbidden')) })
  const agent = makeAgent(t, { mqtt: { url: broker.url }, listen: false, commands: false })
  agent.connect()
  await agent.report({ type: 'a', value: 1 })
})

test('where listening is refused the agent says so and reports', async t => {
  const broker = await startBroker(t, { authorizeSubscribe: (_client, _subscription, callback) => callback(null, null) })
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  const told = problem(agent, 'AGENT_OPTION_INVALID')
  agent.connect()
  await agent.report({ type: 'a', value: 1 })
  assert.match((await told).detail, /^listen must be false here/)
})

test('report sends the good metrics and rejects with the first bad one', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  await agent.connect()
  const metrics = [{ type: 'good', value: 1 }, { type: '', value: 1 }, { type: 'good', value: 2 }, null, 7] as never
  await assert.rejects(agent.report(metrics), { code: 'AGENT_METRIC_FAILED' })
  assert.deepEqual((await broker.arrived('agent/message'))[0]?.payload.metrics, [{ type: 'good', value: 1 }])
})

test('what does not fit into one message goes into several', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  await agent.connect()
  await agent.report(Array.from({ length: 1001 }, (_, value) => ({ type: `t${value}`, value })))
  await agent.report(Array.from({ length: 100 }, (_, number) => ({ type: `t${number}`, value: 'x'.repeat(1000) })))
  const messages = await broker.arrived('agent/message', 4)
  assert.deepEqual(messages.map(({ payload }) => payload.metrics?.length), [1000, 1, 63, 37])
})

test('one slow metric keeps no other waiting, and is reported at the time of its round', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, interval: 50, metricTimeout: 5_000, listen: false })
  const problems: string[] = []
  agent.on('problem', error => problems.push(error.detail))
  let answer!: (value: number) => void
  const answered = new Promise<number>(resolve => { answer = resolve })
  let calls = 0
  agent.addMetric('slow', () => { calls++; return calls === 1 ? answered : 2 }).addMetric('fast', () => 1)
  agent.connect()
  const messages = await broker.arrived('agent/message', 5)
  const timestamps = messages.map(({ payload }) => payload.timestamp!)
  assert.deepEqual(messages.map(({ payload }) => payload.metrics), Array(5).fill([{ type: 'fast', value: 1 }]))
  // Each at a round of its own, and not one after the 5 s that the slow one may take.
  assert.ok(timestamps[4]! - timestamps[0]! < 2_000, `${timestamps[4]! - timestamps[0]!} ms`)
  answer(7)
  const late = await until(() => broker.arrivals.find(({ payload }) => payload.metrics?.some(({ type }) => type === 'slow')), found => found !== undefined)
  assert.deepEqual(late?.payload.metrics, [{ type: 'slow', value: 7 }])
  assert.equal(late?.payload.timestamp, timestamps[0])
  assert.deepEqual(problems, [])
})
