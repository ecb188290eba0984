import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import knexFactory, { type Knex } from 'knex'
import { connect, connectAsync } from 'mqtt'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'

const kills = 2
const perKill = 1_000
const inFlight = 20
const otherTopics = [{ topic: 'tele/{uuid}/SENSOR', format: 'json', time: { path: 'at', unit: 'ms' } }]

function databaseOf (t: TestContext, userDir: string): Knex {
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  return knex
}

const storedBy = (knex: Knex, type: string): Promise<number[]> => knex('platziverse_metrics').where({ agent: 'plug', type }).orderBy('value').pluck<number[]>('value')

test('killed under load, Node-RED keeps every acknowledged publication on another topic exactly once', { timeout: 180_000 }, async t => {
  const userDir = await temporaryFolder(t)
  const port = await freePort()
  const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port }, 'agent-in': { otherTopics } }, ['platziverse-agent', 'debug'])
  let nodeRed = await startNodeRed({ userDir, flows })
  t.after(() => nodeRed.stop())

  // Its store sends again what was not acknowledged.
  const client = connect(`mqtt://127.0.0.1:${port}`, { clientId: 'plug', clean: false, reconnectPeriod: 200 })
  client.on('error', () => undefined)
  t.after(() => client.endAsync(true))
  const acknowledged = new Set<number>()
  const start = Date.now()
  let next = 0
  let isOver = false
  const send = async (): Promise<void> => {
    while (!isOver) {
      const n = next++
      await client.publishAsync('tele/plug/SENSOR', JSON.stringify({ at: start + n, n, nested: { twice: n * 2 } }), { qos: 1 })
      acknowledged.add(n)
    }
  }
  const runs = Array.from({ length: inFlight }, send)

  for (let kill = 0; kill < kills; kill++) {
    const before = acknowledged.size
    await until(() => acknowledged.size, size => size >= before + perKill, 60_000)
    await nodeRed.kill('SIGKILL')
    nodeRed = await startNodeRed({ userDir })
  }
  const before = acknowledged.size
  await until(() => acknowledged.size, size => size >= before + perKill / 2, 60_000)
  isOver = true
  await Promise.all(runs)

  const knex = databaseOf(t, userDir)
  for (const [type, times] of [['n', 1], ['nested.twice', 2]] as const) {
    assert.deepEqual(await storedBy(knex, type), [...acknowledged].sort((a, b) => a - b).map(n => n * times), type)
  }
  t.diagnostic(`${acknowledged.size} publications acknowledged across ${kills} kills`)
})

test('killed under load, Node-RED stores everything that was published at a broker elsewhere exactly once', { timeout: 180_000, skip: withoutMosquitto }, async t => {
  const userDir = await temporaryFolder(t)
  const mosquitto = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
  const url = `mqtt://127.0.0.1:${mosquitto.port}`
  // A second row for the same publications, which does not read them.
  const rows = [...otherTopics, { topic: '{place}/plug/{type}', format: 'value' }]
  const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { mode: 'elsewhere', url, group: '' }, 'agent-in': { otherTopics: rows } }, ['platziverse-agent', 'agent-out', 'debug'])
  let nodeRed = await startNodeRed({ userDir, flows })
  t.after(() => nodeRed.stop())
  const knex = databaseOf(t, userDir)
  // Before the first start has made the tables there is nothing.
  const stored = (): Promise<number> => knex('platziverse_metrics').where({ type: 'n' }).count({ n: '*' }).first().then(row => Number(row?.['n']), () => 0)

  const device = await connectAsync(url)
  t.after(() => device.endAsync(true))
  const start = Date.now()
  let next = 0
  const publish = (): Promise<unknown> => {
    const n = next++
    return device.publishAsync('tele/plug/SENSOR', JSON.stringify({ at: start + n, n, nested: { twice: n * 2 } }), { qos: 1 })
  }
  // Its session begins with its first subscription: what comes before is not for it.
  await until(async () => {
    await publish()
    return stored()
  }, count => count > 0, 30_000)
  const first = (await storedBy(knex, 'n'))[0]!
  let isOver = false
  const sending = (async () => {
    while (!isOver) {
      await Promise.all(Array.from({ length: inFlight }, publish))
      await pause(10)
    }
  })()

  for (let kill = 0; kill < kills; kill++) {
    const before = await stored()
    await until(stored, count => count >= before + perKill, 60_000)
    await nodeRed.kill('SIGKILL')
    nodeRed = await startNodeRed({ userDir })
  }
  isOver = true
  await sending
  const all = Array.from({ length: next - first }, (_, i) => first + i)
  await until(stored, count => count >= all.length, 60_000)
  for (const [type, times] of [['n', 1], ['nested.twice', 2]] as const) assert.deepEqual(await storedBy(knex, type), all.map(n => n * times), type)
  t.diagnostic(`${all.length} publications across ${kills} kills`)
})
