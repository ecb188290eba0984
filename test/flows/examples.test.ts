import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { connectAsync, type MqttClient } from 'mqtt'
import { hashPassword } from '../../lib/broker/access/passwords.ts'
import { makeAuthority, withoutOpenssl } from '../helpers/certificates.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { reading } from '../helpers/messages.ts'
import { freePort, packageDir, skipWithoutNodeRed, startNodeRed, type NodeRedVersion } from '../helpers/node-red.ts'

interface Running { heard: Map<string, string>, knex: Knex, sender: MqttClient }

/** Runs an example in a real Node-RED, with its ports changed to free ones, and listens to everything on its broker. */
async function runExample (t: TestContext, name: string, version: NodeRedVersion): Promise<Running> {
  const port = await freePort()
  const flows = await exampleFlow(name, { 'platziverse-broker': { port }, 'mqtt-broker': { port }, 'platziverse-agent': { interval: 1 } })
  const nodeRed = await startNodeRed({ version, flows })
  t.after(() => nodeRed.stop())
  const connect = async () => {
    const client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined) as MqttClient
    t.after(() => { client.end(true) })
    return client
  }
  const subscriber = await connect()
  const heard = new Map<string, string>()
  subscriber.on('message', (topic, payload) => { heard.set(topic, payload.toString()) })
  await subscriber.subscribeAsync('#', { qos: 1 })
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  return { heard, knex, sender: await connect() }
}

const seriesOf = async (knex: Knex, uuid: string) => await knex('series').join('agents', 'agents.id', 'agent_id').where({ uuid }).pluck('type') as string[]

for (const version of [5, 4] as const) {
  const options = { timeout: 120_000, skip: skipWithoutNodeRed(version) }

  test(`Monitor agents runs unchanged in Node-RED ${version}: its agent is stored, and heard by subscribers`, options, async t => {
    const { heard, knex, sender } = await runExample(t, 'Monitor agents', version)
    // On a busy machine one of them may be late, and in the next report.
    const wanted = ['cpuLoad', 'memoryUsedPercent', 'diskUsedPercent']
    const report = JSON.parse(await until(() => heard.get('agent/message'), text => wanted.every(type => text?.includes(type) === true), 20_000) as string)
    const types = report.metrics.map(({ type }: { type: string }) => type)
    const series = await seriesOf(knex, report.agent.uuid)
    assert.deepEqual(types.filter((type: string) => !series.includes(type)), [])

    await sender.publishAsync('agent/connected', JSON.stringify({ agent: { uuid: 'other' } }), { qos: 1 })
    await sender.publishAsync('agent/message', reading('other'), { qos: 1 })
    assert.deepEqual((await seriesOf(knex, 'other')).sort(), ['cpu', 'on', 'state'])
    sender.end(true)
    await until(() => heard.get('agent/disconnected'), text => text === '{"agent":{"uuid":"other"}}')
    assert.deepEqual(await knex('agents').where('uuid', 'other').pluck('connected'), [0])
  })

  test(`Use any MQTT client runs unchanged in Node-RED ${version}: every value has its topic, and the agent its state`, options, async t => {
    const { heard, knex } = await runExample(t, 'Use any MQTT client', version)
    await until(() => [...heard.keys()], topics => ['agent/sensor-01/temperature', 'agent/sensor-01/door', 'agent/message'].every(topic => topics.includes(topic)), 20_000)
    assert.deepEqual((await seriesOf(knex, 'sensor-01')).sort(), ['door', 'temperature'])
    assert.equal(heard.get('agent/sensor-01/door'), 'closed')
    assert.match(heard.get('agent/sensor-01/temperature') ?? '', /^[\d.]+$/)
    assert.equal(heard.get('agent/sensor-01/status'), 'connected')
    assert.equal(JSON.parse(heard.get('agent/message') ?? '').metrics.length, 2)
  })
}

