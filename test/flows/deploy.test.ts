import assert from 'node:assert/strict'
import { connectAsync } from 'mqtt'
import { generate, type Packet } from 'mqtt-packet'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
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

test('a persistent subscriber receives all that is stored, through deploys of every kind and while the database is locked', { timeout: 240_000 }, async t => {
  const port = await freePort()
  const flow: Array<Record<string, unknown> & { id: string, type: string }> = await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }, ['platziverse-agent', 'debug'])
  // A function on the way: what is stored passes two wires.
  const [store, out] = [find(flow, 'metric-store'), find(flow, 'agent-out')]
  flow.push({ id: 'f00000000000d001', type: 'function', z: store['z'], name: 'pass', func: 'return msg', outputs: 1, wires: [[out.id]] })
  store['wires'] = [['f00000000000d001']]
  const nodeRed = await startNodeRed({ flows: flow })
  t.after(() => nodeRed.stop())
  const url = `mqtt://127.0.0.1:${port}`
  const heard = new Map<string, Set<number>>()
  const subscriber = await connectAsync(url, { clientId: 'subscriber', clean: false, reconnectPeriod: 50 })
  t.after(() => { subscriber.end(true) })
  subscriber.on('message', (_topic, payload) => {
    const { agent: { uuid }, seq } = JSON.parse(String(payload)) as { agent: { uuid: string }, seq: number }
    const seqs = heard.get(uuid)
    if (seqs === undefined) heard.set(uuid, new Set([seq]))
    else seqs.add(seq)
  })
  await subscriber.subscribeAsync('agent/message', { qos: 1 })

  const senders = Array.from({ length: 5 }, (_, i) => new Sender(`heard-${i}`, url))
  const runs = senders.map(sender => sender.run())
  const acknowledged = () => senders.reduce((sum, sender) => sum + sender.acknowledged.size, 0)
  const flowing = async () => {
    const before = acknowledged()
    await until(acknowledged, n => n >= before + 500, 20_000)
  }
  await flowing()
  const filename = join(nodeRed.userDir, 'platziverse.sqlite')
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, pool: { min: 0, max: 1 }, useNullAsDefault: true })
  t.after(() => knex.destroy())

  const types = ['comment', 'metric-store', 'agent-out', 'function', 'agent-in', 'platziverse-database', 'platziverse-broker'] as const
  for (const [i, deploy] of (['full', 'nodes', 'flows'] as const).flatMap(deploy => types.map(() => deploy)).entries()) {
    find(flow, types[i % types.length] as string)['name'] = `again ${i}`
    if (i % 3 === 2) {
      const lock = await knex.transaction()
      await lock.raw('update agents set name = name where id = -1')
      const deploying = nodeRed.deploy(flow, deploy)
      await new Promise(resolve => setTimeout(resolve, 300))
      await lock.rollback()
      await deploying
    } else {
      await nodeRed.deploy(flow, deploy)
    }
    await flowing()
  }
  await Promise.all(senders.map(sender => sender.stop()))
  await Promise.all(runs)
  for (const { uuid } of senders) {
    const rows = await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').where({ uuid, type: 'a' }).pluck<number[]>('seq')
    const seqs = heard.get(uuid) ?? new Set()
    await until(() => rows.filter(seq => !seqs.has(seq)).length, missing => missing === 0, 5_000).catch(() => undefined)
    assert.deepEqual(rows.filter(seq => !seqs.has(seq)), [], `${uuid}: of ${rows.length} stored messages these were not heard`)
  }
})

const slowFlows: Record<string, Array<Record<string, unknown>>> = {
  'ten functions in a row': Array.from({ length: 10 }, () => ({ type: 'function', func: 'return msg', outputs: 1 })),
  'a delay of 200 ms': [{ type: 'delay', pauseType: 'delay', timeout: '200', timeoutUnits: 'milliseconds', rate: '1', nbRateUnits: '1', rateUnits: 'second', drop: false, outputs: 1 }],
  'a function that waits, and passes on every other message': [{ type: 'function', func: 'if (msg.payload.seq % 2 === 1) return\nawait new Promise(resolve => { setTimeout(resolve, 100) })\nmsg.payload.passed = (msg.payload.passed ?? 0) + 1\nreturn msg', outputs: 1 }]
}
for (const [what, steps] of Object.entries(slowFlows)) {
  test(`a subscriber receives what is stored and let through, though a deploy finds it on its way to agent-out: ${what}`, { timeout: 240_000 }, async t => {
    const port = await freePort()
    const flow: Array<Record<string, unknown> & { id: string, type: string }> = await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }, ['platziverse-agent', 'debug'])
    const [store, out] = [find(flow, 'metric-store'), find(flow, 'agent-out')]
    const ids = steps.map((_, i) => `f00000000000d1${i}0`)
    flow.push(...steps.map((step, i) => ({ ...step, id: ids[i] as string, type: step['type'] as string, z: store['z'], wires: [[ids[i + 1] ?? out.id]] })))
    store['wires'] = [[ids[0]]]
    const nodeRed = await startNodeRed({ flows: flow })
    t.after(() => nodeRed.stop())
    const url = `mqtt://127.0.0.1:${port}`
    const heard = new Map<string, { seq: number, passed?: number }>()
    const subscriber = await connectAsync(url, { clientId: 'subscriber', clean: false, reconnectPeriod: 50 })
    t.after(() => { subscriber.end(true) })
    subscriber.on('message', (_topic, payload) => {
      const message = JSON.parse(String(payload)) as { agent: { uuid: string }, seq: number, passed?: number }
      heard.set(`${message.agent.uuid}/${message.seq}`, message)
    })
    await subscriber.subscribeAsync('agent/message', { qos: 1 })
    const senders = Array.from({ length: 3 }, (_, i) => new Sender(`slow-${i}`, url))
    const runs = senders.map(sender => sender.run())
    const isLetThrough = what.includes('every other') ? (seq: number): boolean => seq % 2 === 0 : () => true
    const acknowledged = (): string[] => senders.flatMap(({ uuid, acknowledged }) => [...acknowledged].filter(isLetThrough).map(seq => `${uuid}/${seq}`))
    const flowing = async () => {
      const before = heard.size
      await until(() => heard.size, n => n >= before + 300, 20_000)
    }
    // How long the flow takes is known from the first that arrives: those that were sent before it pass as well.
    await flowing()
    const early = acknowledged()
    await until(() => early.filter(key => !heard.has(key)).length, count => count === 0)
    await flowing()
    for (let i = 0; i < 6; i++) {
      find(flow, i % 2 === 0 ? 'comment' : 'agent-out')['name'] = `again ${i}`
      await nodeRed.deploy(flow, i % 3 === 2 ? 'flows' : 'full')
      await flowing()
    }
    await Promise.all(senders.map(sender => sender.stop()))
    await Promise.all(runs)
    const expected = acknowledged()
    const missing = (): string[] => expected.filter(key => !heard.has(key))
    await until(() => missing().length, count => count === 0, 5_000).catch(() => undefined)
    assert.deepEqual(missing().length, 0, `of ${expected.length} messages`)
    assert.ok([...heard.values()].every(({ seq, passed = 1 }) => isLetThrough(seq) && passed === 1))
  })
}

