import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { hashPassword } from '../../lib/broker/access/passwords.ts'
import { presets } from '../../lib/mapping/presets/presets.ts'
import { devices } from '../fixtures/devices/devices.ts'
import { encode } from '../fixtures/devices/sparkplug.ts'
import { once, until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'

// Every preset in the table of an agent-in, and every device as it publishes: what the database has in the end is what the recordings say.

const load = useNodeRed()
// The two of Telegraf have one topic.
const used = presets.filter(({ id }) => id !== 'telegraf-json')

async function platform (t: TestContext, users: string[] = []) {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const flow = await load([
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', otherTopics: used.flatMap(({ rules }) => rules), wires: [['store'], ['store'], ['store'], ['rejected']] },
    { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['stored']] },
    { id: 'stored', z: 'tab', type: 'helper' },
    { id: 'rejected', z: 'tab', type: 'helper' }
  ].map(node => ({ ...node, ...'z' in node ? { x: 1, y: 1 } : {} })), { broker: { users: JSON.stringify(await Promise.all(users.map(async username => ({ username, hash: await hashPassword(username) })))) } })
  const url = await flow.url('broker')
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const connect = async (options: IClientOptions = {}): Promise<MqttClient> => {
    const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options })
    client.on('error', () => undefined)
    t.after(() => client.endAsync(true))
    return client
  }
  /** `+uuid`, `-uuid` or `uuid`, in the order in which it was stored. */
  const signs: Record<string, string> = { 'agent/connected': '+', 'agent/disconnected': '-', 'agent/message': '' }
  const stored = (): string[] => flow.received<{ topic: string, payload: { agent: { uuid: string } } }>('stored').map(({ topic, payload: { agent } }) => `${signs[topic]}${agent.uuid}`)
  const connected = async (): Promise<string[]> => (await knex('agents').where({ connected: true }).select('uuid').orderBy('uuid')).map(({ uuid }: { uuid: string }) => uuid)
  return { flow, knex, connect, stored, connected }
}

for (const protocolVersion of [4, 5] as const) {
  test(`what devices publish is in the database once they have their acknowledgements: MQTT ${protocolVersion}`, async t => {
    const { flow, knex, connect } = await platform(t)
    for (const { id, label } of used) {
      const client = await connect({ protocolVersion, clientId: id })
      const expected = new Map<string, { name: string | null, connected: boolean, metrics: string[] }>()
      for (const { topic, payload, retain = false, says } of devices[id] ?? []) {
        await client.publishAsync(topic, payload, { qos: 1, retain })
        for (const said of says === 'nobody' ? [] : says) {
          const agent = expected.get(said.agent) ?? { name: null, connected: true, metrics: [] }
          expected.set(said.agent, agent)
          if ('is' in said) {
            agent.connected = said.is === 'connected'
          } else {
            agent.name = said.name ?? agent.name
            agent.connected = true
            const ts = said.timestamp === undefined ? undefined : new Date(said.timestamp).getTime()
            agent.metrics.push(...Object.entries(said.metrics).map(([type, value]) => row(type, value, ts)))
          }
        }
      }
      const all = (devices[id] ?? []).flatMap(({ says }) => says === 'nobody' ? [] : says)
      const untimed = new Set(all.filter(said => !('is' in said) && said.timestamp === undefined).map(({ agent }) => agent))
      for (const [uuid, { name, connected, metrics }] of expected) {
        const [agent] = await knex('agents').where({ uuid }) as Array<{ name: string | null, connected: number }>
        assert.deepEqual({ name: agent?.name, connected: Boolean(agent?.connected) }, { name, connected }, `${label}: ${uuid}`)
        const rows = await knex('platziverse_metrics').where({ agent: uuid }) as Array<{ type: string, value: number | null, text: string | null, ts: number }>
        assert.deepEqual(rows.map(({ type, value, text, ts }) => row(type, value ?? text ?? '', untimed.has(uuid) ? undefined : ts)).sort(), metrics.map(line => untimed.has(uuid) ? line.replace(/ @.*/, '') : line).sort(), `${label}: ${uuid}`)
      }
      await client.endAsync()
    }
    assert.deepEqual(flow.received('rejected'), [])
    const known = used.flatMap(({ id }) => (devices[id] ?? []).flatMap(({ says }) => says === 'nobody' ? [] : says.map(({ agent }) => agent)))
    assert.deepEqual((await knex('agents').select('uuid')).map(({ uuid }: { uuid: string }) => uuid).sort(), [...new Set(known)].sort())
  })
}

const lwt = { topic: 'tele/plug/LWT', payload: Buffer.from('Offline'), qos: 1, retain: true } as const

test('a device whose connection breaks is gone once, by its will and by the end of its connection', async t => {
  const { connect, stored, connected } = await platform(t)
  const plug = await connect({ clientId: 'plug', will: lwt })
  await plug.publishAsync('tele/plug/LWT', 'Online', { qos: 1, retain: true })
  await plug.publishAsync('tele/plug/SENSOR', '{"ENERGY":{"Power":5}}', { qos: 1 })
  assert.deepEqual(await connected(), ['plug'])
  plug.stream.destroy()
  await until(stored, all => all.includes('-plug'))
  // Something else, that comes after whatever else the broken connection leads to.
  const other = await connect()
  await other.publishAsync('tele/other/LWT', 'Online', { qos: 1 })
  await until(stored, all => all.includes('+other'))
  assert.deepEqual(stored(), ['+plug', 'plug', '-plug', '+other'])
  assert.deepEqual(await connected(), ['other'])
})

