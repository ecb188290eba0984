import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeAgent, next, problem, startBroker } from '../../helpers/agent-broker.ts'
import { until } from '../../helpers/events.ts'
import { answers, scriptedBroker } from '../../helpers/scripted-broker.ts'

const never = () => new Promise<undefined>(() => {})

test('an abrupt loss publishes the will', async t => {
  const broker = await startBroker(t)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, reconnect: { min: 5000 } })
  await agent.connect()
  const [came] = await broker.arrived('agent/connected')
  const { timestamp } = came?.payload as { timestamp: number }
  const lost = next(agent, 'disconnected')
  broker.cut()
  // Of this connection, and after its beginning: it ends no later one.
  assert.deepEqual((await broker.arrived('agent/disconnected'))[0]?.payload, { agent: { uuid: agent.uuid }, timestamp, seq: 1 })
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

test('a command that is too large to be taken is said once, and the agent stays connected', async t => {
  const broker = await scriptedBroker(t, peer => {
    answers(peer)
    for (let i = 1; i <= 2; i++) peer.send({ cmd: 'publish', topic: 'config_change/all', payload: Buffer.alloc(2_200_000), qos: 1, messageId: i, dup: false, retain: true })
  })
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  const problems: Array<{ code: string, detail: string }> = []
  agent.on('problem', problem => { problems.push(problem as typeof problems[number]) })
  await agent.connect()
  await agent.report({ type: 'a', value: 1 })
  await until(() => broker.consumers[0]?.got.filter(({ cmd }) => cmd === 'puback').length, count => count === 2)
  assert.deepEqual(problems.map(({ code, detail }) => [code, detail]), [['BROKER_PACKET_TOO_LARGE', 'A message on "config_change/all" has 2200027 bytes, of 2097152 that are taken.']])
  assert.equal(broker.consumers.length, 1)
})
