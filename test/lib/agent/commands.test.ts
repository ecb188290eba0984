import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { MqttClient } from 'mqtt'
import type { Agent, InForce } from '../../../lib/agent/agent.ts'
import { hashPassword } from '../../../lib/broker/access/passwords.ts'
import type { Rule } from '../../../lib/broker/access/rules.ts'
import { openBroker, type TestBroker } from '../../helpers/broker.ts'
import { once, until } from '../../helpers/events.ts'
import { makeAgent, problem, startBroker } from '../../helpers/agent-broker.ts'

/** An operator, and what agents answer to it. */
async function operatorAt (broker: TestBroker, login: object = {}) {
  const client = await broker.client(login)
  const states: Record<string, InForce> = {}
  const answers: string[] = []
  client.on('message', (topic, payload) => {
    answers.push(`${topic} ${payload}`)
    states[topic.split('/')[1]!] = JSON.parse(String(payload)) as InForce
  })
  await client.subscribeAsync('config_change/+/state', { qos: 1 })
  const ask = (to: string, command: unknown) => client.publishAsync(`config_change/${to}`, typeof command === 'string' ? command : JSON.stringify(command), { qos: 1, retain: true })
  const state = ({ uuid }: Agent, test: (state: InForce) => boolean) => until(() => states[uuid], state => state !== undefined && test(state)) as Promise<InForce>
  return { client, answers, ask, state }
}

/** The types of the next message of an agent. */
async function nextTypes (agent: Agent): Promise<string[]> {
  const [payload] = await once(agent, 'message', { signal: AbortSignal.timeout(10_000) }) as [{ metrics: Array<{ type: string }> }]
  return payload.metrics.map(({ type }) => type)
}

function measuring (t: TestContext, url: string, options: object = {}): Agent {
  return makeAgent(t, { mqtt: { url }, listen: false, interval: 60_000, ...options }).addMetric('cpuLoad', () => 1).addMetric('memoryUsed', () => 2).addMetric('door', () => 'open')
}

const all = ['cpuLoad', 'memoryUsed', 'door']

test('an agent answers with what it was configured for, once the broker had time for what it retained', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url)
  await agent.connect()
  const { at, ...rest } = await operator.state(agent, () => true)
  assert.deepEqual(rest, { interval: 60_000, metrics: all, available: all })
  assert.ok(Math.abs(Date.now() - at) < 30_000)
})

test('a command changes interval and metrics, and the answer is retained', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url)
  const changes: InForce[] = []
  agent.on('config', inForce => changes.push(inForce))
  await agent.connect()
  await operator.ask(agent.uuid, { interval: 100, metrics: ['door', 'cpuLoad', 'door'] })
  const { at, ...rest } = await operator.state(agent, () => true)
  assert.deepEqual(rest, { interval: 100, metrics: ['cpuLoad', 'door'], available: all })
  assert.deepEqual(changes, [{ ...rest, at }])
  assert.deepEqual(await nextTypes(agent), ['cpuLoad', 'door'])
  assert.deepEqual(await nextTypes(agent), ['cpuLoad', 'door'])
  const later = await operatorAt(broker)
  assert.deepEqual(await later.state(agent, () => true), { ...rest, at })
})

test('the same command again changes nothing and is not answered again', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url)
  await agent.connect()
  await operator.ask(agent.uuid, { interval: 200 })
  const first = await operator.state(agent, ({ interval }) => interval === 200)
  await operator.ask(agent.uuid, { interval: 200 })
  await operator.ask(agent.uuid, ' {"metrics": ["cpuLoad", "memoryUsed", "door"], "interval": 200}')
  await operator.ask(agent.uuid, { interval: 300 })
  await operator.state(agent, ({ interval }) => interval === 300)
  assert.equal(operator.answers.length, 2)
  assert.equal(agent.inForce.interval, 300)
  assert.ok(agent.inForce.at >= first.at)
})