test('Alerts says what a sensor reports, ready to be sent, and retains it', { timeout: 120_000, skip: skipWithoutNodeRed(5) }, async t => {
  // Node-RED does not start flows with nodes that are not installed.
  const foreign = ['e-mail', 'telegram sender', 'telegram bot', 'pushover', 'global-config']
  const port = await freePort()
  const nodeRed = await startNodeRed({ flows: await exampleFlow('Alerts', { 'platziverse-broker': { port } }, foreign) })
  t.after(() => nodeRed.stop())
  const client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined) as MqttClient
  t.after(() => { client.end(true) })
  const heard: Array<{ state: string, text: string, link: string }> = []
  client.on('message', (_topic, payload) => { heard.push(JSON.parse(String(payload))) })
  await client.subscribeAsync('alert/boiler/temperature', { qos: 1 })
  const report = async (value: number): Promise<void> => {
    await client.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'boiler', name: 'Boiler' }, metrics: [{ type: 'temperature', value }] }), { qos: 1 })
  }
  await report(95)
  await until(() => heard.length, count => count === 1)
  await report(20)
  await until(() => heard.length, count => count === 2)
  assert.deepEqual(heard.map(({ state }) => state), ['raised', 'cleared'])
  assert.match(heard[0]?.text ?? '', /^Critical: Boiler: temperature is 95, above 90, since .* \(hot\)$/)
  assert.equal(heard[0]?.link, 'http://127.0.0.1:1880/dashboard/agent?agent=boiler')
})

/** Gives the listeners beside the first another port, on this machine alone. */
function moveListeners (flow: Array<Record<string, unknown>>, port: number): void {
  for (const node of flow) {
    if (Array.isArray(node['listeners'])) node['listeners'] = (node['listeners'] as object[]).map(listener => ({ ...listener, host: '127.0.0.1', port }))
  }
}

for (const version of [5, 4] as const) {
  test(`Secure broker in Node-RED ${version}: agents report over TLS with a user, and everybody does what the rules grant`, { timeout: 120_000, skip: withoutOpenssl || skipWithoutNodeRed(version) }, async t => {
    const port = await freePort()
    const tlsPort = await freePort()
    const names = ['sensor-1', 'sensor-2', 'application', 'operator', 'this-machine']
    const users = await Promise.all(names.map(async username => ({ username, hash: await hashPassword(`${username}!`) })))
    const authority = makeAuthority(await temporaryFolder(t))
    const { cert, key } = authority.issue('broker')
    const flow = await exampleFlow('Secure broker', {
      'platziverse-broker': { port, sys: 1, userCount: users.length, credentials: { users: JSON.stringify(users) } },
      'platziverse-agent': { interval: 1, hasLogin: true, credentials: { user: 'this-machine', password: 'this-machine!' } },
      'tls-config': { credentials: { certdata: cert, keydata: key, cadata: '', passphrase: '' } }
    })
    moveListeners(flow, tlsPort)
    const nodeRed = await startNodeRed({ version })
    t.after(() => nodeRed.stop())
    await nodeRed.deploy(flow)
    const heard: string[] = []
    const [sensor, other, application, operator] = await Promise.all(names.slice(0, 4).map(async username => {
      const options = { reconnectPeriod: 0, username, password: `${username}!`, ca: authority.cert, servername: 'localhost' }
      const connect = () => connectAsync(`mqtts://127.0.0.1:${tlsPort}`, options).catch(() => undefined)
      const client = await until(connect, client => client !== undefined) as MqttClient
      t.after(() => { client.end(true) })
      client.on('message', (topic, payload) => { heard.push(`${username} heard ${topic} ${topic.startsWith('$SYS') ? '' : payload}`) })
      return client
    })) as [MqttClient, MqttClient, MqttClient, MqttClient]
    await application.subscribeAsync('sensor_data/#', { qos: 1 })
    await sensor.subscribeAsync('config_change/sensor-1', { qos: 1 })
    await operator.subscribeAsync('$SYS/broker/clients/connected')
    await assert.rejects(other.subscribeAsync('config_change/sensor-1'))
    await assert.rejects(other.subscribeAsync('agent/#'))
    await assert.rejects(application.subscribeAsync('$SYS/#'))
    await other.publishAsync('sensor_data/sensor-1', 'a lie', { qos: 1 })
    await sensor.publishAsync('config_change/sensor-1', 'a lie', { qos: 1 })
    await sensor.publishAsync('sensor_data/sensor-1', '21.5', { qos: 1 })
    await operator.publishAsync('config_change/sensor-1', 'interval=5', { qos: 1 })
    await until(() => new Set(heard).size, size => size >= 3)
    assert.deepEqual([...new Set(heard)].sort(), ['application heard sensor_data/sensor-1 21.5', 'operator heard $SYS/broker/clients/connected ', 'sensor-1 heard config_change/sensor-1 interval=5'])

    await application.subscribeAsync('agent/#', { qos: 1 })
    await sensor.publishAsync('agent/message', reading('sensor-1', { agent: { uuid: 'sensor-1' } }), { qos: 1 })
    await until(() => heard.some(line => line.startsWith('application heard agent/message') && line.includes('"sensor-1"')), Boolean)
    const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
    t.after(() => knex.destroy())
    assert.deepEqual((await seriesOf(knex, 'sensor-1')).sort(), ['cpu', 'on', 'state'])
    // The agent of the flow logged in, too.
    await until(async () => await knex('series').where({ type: 'cpuLoad' }).count({ n: '*' }).first() as { n: number }, row => row.n === 1, 20_000)
    // And it obeys the operator.
    await operator.subscribeAsync('config_change/+/state', { qos: 1 })
    await operator.publishAsync('config_change/this-machine', '{"interval":2000}', { qos: 1, retain: true })
    await until(() => heard.some(line => line.startsWith('operator heard config_change/this-machine/state {"interval":2000,')), Boolean)
    await assert.rejects(sensor.subscribeAsync('config_change/this-machine'))
    // Nobody else speaks for an agent.
    await other.publishAsync('agent/message', reading('sensor-1', { agent: { uuid: 'sensor-1' }, metrics: [{ type: 'lie', value: 1 }] }), { qos: 1 })
    assert.deepEqual((await seriesOf(knex, 'sensor-1')).sort(), ['cpu', 'on', 'state'])
    await assert.rejects(connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }))
  })

  test(`Secure broker in Node-RED ${version}, as it is imported: it says that a certificate is missing, and the rest runs`, { timeout: 120_000, skip: skipWithoutNodeRed(version) }, async t => {
    const port = await freePort()
    const flows = await exampleFlow('Secure broker', { 'platziverse-broker': { port } })
    moveListeners(flows, await freePort())
    const nodeRed = await startNodeRed({ version, flows })
    t.after(() => nodeRed.stop())
    await nodeRed.waitForLog(/\(BROKER_CERTIFICATE_MISSING\)/)
    const connect = () => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined)
    const sender = await until(connect, client => client !== undefined) as MqttClient
    t.after(() => { sender.end(true) })
    await sender.publishAsync('agent/message', reading('a1'), { qos: 1 })
    await assert.rejects(sender.subscribeAsync('agent/#'), 'who has no user reads nothing')
    const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
    t.after(() => knex.destroy())
    assert.deepEqual((await seriesOf(knex, 'a1')).sort(), ['cpu', 'on', 'state'])
  })
}