/** Sends CONNECT, a message and DISCONNECT in one piece, and closes. */
async function comeAndGo (port: number, uuid: string, qos: 0 | 1 | 2, clean: boolean): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => undefined)
  const payload = JSON.stringify({ agent: { uuid }, metrics: [{ type: 'battery', value: 3.7 }] })
  const packets = [
    { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: uuid, keepalive: 60, clean: true },
    { cmd: 'publish', topic: 'agent/message', payload, qos, messageId: 1, dup: false, retain: false },
    ...clean ? [{ cmd: 'disconnect' }] : []
  ]
  socket.end(Buffer.concat(packets.map(packet => generate(packet as Packet))))
  await once(socket, 'finish')
  socket.destroy()
}

test('clients that send and go at once are stored, also while the database is locked and agent-in is full, and during deploys', { timeout: 120_000 }, async t => {
  const port = await freePort()
  const flow = await exampleFlow('Monitor agents', { 'platziverse-broker': { port }, 'agent-in': { totalWindow: 5, clientWindow: 5 } }, ['platziverse-agent', 'debug'])
  const nodeRed = await startNodeRed({ flows: flow })
  t.after(() => nodeRed.stop())
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, pool: { min: 0, max: 1 }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const stored = (like: string) => knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').whereLike('uuid', like).pluck<string[]>('uuid').then(uuids => uuids.sort(), () => [])
  const twenty = Array.from({ length: 20 }, (_, i) => String(i).padStart(2, '0'))
  const come = (name: string) => Promise.all(twenty.map((i, n) => comeAndGo(port, `${name}-${i}`, n % 3 as 0 | 1 | 2, n % 2 === 0)))
  const expected = (name: string) => twenty.map(i => `${name}-${i}`)
  await come('calm')
  await until(() => stored('calm-%'), uuids => uuids.length >= 20)

  const lock = await knex.transaction()
  await lock.raw('update agents set name = name where id = -1')
  await come('locked')
  await new Promise(resolve => setTimeout(resolve, 2000))
  await lock.rollback()
  await until(() => stored('locked-%'), uuids => uuids.length >= 20).catch(() => undefined)
  assert.deepEqual(await stored('locked-%'), expected('locked'))

  for (const type of ['agent-in', 'metric-store', 'platziverse-broker', 'platziverse-database']) {
    find(flow, type).name = 'changed'
    const deploying = nodeRed.deploy(flow, 'nodes')
    await come(type)
    await deploying
    await until(() => stored(`${type}-%`), uuids => uuids.length >= 20).catch(() => undefined)
    assert.deepEqual(await stored(`${type}-%`), expected(type))
  }
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

test('a deploy does not wait for a database that is locked, and what was acknowledged on arrival is stored', { timeout: 90_000 }, async t => {
  const port = await freePort()
  const flow = await exampleFlow('Monitor agents', { 'platziverse-broker': { port }, 'agent-in': { acknowledge: 'arrival' } }, ['platziverse-agent', 'debug'])
  const nodeRed = await startNodeRed({ flows: flow })
  t.after(() => nodeRed.stop())
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  t.after(() => { client.end(true) })
  const publish = (seq: number) => client.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'a' }, metrics: [{ type: 't', value: seq }], timestamp: 1_700_000_000_000 + seq }), { qos: 1 })
  await publish(0)
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const stored = () => knex('metrics').count({ n: '*' }).then(([row]) => Number(row?.['n']), () => 0)
  await until(stored, n => n === 1)
  const took = async (): Promise<number> => {
    find(flow, 'platziverse-database').name = `changed ${performance.now()}`
    const started = performance.now()
    await nodeRed.deploy(flow, 'nodes')
    return performance.now() - started
  }
  const calm = await took()
  const lock = await knex.transaction()
  await lock.raw('update agents set name = name')
  for (let seq = 1; seq <= 20; seq++) await publish(seq)
  const locked = await took()
  await lock.rollback()
  assert.ok(locked < calm + 2_500, `${locked} ms, and ${calm} ms without the lock`)
  await until(stored, n => n === 21, 15_000)
})
