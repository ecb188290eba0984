import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import { connectAsync, type MqttClient } from 'mqtt'
import { until } from '../helpers/events.ts'
import { useNodeRed, type TestFlow } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { reading } from '../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'

const load = useNodeRed()

async function client (t: TestContext, url: string, options: object = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

/** The nodes of the main flow, with helper nodes at their ends. */
function nodesOf (filename: string, broker: object, changes: Record<string, object> = {}): object[] {
  return [
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', type: 'platziverse-broker', mode: 'elsewhere', wires: [['clients'], ['answers']], ...broker },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', wires: [['store'], ['store'], ['store'], ['rejected']] },
    { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['out', 'stored']] },
    { id: 'out', z: 'tab', type: 'agent-out', broker: 'broker', topic: 'platform/{uuid}' },
    { id: 'errors', z: 'tab', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    ...['clients', 'answers', 'rejected', 'stored', 'caught'].map(id => ({ id, z: 'tab', type: 'helper' }))
  ].map(node => ({ ...node, ...'z' in node ? { x: 1, y: 1 } : {}, ...changes[node.id] }))
}

async function connected (flow: TestFlow): Promise<void> {
  await until(() => flow.status('broker')?.fill, fill => fill === 'green')
}

/** How many metrics are in the database. */
async function stored (filename: string): Promise<number> {
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  try {
    const [row] = await knex('metrics').count({ count: '*' }) as Array<{ count: number }>
    return row?.count ?? 0
  } finally {
    await knex.destroy()
  }
}

describe('a platziverse-broker that is elsewhere', { skip: withoutMosquitto }, () => {
  test('what agents publish there is stored, and agent-out publishes it there', async t => {
    const { port } = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${port}`
    const filename = join(await temporaryFolder(t), 'test.sqlite')
    const flow = await load(nodesOf(filename, { url }))
    await connected(flow)
    assert.equal(flow.status('broker')?.text, 'platziverse-broker.status.connected')
    const subscriber = await client(t, url)
    const heard: string[] = []
    subscriber.on('message', (topic, payload) => { heard.push(`${topic} ${payload.toString()}`) })
    await subscriber.subscribeAsync('platform/#', { qos: 1 })
    const payload = reading('a1')
    await subscriber.publishAsync('agent/message', payload, { qos: 1 })
    await until(() => heard, ({ length }) => length === 1)
    assert.deepEqual(heard, [`platform/a1 ${payload}`])
    assert.equal(await stored(filename), 3)

    flow.receive('broker', { topic: 'statistics' })
    const [answer] = await until(() => flow.received('answers'), ({ length }) => length === 1)
    const { received, delivered, messages, rejected } = answer?.payload as Record<string, number>
    assert.deepEqual({ received, delivered, messages, rejected }, { received: 1, delivered: 1, messages: 1, rejected: 0 })
    assert.deepEqual(flow.log().filter(line => /[A-Z]{3,}_[A-Z]/.test(line)), [])
  })
})