for (const version of [5, 4] as const) {
  test(`Bridge runs unchanged in Node-RED ${version}: readings cross to the other broker, and settings back`, { timeout: 120_000, skip: skipWithoutNodeRed(version) }, async t => {
    const ports = { 8087: await freePort(), 1884: await freePort() }
    const flow = JSON.stringify(await exampleFlow('Bridge'))
    const flows = JSON.parse(flow.replace(/8087|1884/g, port => String(port === '8087' ? ports[8087] : ports[1884]))) as object[]
    const nodeRed = await startNodeRed({ version, flows })
    t.after(() => nodeRed.stop())
    const connect = async (port: number): Promise<{ client: MqttClient, heard: Set<string> }> => {
      const client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined) as MqttClient
      t.after(() => { client.end(true) })
      const heard = new Set<string>()
      client.on('message', (topic, payload) => { heard.add(`${topic} ${payload}`) })
      await client.subscribeAsync('#', { qos: 1 })
      return { client, heard }
    }
    const [plant, other] = await Promise.all([connect(ports[8087]), connect(ports[1884])])
    // Retained at the plant from the first second on; the bridge may have come later.
    await until(() => other.heard, heard => heard.has('plant-1/sensor_data/press/temperature 21.5'), 20_000)
    await plant.client.publishAsync('other', 'stays', { qos: 1 })
    await other.client.publishAsync('plant-1/config_change/press', 'interval=5', { qos: 1 })
    await until(() => plant.heard, heard => heard.has('config_change/press interval=5') && heard.has('other stays'))
    assert.ok([...other.heard].every(text => text.startsWith('plant-1/')), [...other.heard].join())
  })
}

