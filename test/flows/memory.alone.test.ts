import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import knexFactory from 'knex'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'

const megabyte = 1_000_000

/** Node-RED with a heap as on a small machine, whose database is locked by another program. */
async function smallMachine (t: TestContext) {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const port = await freePort()
  const red = await startNodeRed({
    env: { NODE_OPTIONS: '--max-old-space-size=512' },
    flows: [
      { id: 'tab', type: 'tab', label: 'test' },
      { id: 'broker', z: 'tab', type: 'platziverse-broker', name: '', host: '', port, wires: [[], []], x: 1, y: 1 },
      { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
      { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', wires: [['store'], ['store'], ['store'], []], x: 1, y: 1 },
      { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['out', 'last']], x: 1, y: 1 },
      { id: 'out', z: 'tab', type: 'agent-out', broker: 'broker', x: 1, y: 1 },
      { id: 'last', z: 'tab', type: 'change', rules: [], wires: [[]], x: 1, y: 1 }
    ]
  })
  t.after(() => red.stop())
  const connect = async (clientId: string): Promise<MqttClient> => {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId, reconnectPeriod: 0, keepalive: 0 })
    client.on('error', () => undefined)
    t.after(() => { client.end(true) })
    return client
  }
  const first = await connect('first')
  await first.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'first' }, metrics: [{ type: 'a', value: 1 }] }), { qos: 1 })
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true, pool: { min: 1, max: 1 } })
  t.after(() => knex.destroy())
  await knex.raw('begin immediate')
  let most = 0
  const watch = setInterval(() => {
    readFile(`/proc/${red.pid}/status`, 'utf8').then(text => { most = Math.max(most, Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) * 1024) }, () => undefined)
  }, 100)
  t.after(() => { clearInterval(watch) })
  return { red, connect, knex, unlock: () => knex.raw('commit'), most: () => most, isAlive: async () => { await red.api('settings') } }
}

function messageWith (uuid: string, i: number, x: string): string {
  return `{"agent":{"uuid":"${uuid}"},"metrics":[{"type":"a","value":${i}}],"timestamp":${1_700_000_000_000 + i},"x":${x}}`
}

const skip = process.platform === 'linux' ? false : 'memory is read from /proc'

const objects = `[${'{},'.repeat(665_999)}{}]`
const inputs: Array<[string, (uuid: string, i: number) => string, number]> = [
  ['666,000 objects in an unknown field', (uuid, i) => messageWith(uuid, i, objects), 20],
  ['a text of 2 MB in an unknown field', (uuid, i) => messageWith(uuid, i, JSON.stringify('x'.repeat(2 * megabyte))), 20],
  ['60,000 objects in an unknown field', (uuid, i) => messageWith(uuid, i, `[${'{},'.repeat(59_999)}{}]`), 15],
  ['a kilobyte of objects', (uuid, i) => messageWith(uuid, i, `[${'{},'.repeat(280)}{}]`), 2_000]
]
for (const [name, payload, each] of inputs) {
  test(`messages with ${name}, while the database is locked, take no more memory than a machine of 1 GB has`, { skip, timeout: 120_000 }, async t => {
    const { connect, knex, unlock, most, isAlive } = await smallMachine(t)
    const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => connect(`c${i}`)))
    let acknowledged = 0
    let failed = 0
    for (const [c, client] of clients.entries()) {
      for (let i = 0; i < each; i++) client.publish('agent/message', payload(`c${c}`, i), { qos: 1 }, error => { if (error) failed++; else acknowledged++ })
    }
    // Until nothing more goes in, or all of it is rejected.
    let before = -1
    for (let quiet = 0; quiet < 3;) {
      await new Promise(resolve => setTimeout(resolve, 500))
      await isAlive()
      // Node-RED's own work takes less than this.
      quiet = most() - before < 2 * megabyte ? quiet + 1 : 0
      before = most()
    }
    await unlock()
    await until(() => acknowledged + failed, n => n === clients.length * each, 60_000)
    await isAlive()
    t.diagnostic(`${name}: most ${Math.round(most() / megabyte)} MB, acknowledged ${acknowledged}`)
    assert.equal(failed, 0)
    assert.ok(most() < 800 * megabyte, `${Math.round(most() / megabyte)} MB`)
    const rows = (await knex('metrics').count({ n: '*' }) as Array<{ n: number }>)[0]?.n
    assert.equal(rows, name.startsWith('666') ? 1 : 1 + clients.length * each)
  })
}
