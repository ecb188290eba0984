import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import knexFactory from 'knex'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { assertStoredOnce, Sender } from '../helpers/sender.ts'
import { until } from '../helpers/events.ts'

const agents = 10

for (const { load, gather, inFlight, kills, perKill } of [
  { load: 'under load', gather: 0, inFlight: 20, kills: 5, perKill: 2_000 },
  { load: 'while messages wait for others to share their commit', gather: 500, inFlight: 5, kills: 3, perKill: 200 }
]) test(`killed ${kills} times ${load}, Node-RED keeps every acknowledged message exactly once, of clients of MQTT 3.1.1 and 5`, { timeout: 240_000 }, async t => {
  const userDir = await temporaryFolder(t)
  const port = await freePort()
  const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port }, 'metric-store': { grace: 5 }, 'platziverse-database': { gather } }, ['platziverse-agent', 'debug'])
  const senders = Array.from({ length: agents }, (_, i) => new Sender(`agent-${i}`, `mqtt://127.0.0.1:${port}`, i % 2 === 0 ? 4 : 5, inFlight))
  let nodeRed = await startNodeRed({ userDir, flows })
  t.after(() => nodeRed.stop())
  const runs = senders.map(sender => sender.run())
  const acknowledged = () => senders.reduce((sum, sender) => sum + sender.acknowledged.size, 0)

  for (let kill = 0; kill < kills; kill++) {
    const before = acknowledged()
    await until(acknowledged, n => n >= before + perKill, 60_000)
    await nodeRed.kill('SIGKILL')
    // One agent does not live to see the last restart.
    if (kill === kills - 1) senders[0]?.vanish()
    nodeRed = await startNodeRed({ userDir })
  }
  const before = acknowledged()
  await until(acknowledged, n => n >= before + perKill / 2, 60_000)

  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  await until(async () => await knex('agents').where('connected', 0).pluck('uuid') as string[], gone => gone.length === 1 && gone[0] === 'agent-0', 30_000)
  assert.equal(await knex('agents').where('connected', 1).count({ n: '*' }).first().then(row => row?.n), agents - 1)

  await Promise.all(senders.slice(1).map(sender => sender.stop()))
  await Promise.all(runs)

  for (const sender of senders) await assertStoredOnce(knex, sender)
  t.diagnostic(`${acknowledged()} messages acknowledged across ${kills} kills`)
})