test("the agent's own topic wins over that of all, property by property, and an empty payload clears", async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const [one, other] = [measuring(t, broker.url), measuring(t, broker.url)]
  await Promise.all([one.connect(), other.connect()])
  await operator.ask('all', { interval: 500, metrics: ['door'] })
  await operator.ask(one.uuid, { interval: 700 })
  const mine = await operator.state(one, ({ interval }) => interval === 700)
  const theirs = await operator.state(other, ({ interval }) => interval === 500)
  assert.deepEqual([mine.metrics, theirs.metrics], [['door'], ['door']])
  await operator.ask(one.uuid, '')
  await operator.state(one, ({ interval }) => interval === 500)
  await operator.ask('all', '')
  for (const agent of [one, other]) assert.deepEqual((await operator.state(agent, ({ interval }) => interval === 60_000)).metrics, all)
})

test('metrics that an agent lacks are named; of those for all agents it takes those that it has', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url)
  const told = problem(agent, 'COMMAND_METRIC_UNKNOWN')
  await agent.connect()
  await operator.ask('all', { metrics: ['humidity', 'door'] })
  assert.deepEqual((await operator.state(agent, ({ metrics }) => metrics.length === 1)).metrics, ['door'])
  await operator.ask(agent.uuid, { interval: 100, metrics: ['door', 'humidity', 'x'.repeat(200), 'wind'] })
  const { refused, interval } = await operator.state(agent, ({ refused }) => refused !== undefined)
  assert.deepEqual(refused, { topic: `config_change/${agent.uuid}`, code: 'COMMAND_METRIC_UNKNOWN', message: `This agent does not measure "humidity", "${'x'.repeat(76)}…, "wind".` })
  assert.equal(interval, 60_000)
  assert.equal((await told).detail, refused?.message)
  // It learns to measure them: the command is obeyed now.
  for (const type of ['humidity', 'x'.repeat(200), 'wind']) agent.addMetric(type, () => 1)
  assert.equal((await operator.state(agent, ({ interval }) => interval === 100)).metrics.length, 4)
  agent.removeMetric('wind')
  assert.equal((await operator.state(agent, ({ refused }) => refused !== undefined)).refused?.message, 'This agent does not measure "wind".')
})

const nonsense: Array<[payload: string, code: string, message: RegExp]> = [
  ['faster!', 'COMMAND_INVALID', /^The payload is not JSON/],
  ['5', 'COMMAND_INVALID', /^A command is an object, and not "5"\.$/],
  ['[{"interval": 500}]', 'COMMAND_INVALID', /^A command is an object/],
  ['null', 'COMMAND_INVALID', /^A command is an object/],
  ['{"intervall": 500}', 'COMMAND_INVALID', /^A command has interval and metrics, and not "intervall"\.$/],
  ['{"interval": 99}', 'COMMAND_INTERVAL_INVALID', /^interval must be a whole number of ms from 100 to 86400000, and is "99"\.$/],
  ['{"interval": 86400001}', 'COMMAND_INTERVAL_INVALID', /./],
  ['{"interval": "500"}', 'COMMAND_INTERVAL_INVALID', /./],
  ['{"interval": 500.5}', 'COMMAND_INTERVAL_INVALID', /./],
  ['{"interval": null}', 'COMMAND_INTERVAL_INVALID', /./],
  ['{"metrics": "door"}', 'COMMAND_INVALID', /^metrics must be a list of metric types\.$/],
  ['{"metrics": ["door", 5]}', 'COMMAND_INVALID', /./],
  ['{"metrics": ["\\u001b[2J"]}', 'COMMAND_METRIC_UNKNOWN', /^This agent does not measure "\\u001b\[2J"\.$/],
  [`{"metrics": [${Array.from({ length: 9 }, (_, i) => `"m${i}"`).join()}]}`, 'COMMAND_METRIC_UNKNOWN', /"m4" and 4 more\.$/],
  [`{"interval": 500}${' '.repeat(70_000)}`, 'COMMAND_TOO_LARGE', /^The command has more than 65536 bytes\.$/]
]

