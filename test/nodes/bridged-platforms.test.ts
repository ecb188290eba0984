import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { connectAsync, type MqttClient } from 'mqtt'
import { until } from '../helpers/events.ts'
import { useNodeRed, type TestFlow } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { freePort } from '../helpers/node-red.ts'

const load = useNodeRed()
const names = ['a', 'b'] as const
type Name = typeof names[number]

interface Platform { publisher: MqttClient, heard: string[], knex: Knex }

/** Two whole platforms, each with its broker, database and subscriber. */
async function platforms (t: TestContext, bridged: Array<[from: Name, to: Name]>, { acknowledge = 'stored', delay = 0 } = {}): Promise<{ a: Platform, b: Platform, flow: TestFlow }> {
  const folder = await temporaryFolder(t)
  const ports = { a: await freePort(), b: await freePort() }
  const topics = [{ direction: 'both', filter: 'agent/#', qos: 1, localPrefix: '', remotePrefix: '' }]
  const file = (name: Name): string => join(folder, `${name}.sqlite`)
  const nodes = names.flatMap(name => [
    { id: `broker-${name}`, type: 'platziverse-broker', port: ports[name], wires: [[], []] },
    { id: `in-${name}`, type: 'agent-in', broker: `broker-${name}`, acknowledge, wires: [[`store-${name}`], [`store-${name}`], [`store-${name}`], []] },
    { id: `store-${name}`, type: 'metric-store', database: `database-${name}`, wires: [[delay > 0 ? `delay-${name}` : `out-${name}`]] },
    { id: `delay-${name}`, type: 'function', func: `await new Promise(resolve => { setTimeout(resolve, ${delay}) })\nreturn msg`, outputs: 1, wires: [[`out-${name}`]] },
    { id: `out-${name}`, type: 'agent-out', broker: `broker-${name}`, qos: '1', wires: [] },
    { id: `database-${name}`, type: 'platziverse-database', client: 'sqlite', filename: file(name) }
  ])
  const bridges = bridged.map(([from, to]) => ({ id: `bridge-${from}-${to}`, type: 'platziverse-bridge', broker: `broker-${from}`, url: `mqtt://127.0.0.1:${ports[to]}`, topics, wires: [[]] }))
  const flow = await load([...nodes, ...bridges])
  const open = async (name: Name): Promise<Platform> => {
    const url = await flow.url(`broker-${name}`)
    const client = async (): Promise<MqttClient> => {
      const client = await connectAsync(url, { reconnectPeriod: 0 })
      t.after(() => { client.end(true) })
      return client
    }
    const heard: string[] = []
    const subscriber = await client()
    subscriber.on('message', (topic, payload) => { heard.push(`${topic} ${payload}`) })
    await subscriber.subscribeAsync('agent/#', { qos: 1 })
    const knex = knexFactory({ client: 'sqlite3', connection: { filename: file(name) }, useNullAsDefault: true })
    t.after(() => knex.destroy())
    return { publisher: await client(), heard, knex }
  }
  const [a, b] = [await open('a'), await open('b')]
  return { a, b, flow }
}

/** Nothing comes any more. */
async function quiet (...sides: Platform[]): Promise<void> {
  let before = -1
  await until(async () => {
    const last = before
    before = sides.reduce((sum, { heard }) => sum + heard.length, 0)
    await new Promise(resolve => { setTimeout(resolve, 300) })
    return before === last && sides.reduce((sum, { heard }) => sum + heard.length, 0) === before
  }, over => over)
}