for (const version of [5, 4] as const) {
  test(`Ask metrics runs unchanged in Node-RED ${version}: every button has its answer`, { timeout: 120_000, skip: skipWithoutNodeRed(version) }, async t => {
    const flows = await exampleFlow('Ask metrics', { debug: { console: true } })
    const nodeRed = await startNodeRed({ version, flows })
    t.after(() => nodeRed.stop())
    const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
    t.after(() => knex.destroy())
    const press = async (name: string, expected: RegExp): Promise<void> => {
      const from = nodeRed.log.length
      await nodeRed.api(`inject/${flows.find(node => node.name === name)?.id}`, { method: 'POST' })
      await nodeRed.waitForLog(expected, { from })
    }
    await nodeRed.api(`inject/${flows.find(({ name }) => name === 'a day of temperatures')?.id}`, { method: 'POST' })
    await until(async () => await knex('metrics').count({ n: '*' }).first().catch(() => undefined) as { n: number } | undefined, row => row?.n === 2 * 289)
    await press('latest values', /type: 'door',\s+ts: \d+,\s+value: 'open'[^]*type: 'temperature'/)
    await press('last 20 temperatures', /\[debug:answer\]\s+\[\s+\{ ts: \d+, value: [\d.]+ \}/)
    await press('the day by hour', /ts: \d+, avg: [\d.]+, min: [\d.]+, max: [\d.]+/)
    await press('all agents', /uuid: 'kitchen',\s+username: 'demo',\s+name: 'Kitchen'/)
    await press('latest of all agents', /uuid: 'kitchen',\s+name: 'Kitchen',\s+type: 'door'/)
    await press('days in Madrid', /ts: \d+, min: [\d.]+, max: [\d.]+ \}/)
    await press('points for a chart', /series: 'temperature',\s+x: \d+,\s+y: [\d.]+/)
    await press('follow the latest values', /type: 'temperature',\s+ts: \d+/)
    // Not asked again: what is stored is the reason.
    await press('one temperature now', /\[debug:answer\][^]*type: 'temperature',\s+ts: \d+/)
    await nodeRed.api(`inject/${flows.find(({ name }) => name === 'stop following')?.id}`, { method: 'POST' })
  })
}

/** One database for all that store: Node-RED takes the one that is there already instead of importing a second. The dashboards take any. */
const sharedDatabase = '906961032e715eb7'

test('example flows have only nodes of this package and of the core, ids of their own, and at most one database', async () => {
  const own = Object.keys((await import('../../package.json', { with: { type: 'json' } })).default['node-red'].nodes)
  const core = [
    'tab', 'comment', 'debug', 'inject', 'function', 'template', 'catch', 'change', 'delay', 'switch', 'link in', 'link out', 'http in', 'http response', 'tls-config', 'mqtt-broker',
    'mqtt in', 'mqtt out', 'global-config'
  ]
  /** Of modules that the example's global-config lists, so that importing it offers to install them. */
  const listed: Record<string, string[]> = { 'Alerts.json': ['e-mail', 'telegram bot', 'telegram sender', 'pushover'] }
  const ids = new Set<string>()
  /** The dashboard, its looks and its module are those of every page. */
  const dashboards = new Map<string, object>()
  for (const file of await readdir(join(packageDir, 'flows'))) {
    for (const { id, type, ...saved } of await exampleFlow(file.replace(/\.json$/, ''))) {
      assert.ok(own.includes(type) || core.includes(type) || type.startsWith('ui-') || listed[file]?.includes(type), `${file}: ${type}`)
      assert.match(id, /^[0-9a-f]{16}$/)
      // The workers' is a server, which they reach by the variables of their tab.
      if (type === 'platziverse-database' && saved['client'] === 'sqlite') {
        assert.deepEqual({ id, ...saved }, { id: sharedDatabase, name: '', client: 'sqlite', filename: 'platziverse.sqlite' }, file)
        continue
      }
      if (['ui-base', 'ui-theme', 'global-config'].includes(type)) {
        assert.deepEqual(saved, dashboards.get(id) ?? saved, file)
        dashboards.set(id, saved)
        continue
      }
      assert.ok(!ids.has(id), `${id} is in two places`)
      ids.add(id)
    }
  }
})