test('nonsense is refused with a code and a reason, and what was in force stays', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url)
  await agent.connect()
  await operator.ask(agent.uuid, { interval: 30_000, metrics: ['door'] })
  await operator.state(agent, ({ interval }) => interval === 30_000)
  for (const [payload, code, message] of nonsense) {
    const told = problem(agent, code)
    await operator.ask(agent.uuid, payload)
    const { detail } = await told
    const { refused, interval, metrics } = await operator.state(agent, ({ refused }) => refused?.message === detail)
    assert.equal(refused?.code, code, payload)
    assert.match(refused?.message ?? '', message)
    assert.deepEqual([interval, metrics], [30_000, ['door']])
  }
  await operator.ask(agent.uuid, { metrics: [] })
  assert.deepEqual((await operator.state(agent, ({ refused }) => refused === undefined)).metrics, [])
})

test('an agent obeys when it comes back, also where the command was cleared meanwhile', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url)
  await operator.ask(agent.uuid, { interval: 400 })
  await agent.connect()
  await operator.state(agent, ({ interval }) => interval === 400)
  await agent.disconnect()
  await operator.ask(agent.uuid, '')
  await agent.connect()
  assert.equal(agent.inForce.interval, 400)
  await operator.state(agent, ({ interval }) => interval === 60_000)
})

test('a command that is not retained holds until the connection ends', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url)
  await agent.connect()
  await operator.state(agent, () => true)
  await operator.client.publishAsync(`config_change/${agent.uuid}`, '{"interval": 250}', { qos: 1 })
  await operator.state(agent, ({ interval }) => interval === 250)
  await agent.disconnect()
  await agent.connect()
  await operator.state(agent, ({ interval }) => interval === 60_000)
})

test('an agent that is to take no commands neither subscribes nor answers', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  await operator.ask('all', { interval: 300 })
  const [deaf, other] = [measuring(t, broker.url, { commands: false }), measuring(t, broker.url)]
  await Promise.all([deaf.connect(), other.connect()])
  await operator.state(other, ({ interval }) => interval === 300)
  assert.equal(deaf.inForce.interval, 60_000)
  assert.ok(operator.answers.every(answer => answer.startsWith(`config_change/${other.uuid}/`)))
})

