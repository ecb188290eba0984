import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import knexFactory from 'knex'
import { connectAsync } from 'mqtt'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { tcpProxy } from '../helpers/tcp-proxy.ts'

const load = useNodeRed()
const at = 1_764_000_000_000

test('a bridge brings other topics: each is stored once, also over a break, what was retained is not, and who is there is known', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
  const device = await connectAsync(`mqtt://127.0.0.1:${port}`)
  t.after(() => device.endAsync(true))
  const report = (n: number, retain = false): Promise<unknown> => device.publishAsync('tele/plug/SENSOR', JSON.stringify({ at: at + n, n }), { qos: 1, retain })
  await report(0, true)
  await device.publishAsync('tele/plug/LWT', 'Online', { qos: 1, retain: true })
  const proxy = await tcpProxy(t, port)
  const filename = join(await temporaryFolder(t), 'platziverse.sqlite')
  const otherTopics = [
    { topic: 'home/tele/{uuid}/SENSOR', format: 'json', time: { path: 'at', unit: 'ms' } },
    { topic: 'home/tele/{uuid}/LWT', format: 'presence', presence: { online: 'Online', offline: 'Offline' } }
  ]
  const topics = [{ direction: 'in', filter: 'tele/#', qos: 1, localPrefix: 'home/', remotePrefix: '' }]
  const flow = await load([
    { id: 'broker', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'bridge', type: 'platziverse-bridge', broker: 'broker', url: `mqtt://127.0.0.1:${proxy.port}`, topics, wires: [[]] },
    { id: 'in', type: 'agent-in', broker: 'broker', otherTopics, wires: [['store'], ['store'], ['store'], []] },
    { id: 'store', type: 'metric-store', database: 'database', wires: [[]] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename }
  ])
  const subscriber = await connectAsync(await flow.url('broker'))
  t.after(() => subscriber.endAsync(true))
  const heard: string[] = []
  subscriber.on('message', (topic, payload) => { heard.push(`${topic} ${payload.toString()}`) })
  await subscriber.subscribeAsync('home/#', { qos: 1 })
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const connected = (): Promise<boolean | undefined> => knex('agents').where({ uuid: 'plug' }).first('connected').then(row => row && Boolean(row.connected), () => undefined)
  const stored = (): Promise<number[]> => knex('platziverse_metrics').where({ agent: 'plug', type: 'n' }).orderBy('value').pluck<number[]>('value').then(all => all, () => [])

  await until(connected, is => is === true)
  for (let n = 1; n <= 20; n++) await report(n, n % 2 === 0)
  await until(stored, all => all.length >= 20)
  const open = proxy.clients.size
  const sending = (async () => { for (let n = 21; n <= 60; n++) await report(n) })()
  for (const socket of proxy.clients) socket.destroy()
  await sending
  await until(() => proxy.clients.size, size => size >= open)
  await report(61)
  await until(stored, all => all.includes(61))
  assert.deepEqual(await stored(), Array.from({ length: 61 }, (_, i) => i + 1))
  // Subscribers get what was retained as well, and what the break had begun, twice.
  assert.equal(new Set(heard.filter(text => text.startsWith('home/tele/plug/SENSOR'))).size, 62)
  await device.publishAsync('tele/plug/LWT', 'Offline', { qos: 1, retain: true })
  await until(connected, is => is === false)
})
