import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Agent } from '../../../lib/agent/agent.ts'
import { makeAgent, next, problem, startBroker } from '../../helpers/agent-broker.ts'
import { until } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

const never = () => new Promise<undefined>(() => {})

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
  for (const connection of [0, 1]) {
    const [first] = broker.arrivals.filter(arrival => arrival.connection === connection)
    assert.equal(first?.topic, 'agent/connected')
    assert.deepEqual(first.payload, { agent: agent.identity })
  }
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

test('an abrupt loss publishes the will', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, reconnect: { min: 5000 } })
  await agent.connect()
  await broker.arrived('agent/connected')
  const lost = next(agent, 'disconnected')
  broker.cut()
  assert.deepEqual((await broker.arrived('agent/disconnected'))[0]?.payload, { agent: { uuid: agent.uuid } })
  const [reason] = await lost as [{ code: string }]
  assert.equal(reason.code, 'AGENT_UNREACHABLE')
  assert.equal(agent.connected, false)
})

test('disconnect sends what is pending, then agent/disconnected once, and may be called twice', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  assert.equal(await agent.connect(), true)
  const events: unknown[] = []
  agent.on('disconnected', reason => events.push(reason))
  const reported = agent.report([{ type: 'last', value: 1 }])
  await Promise.all([agent.disconnect(), agent.disconnect()])
  await agent.disconnect()
  await reported
  assert.deepEqual(broker.arrivals.map(({ topic }) => topic), ['agent/connected', 'agent/message', 'agent/disconnected'])
  assert.deepEqual(events, [undefined])
  assert.deepEqual(agent.counters, { sent: 1, pending: 0, dropped: 0 })
})

test('disconnect works offline: what waits is dropped, counted and told', async t => {
  const agent = makeAgent(t, { mqtt: { url: () => undefined } })
  await agent.disconnect()
  const connected = agent.connect()
  const reported = agent.report({ type: 'a', value: 1 })
  const told = problem(agent, 'AGENT_CLOSED')
  await agent.disconnect()
  await assert.rejects(reported, { code: 'AGENT_CLOSED' })
  assert.match((await told).detail, /dropped messages: 1/)
  assert.equal(await connected, false)
  assert.deepEqual(agent.counters, { sent: 0, pending: 0, dropped: 1 })
})

test('disconnect cuts a connection whose broker does not acknowledge, so that the will is published', async t => {
  const broker = await startBroker(t)
  broker.settle = ({ topic }) => topic === 'agent/message' ? never() : undefined
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  await agent.connect()
  const reported = agent.report({ type: 'a', value: 1 })
  await broker.arrived('agent/message')
  await agent.disconnect(50)
  await assert.rejects(reported, { code: 'AGENT_CLOSED' })
  await broker.arrived('agent/disconnected')
})

test('an agent can be connected again, also while it disconnects', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  await agent.connect()
  agent.disconnect()
  assert.equal(await agent.connect(), true)
  await broker.arrived('agent/connected', 2)
  assert.deepEqual(broker.arrivals.map(({ topic }) => topic), ['agent/connected', 'agent/disconnected', 'agent/connected'])
})

test('disconnect ends an attempt that the broker does not answer', async t => {
  const broker = await startBroker(t, { preConnect: (_client, _packet, _callback) => { asked() } })
  let asked!: () => void
  const asking = new Promise<void>(resolve => { asked = resolve })
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  const connected = agent.connect()
  await asking
  await agent.disconnect()
  assert.equal(await connected, false)
})