test('with rules an agent reads its own commands and those for all, and answers for itself alone', async t => {
  const users = await Promise.all(['roof', 'cellar', 'operator'].map(async username => ({ username, hash: await hashPassword(`${username}!`) })))
  const rules: Rule[] = [
    { subject: 'everyone', access: 'write', topic: 'agent/+' },
    { subject: 'everyone', access: 'read', topic: 'config_change/%u' },
    { subject: 'everyone', access: 'read', topic: 'config_change/all' },
    { subject: 'everyone', access: 'write', topic: 'config_change/%u/state' },
    { subject: 'user', username: 'operator', access: 'readwrite', topic: 'config_change/#' }
  ]
  const broker = await openBroker(t, { users, rules })
  const as = (username: string): { username: string, password: string } => ({ username, password: `${username}!` })
  const operator = await operatorAt(broker, as('operator'))
  const roof = measuring(t, broker.url, { uuid: 'roof', mqtt: { url: broker.url, ...as('roof') } })
  // It says that it is the roof's, and is not.
  const thief = measuring(t, broker.url, { uuid: 'roof', mqtt: { url: broker.url, ...as('cellar'), clientId: 'thief' } })
  const refused = problem(thief, 'AGENT_COMMANDS_REFUSED')
  await Promise.all([roof.connect(), thief.connect()])
  assert.match((await refused).message, /^AGENT_COMMANDS_REFUSED: The broker does not let this agent subscribe to config_change\/roof: .+\. Let the agent's user read/)
  await operator.ask('roof', { interval: 500 })
  await operator.state(roof, ({ interval }) => interval === 500)
  // What the thief answers reaches nobody.
  const states = operator.answers.length
  await operator.ask('all', { metrics: ['door'] })
  await operator.state(roof, ({ metrics }) => metrics.length === 1)
  await until(() => thief.inForce.metrics.length, length => length === 1)
  assert.equal(operator.answers.length, states + 1)
})

test('a broker that closes the connection instead of refusing the subscription gets its reports without it', async t => {
  const broker = await startBroker(t, { authorizeSubscribe: (_client, _subscription, callback) => callback(new Error('forbidden')) })
  const agent = measuring(t, broker.url)
  const told = problem(agent, 'AGENT_COMMANDS_REFUSED')
  agent.connect()
  await agent.report({ type: 'a', value: 1 })
  assert.match((await told).detail, /^The broker closed 2 connections instead of letting this agent subscribe to config_change\/test-\d+\.$/)
  assert.equal(broker.arrivals.filter(({ topic }) => topic === 'agent/connected').length <= 4, true)
})

for (const uuid of ['all', 'a/b', 'a+', '#']) {
  test(`an agent with the uuid ${uuid} has no topic for commands`, async t => {
    const broker = await startBroker(t)
    assert.throws(() => makeAgent(t, { uuid, commands: true }), { code: 'AGENT_OPTION_INVALID', message: /commands must be false: the uuid "/ })
    const agent = measuring(t, broker.url, { uuid })
    const subscribed = new Promise<never>((_resolve, reject) => { agent.once('problem', reject) })
    agent.connect()
    await Promise.race([agent.report({ type: 'a', value: 1 }), subscribed])
  })
}

// https://github.com/arendst/Tasmota/issues/6842: whoever set the period again got no message.
test('commands that change the interval before it is over do not put the next round off', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url, { interval: 1_000 })
  await agent.connect()
  const [first] = await once(agent, 'message') as [{ timestamp: number }]
  const second = once(agent, 'message') as Promise<[{ timestamp: number }]>
  let isThere = false
  const deadline = Date.now() + 15_000
  void second.then(() => { isThere = true })
  for (let i = 0; !isThere; i++) {
    const interval = 1_000 + i % 2
    await operator.ask(agent.uuid, { interval })
    await operator.state(agent, state => state.interval === interval)
    assert.ok(Date.now() < deadline, 'the second round never came')
  }
  const [{ timestamp }] = await second
  assert.ok(timestamp - first.timestamp >= 900, `${timestamp - first.timestamp} ms`)
})

test('a thousand commands in a row leave the last one in force', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url)
  await agent.connect()
  const client: MqttClient = operator.client
  for (let i = 0; i < 1_000; i++) client.publish(`config_change/${agent.uuid}`, JSON.stringify({ interval: 1_000 + i }), { qos: 1, retain: true })
  await operator.state(agent, ({ interval }) => interval === 1_999)
  assert.equal(agent.inForce.interval, 1_999)
})

// Koenkk/zigbee2mqtt#9629: Mosquitto without persistence.
test('a broker that restarted and forgot what was retained is told again what is in force', async t => {
  const broker = await startBroker(t)
  const agent = measuring(t, broker.url)
  await agent.connect()
  const topic = `config_change/${agent.uuid}/state`
  const [first] = await broker.arrived(topic)
  assert.equal(first?.payload['interval'], 60_000)
  await broker.stop()
  const again = await startBroker(t, {}, broker.port)
  const [second] = await again.arrived(topic)
  assert.deepEqual(second?.payload, first?.payload)
})

test('an agent that is asked for something else without end goes on measuring, answers a few times, and then obeys the last command', async t => {
  const broker = await openBroker(t)
  const operator = await operatorAt(broker)
  const agent = measuring(t, broker.url, { interval: 500 })
  let [problems, measured] = [0, 0]
  agent.on('problem', () => { problems++ })
  await agent.connect()
  await once(agent, 'message')
  agent.on('message', () => { measured++ })
  const end = performance.now() + 3_000
  for (let i = 0; performance.now() < end; i++) await operator.ask(agent.uuid, i % 2 === 0 ? { interval: 500 + i % 50 } : { [`nonsense${i}`]: 1 })
  await operator.ask(agent.uuid, { interval: 750 })
  assert.ok(measured > 1, `${measured} rounds`)
  await operator.state(agent, ({ interval }) => interval === 750)
  assert.ok(problems < 25 && operator.answers.length < 50, `${problems} problems, ${operator.answers.length} answers`)
})
