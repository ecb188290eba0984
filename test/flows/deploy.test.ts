import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import knexFactory from 'knex'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed, type DeployType } from '../helpers/node-red.ts'
import { assertStoredOnce, Sender } from '../helpers/sender.ts'
import { until } from '../helpers/events.ts'

function find <T extends { type: string }> (flow: T[], type: string): T {
  const node = flow.find(node => node.type === type)
  assert.ok(node)
  return node
}

test('deploys of every kind under load hang up on nobody and lose nothing', { timeout: 180_000 }, async t => {
  const port = await freePort()
  const flow = await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }, ['platziverse-agent', 'debug'])
  const nodeRed = await startNodeRed({ flows: flow })
  t.after(() => nodeRed.stop())
  const senders = Array.from({ length: 5 }, (_, i) => new Sender(`agent-${i}`, `mqtt://127.0.0.1:${port}`))
  const runs = senders.map(sender => sender.run())
  const acknowledged = () => senders.reduce((sum, sender) => sum + sender.acknowledged.size, 0)
  const flowing = async () => {
    const before = acknowledged()
    // Less than agent-in's time limit: nothing may have had to be sent again by its sender.
    await until(acknowledged, n => n >= before + 1000, 20_000)
  }
  await flowing()

  const moves: Array<[DeployType, string]> = [
    ['full', 'comment'], ['nodes', 'agent-in'], ['nodes', 'metric-store'], ['nodes', 'agent-out'], ['nodes', 'platziverse-database'],
    ['nodes', 'platziverse-broker'], ['flows', 'agent-in'], ['flows', 'metric-store'], ['full', 'platziverse-broker']
  ]
  for (const [i, [deploy, type]] of moves.entries()) {
    find(flow, type).name = `changed ${i}`
    await nodeRed.deploy(flow, deploy)
    await flowing()
    assert.deepEqual(senders.map(({ losses }) => losses), senders.map(() => 0), `a ${deploy} deploy that changes ${type} lost a client`)
  }

  await Promise.all(senders.map(sender => sender.stop()))
  await Promise.all(runs)
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  for (const sender of senders) await assertStoredOnce(knex, sender)
})

test('a changed port takes effect, and a removed broker frees its port within a second', { timeout: 60_000 }, async t => {
  const [first, second] = [await freePort(), await freePort()]
  const flow = await exampleFlow('Monitor agents', { 'platziverse-broker': { port: first } }, ['platziverse-agent', 'debug'])
  const nodeRed = await startNodeRed({ flows: flow })
  t.after(() => nodeRed.stop())
  const isFree = (port: number) => new Promise<boolean>(resolve => {
    const server = createServer().once('error', () => { resolve(false) })
    server.listen(port, '127.0.0.1', () => server.close(() => { resolve(true) }))
  })
  await until(() => isFree(first), free => !free)
  find(flow, 'platziverse-broker').port = second
  await nodeRed.deploy(flow, 'nodes')
  await until(() => isFree(second), free => !free)
  assert.ok(await isFree(first))
  await nodeRed.deploy(flow.filter(({ type }) => type !== 'platziverse-broker'), 'nodes')
  await until(() => isFree(second), free => free, 1000)
})