test('what was not acknowledged is sent again in order after the broker came back', async t => {
  const broker = await startBroker(t)
  broker.settle = ({ topic }) => topic === 'agent/message' ? never() : undefined
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  await agent.connect()
  const reported = [1, 2, 3].map(value => agent.report({ type: 'a', value }))
  const first = await broker.arrived('agent/message', 3)
  const lost = next(agent, 'disconnected')
  await broker.stop()
  await lost
  reported.push(agent.report({ type: 'a', value: 4 }))
  const again = await startBroker(t, {}, broker.port)
  await Promise.all(reported)
  const second = await again.arrived('agent/message', 4)
  assert.deepEqual(second.slice(0, 3).map(({ payload }) => payload), first.map(({ payload }) => payload))
  assert.deepEqual(second.map(({ payload }) => payload.metrics?.[0]?.value), [1, 2, 3, 4])
  assert.deepEqual(agent.counters, { sent: 4, pending: 0, dropped: 0 })
})

test('a broker that refuses an acknowledgement gets the message again', async t => {
  const broker = await startBroker(t)
  let refusals = 2
  broker.settle = ({ topic }) => topic === 'agent/message' && refusals-- > 0 ? new Error('not stored') : undefined
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  agent.connect()
  await agent.report({ type: 'a', value: 1 })
  const messages = await broker.arrived('agent/message', 3)
  assert.deepEqual(new Set(messages.map(({ payload }) => payload.seq)).size, 1)
})

test('only so many messages are sent without an acknowledgement', async t => {
  const broker = await startBroker(t, { concurrency: 1000 })
  let release!: () => void
  const released = new Promise<undefined>(resolve => { release = () => resolve(undefined) })
  broker.settle = ({ topic }) => topic === 'agent/message' ? released : undefined
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  await agent.connect()
  const reported = Array.from({ length: 120 }, (_, value) => agent.report({ type: 'a', value }))
  await broker.arrived('agent/message', 50)
  assert.equal(agent.counters.pending, 120)
  assert.equal(broker.arrivals.filter(({ topic }) => topic === 'agent/message').length, 50)
  release()
  await Promise.all(reported)
  const seqs = (await broker.arrived('agent/message', 120)).map(({ payload }) => payload.seq!)
  assert.deepEqual(seqs, seqs.toSorted((a, b) => a - b))
  assert.equal(new Set(seqs).size, 120)
})

test('the offline buffer is bounded: the oldest go, counted, told once an outage', async t => {
  let url = undefined as string | undefined
  const agent = makeAgent(t, { mqtt: { url: () => url }, buffer: 2 })
  const told: string[] = []
  agent.on('problem', error => { if (error.code === 'AGENT_BUFFER_FULL') told.push(error.detail) })
  const reported = [1, 2, 3, 4].map(value => agent.report({ type: 'a', value }))
  agent.connect()
  await assert.rejects(reported[0]!, { code: 'AGENT_BUFFER_FULL' })
  assert.deepEqual(agent.counters, { sent: 0, pending: 2, dropped: 2 })
  const broker = await startBroker(t)
  url = broker.url
  await Promise.all(reported.slice(2))
  assert.deepEqual((await broker.arrived('agent/message', 2)).map(({ payload }) => payload.metrics?.[0]?.value), [3, 4])
  assert.deepEqual(told, ['More than 2 messages wait for the broker; the oldest is dropped.'])
})

