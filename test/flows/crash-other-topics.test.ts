import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import knexFactory from 'knex'
import { connect } from 'mqtt'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'

const kills = 2
const perKill = 1_000
const inFlight = 20

test('killed under load, Node-RED keeps every acknowledged publication on another topic exactly once', { timeout: 180_000 }, async t => {
  const userDir = await temporaryFolder(t)
  const port = await freePort()
  const otherTopics = [{ topic: 'tele/{uuid}/SENSOR', format: 'json', time: { path: 'at', unit: 'ms' } }]
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

  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  for (const [type, times] of [['n', 1], ['nested.twice', 2]] as const) {
    const stored = await knex('platziverse_metrics').where({ agent: 'plug', type }).orderBy('value').pluck<number[]>('value')
    assert.deepEqual(stored, [...acknowledged].sort((a, b) => a - b).map(n => n * times), type)
  }
  t.diagnostic(`${acknowledged.size} publications acknowledged across ${kills} kills`)
})