const one: Array<[Name, Name]> = [['a', 'b']]
const setups: Array<[string, Array<[Name, Name]>, { acknowledge?: string, delay?: number }]> = [
  ['one bridge', one, {}],
  ['one bridge and acknowledgements on arrival', one, { acknowledge: 'arrival' }],
  ['one bridge and slow flows', one, { delay: 50 }],
  ['a bridge each', [...one, ['b', 'a']], {}]
]
for (const [text, bridged, flows] of setups) {
  test(`two platforms with ${text} between them, both ways, store each message once each, and settle`, async t => {
    const { a, b } = await platforms(t, bridged, flows)
    const ready = async (side: Platform, other: Platform): Promise<void> => {
      await until(async () => {
        await side.publisher.publishAsync('agent/connected', JSON.stringify({ agent: { uuid: 'probe' } }), { qos: 1 })
        return other.heard.length
      }, n => n > 0)
    }
    await ready(a, b)
    await ready(b, a)
    await quiet(a, b)
    const send = async ({ publisher }: Platform, uuid: string): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        // Some without a timestamp: nothing but what the platforms add tells them apart.
        const seq = bridged.length === 1 ? '' : `, "seq": ${i}`
        const timestamp = i % 2 === 0 ? '' : `, "timestamp": "2026-01-01T00:00:0${i}Z"${seq}`
        await publisher.publishAsync('agent/message', `{ "agent": { "uuid": "${uuid}" }, "metrics": [{ "type": "t", "value": ${i} }]${timestamp} }`, { qos: 1 })
      }
      await publisher.publishAsync('agent/disconnected', JSON.stringify({ agent: { uuid } }), { qos: 1 })
    }
    await send(a, 'of-a')
    await send(b, 'of-b')
    for (const side of [a, b]) await until(() => side.heard, heard => ['of-a', 'of-b'].every(uuid => heard.some(text => text.startsWith('agent/disconnected') && text.includes(uuid))))
    await quiet(a, b)
    for (const { heard, knex } of [a, b]) {
      const rows = await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select('uuid', 'value').orderBy(['uuid', 'value'])
      assert.deepEqual(rows.map(({ uuid, value }: { uuid: string, value: number }) => `${uuid} ${value}`), ['of-a', 'of-b'].flatMap(uuid => Array.from({ length: 10 }, (_, i) => `${uuid} ${i}`)))
      const messages = heard.filter(text => text.startsWith('agent/message'))
      if (bridged.length === 1) assert.equal(messages.length, 20)
      else assert.ok(messages.length <= 40, `${messages.length}`)
    }
  })
}

// https://github.com/influxdata/telegraf/pull/7177 and https://github.com/node-red/node-red/issues/3285: what a broker retained came again, as if it
// had just been measured, each time its reader subscribed.
test('what the other broker retained of agents before the bridge subscribed is no news, and what it retains from then on is', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t)
  const device = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  t.after(() => { device.end(true) })
  const send = async (topic: string, payload: object): Promise<unknown> => await device.publishAsync(topic, JSON.stringify(payload), { qos: 1, retain: true })
  const metric = (uuid: string, value: number): object => ({ agent: { uuid }, metrics: [{ type: 't', value }] })
  await send('agent/connected', { agent: { uuid: 'gone' } })
  await send('agent/message', metric('gone', 899))
  await send('plant', { a: 1 })
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const flow = await load([
    { id: 'broker', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'in', type: 'agent-in', broker: 'broker', wires: [['heard', 'store'], ['heard', 'store'], ['heard', 'store'], []] },
    { id: 'heard', type: 'helper' },
    { id: 'store', type: 'metric-store', database: 'database', wires: [[]] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'bridge', type: 'platziverse-bridge', broker: 'broker', url: `mqtt://127.0.0.1:${port}`, topics: [{ direction: 'in', filter: '#', qos: 1, localPrefix: '', remotePrefix: '' }], wires: [[]] }
  ])
  const subscriber = await connectAsync(await flow.url('broker'), { reconnectPeriod: 0 })
  t.after(() => { subscriber.end(true) })
  const plant = new Promise(resolve => { subscriber.once('message', resolve) })
  await subscriber.subscribeAsync('plant')
  await plant
  await send('agent/message', metric('here', 1))
  await send('agent/message', metric('here', 2))
  const heard = await until(() => flow.received<{ topic: string, payload: { agent: { uuid: string } } }>('heard'), messages => messages.length >= 2)
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  await until(async () => await knex('metrics').pluck<number[]>('value'), values => values.includes(2))
  assert.deepEqual(heard.map(({ topic, payload }) => `${topic} ${payload.agent.uuid}`), ['agent/message here', 'agent/message here'])
  assert.deepEqual(await knex('metrics').orderBy('ts').pluck<number[]>('value'), [1, 2])
})