test('two agents hear each other and not themselves', async t => {
  const broker = await startBroker(t)
  const [one, two] = [makeAgent(t, { mqtt: { url: broker.url } }), makeAgent(t, { mqtt: { url: broker.url } })]
  await one.connect()
  const heard: unknown[] = []
  two.on('agent/connected', payload => heard.push(payload))
  const [connected, message, disconnected] = ['agent/connected', 'agent/message', 'agent/disconnected'].map(event => next(one, event))
  await two.connect()
  assert.deepEqual(await connected, [{ agent: two.identity }])
  await two.report({ type: 'a', value: 1 })
  const [payload] = await message as [{ metrics: unknown }]
  assert.deepEqual(payload.metrics, [{ type: 'a', value: 1 }])
  await two.disconnect()
  assert.deepEqual(await disconnected, [{ agent: { uuid: two.uuid } }])
  assert.deepEqual(heard, [])
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

test('a refused login is told, and the agent keeps trying', async t => {
  let password = 'wrong'
  const broker = await startBroker(t, { authenticate: (_client, _username, given, callback) => callback(null, given?.toString() === password) })
  password = 'right'
  const agent = makeAgent(t, { mqtt: { url: broker.url, username: 'ana', password: 'wrong' } })
  const told = problem(agent, 'AGENT_UNREACHABLE')
  const connected = agent.connect()
  assert.match((await told).detail, /Connection refused: (Not authorized|Bad username or password)/)
  password = 'wrong'
  assert.equal(await connected, true)
})

test('attempts are further and further apart, up to a limit, and ask for the address anew', async t => {
  const attempts: number[] = []
  const agent = makeAgent(t, {
    reconnect: { min: 20, max: 60 },
    mqtt: { url: () => { attempts.push(performance.now()); return 'mqtt://localhost:1' } }
  })
  agent.connect()
  while (attempts.length < 5) assert.match((await problem(agent, 'AGENT_UNREACHABLE')).detail, /^No connection: .+\.$/)
  const gaps = attempts.slice(1).map((at, i) => at - attempts[i]!)
  // Timers may be a millisecond early.
  for (const [i, least] of [10, 20, 30, 30].entries()) assert.ok(gaps[i]! >= least - 1, `gap ${i} is ${gaps[i]} ms`)
})

test('an address that cannot be used is told, and asked for again', async t => {
  const broker = await startBroker(t)
  const addresses = ['no address', broker.url]
  const agent = makeAgent(t, { mqtt: { url: () => addresses.shift() } })
  const told = problem(agent, 'AGENT_UNREACHABLE')
  assert.equal(await agent.connect(), true)
  assert.match((await told).detail, /Missing protocol/)
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

test('what the broker may have stored is not reported as dropped', async t => {
  const broker = await startBroker(t)
  const held: Array<() => void> = []
  broker.settle = ({ topic }) => topic === 'agent/message' ? new Promise(resolve => { held.push(() => resolve(undefined)) }) : undefined
  const agent = makeAgent(t, { mqtt: { url: broker.url }, buffer: 60, interval: 100_000, listen: false, reconnect: { min: 60_000, max: 60_000 } })
  await agent.connect()
  const outcomes = new Map<number, string>()
  const report = (value: number): void => { agent.report({ type: 'n', value }).then(() => outcomes.set(value, 'stored'), error => outcomes.set(value, error.code as string)) }
  for (let i = 0; i < 60; i++) report(i)
  await broker.arrived('agent/message', 50)
  const lost = next(agent, 'disconnected')
  broker.cut()
  await lost
  for (let i = 60; i < 80; i++) report(i)
  await until(() => outcomes.size, size => size === 20)
  // The fifty that were on their way wait to be sent again: the broker knows them by seq.
  assert.deepEqual([...outcomes.keys()].filter(value => value < 50), [])
  assert.ok([...outcomes.values()].every(outcome => outcome === 'AGENT_BUFFER_FULL'))
})

test('two agents with one uuid back off, and are told why', async t => {
  const broker = await startBroker(t)
  const one = makeAgent(t, { uuid: 'twin', mqtt: { url: broker.url }, interval: 20, reconnect: { min: 10, max: 2_000 } })
  const other = makeAgent(t, { uuid: 'twin', mqtt: { url: broker.url }, interval: 20, reconnect: { min: 10, max: 2_000 } })
  const told = Promise.race([problem(one, 'AGENT_TAKEN_OVER'), problem(other, 'AGENT_TAKEN_OVER')])
  one.connect()
  other.connect()
  assert.match((await told).message, /client id "platziverse-twin"/)
  assert.ok(one.takenOver + other.takenOver >= 3)
  // By then the waits have grown: before, each took the connection back at once, for ever.
  const before = broker.arrivals.filter(({ topic }) => topic === 'agent/connected').length
  await new Promise(resolve => setTimeout(resolve, 2_000))
  const connections = broker.arrivals.filter(({ topic }) => topic === 'agent/connected').length - before
  assert.ok(connections <= 12, `${connections} connections in two seconds`)
})