// https://github.com/256dpi/arduino-mqtt/issues/166, https://github.com/F1p/Home-Assistant-Mitsubishi-CN105-to-MQTT/issues/60
test('a device that is said to be gone is there once it says something', async t => {
  const { connect, connected } = await platform(t)
  const plug = await connect({ clientId: 'plug' })
  await plug.publishAsync('tele/plug/LWT', 'Online', { qos: 1 })
  await plug.publishAsync('tele/plug/LWT', 'Offline', { qos: 1, retain: true })
  assert.deepEqual(await connected(), [])
  await plug.publishAsync('tele/plug/SENSOR', '{"ENERGY":{"Power":5}}', { qos: 1 })
  assert.deepEqual(await connected(), ['plug'])
})

test('a device that connects again before its old connection has ended stays there', async t => {
  const { connect, stored, connected } = await platform(t)
  const first = await connect({ clientId: 'plug', will: lwt })
  await first.publishAsync('tele/plug/LWT', 'Online', { qos: 1, retain: true })
  // The broker ends the first connection, and publishes its will.
  const second = await connect({ clientId: 'plug', will: lwt })
  await second.publishAsync('tele/plug/LWT', 'Online', { qos: 1, retain: true })
  await second.publishAsync('tele/plug/SENSOR', '{"ENERGY":{"Power":5}}', { qos: 1 })
  await until(stored, all => all.at(-1) === 'plug')
  assert.deepEqual(await connected(), ['plug'])
})

test('a node of Sparkplug that breaks takes its devices along, and its old death does not end its next birth', async t => {
  const { flow, connect, stored, connected } = await platform(t)
  const node = async (bdSeq: number): Promise<MqttClient> => {
    const metrics = [{ name: 'bdSeq', type: 'UInt64', value: bdSeq }] as const
    const client = await connect({ clientId: `line-${bdSeq}`, will: { topic: 'spBv1.0/Plant/NDEATH/Line', payload: encode({ timestamp: Date.now(), metrics: [...metrics] }), qos: 1, retain: false } })
    await client.publishAsync('spBv1.0/Plant/NBIRTH/Line', encode({ timestamp: Date.now(), seq: 0, metrics: [...metrics, { name: 'Up', alias: 1, type: 'Boolean', value: true }] }), { qos: 1 })
    await client.publishAsync('spBv1.0/Plant/DBIRTH/Line/Press', encode({ timestamp: Date.now(), seq: 1, metrics: [{ name: 'Force', alias: 2, type: 'Double', value: 1.5 }] }), { qos: 1 })
    return client
  }
  const both = ['Plant:Line', 'Plant:Line:Press']
  const first = await node(1)
  assert.deepEqual(await connected(), both)
  const second = await node(2)
  const witness = await connect()
  await witness.subscribeAsync('spBv1.0/Plant/NDEATH/Line')
  const death = once(witness, 'message')
  // Its network was gone for a while: the broker publishes its will only now.
  first.stream.destroy()
  await death
  await witness.publishAsync('tele/other/LWT', 'Online', { qos: 1 })
  await second.publishAsync('spBv1.0/Plant/DDATA/Line/Press', encode({ timestamp: Date.now(), seq: 2, metrics: [{ alias: 2, type: 'Double', value: 2.5 }] }), { qos: 1 })
  assert.deepEqual(await connected(), [...both, 'other'])
  second.stream.destroy()
  await until(stored, all => all.slice(-2).sort().join() === both.map(uuid => `-${uuid}`).join())
  assert.deepEqual(await connected(), ['other'])
  assert.deepEqual(flow.received('rejected'), [])
})

test('a user who may not speak for a node of Sparkplug cannot rename its metrics', async t => {
  const { flow, knex, connect } = await platform(t, ['plant', 'stranger'])
  const plant = await connect({ username: 'plant', password: 'plant' })
  const stranger = await connect({ username: 'stranger', password: 'stranger' })
  const birth = (name: string): Buffer => encode({ timestamp: Date.now(), seq: 0, metrics: [{ name: 'bdSeq', type: 'UInt64', value: 1 }, { name, alias: 1, type: 'Double', value: 1.5 }] })
  await plant.publishAsync('spBv1.0/Plant/NBIRTH/Line', birth('pressure'), { qos: 1 })
  await stranger.publishAsync('spBv1.0/Plant/NBIRTH/Line', birth('temperature'), { qos: 1 })
  await plant.publishAsync('spBv1.0/Plant/NDATA/Line', encode({ timestamp: Date.now(), seq: 1, metrics: [{ alias: 1, type: 'Double', value: 2.5 }] }), { qos: 1 })
  assert.deepEqual((await knex('platziverse_metrics').select('type', 'value').orderBy('ts')).map(({ type, value }: { type: string, value: number }) => `${type} ${value}`), ['pressure 1.5', 'pressure 2.5'])
  assert.deepEqual([...new Set(flow.received<{ payload: { reason: string } }>('rejected').map(({ payload }) => payload.reason))], ['AGENT_NOT_THEIRS'])
})

/** A metric in a line. */
function row (type: string, value: unknown, ts: number | undefined): string {
  return `${type}=${typeof value === 'boolean' ? Number(value) : String(value)}${ts === undefined ? '' : ` @${ts}`}`
}
