import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import type { Overview } from '../../lib/overview/shown.ts'
import { closing, until } from '../helpers/events.ts'
import { besides, exampleFlow } from '../helpers/main-flow.ts'
import { reading } from '../helpers/messages.ts'
import { freePort, skipWithoutNodeRed, startNodeRed, type NodeRed } from '../helpers/node-red.ts'

describe('the sidebar\'s half in the runtime', { skip: skipWithoutNodeRed(5) }, () => {
  let nodeRed: NodeRed
  let client: MqttClient
  let broker = ''
  let database = ''
  let port = 0
  let flows: Awaited<ReturnType<typeof exampleFlow>> = []
  before(async () => {
    port = await freePort()
    flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port, name: 'Plant' }, 'platziverse-database': { name: 'Metrics' } }, ['platziverse-agent'])
    broker = flows.find(({ type }) => type === 'platziverse-broker')?.id as string
    database = flows.find(({ type }) => type === 'platziverse-database')?.id as string
    nodeRed = await startNodeRed({ flows })
    client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: 'gateway', reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined) as MqttClient
    for (const uuid of ['press', 'oven']) await client.publishAsync('agent/message', reading(uuid), { qos: 1 })
    await client.publishAsync('plant/state', 'open', { qos: 1, retain: true })
  })
  after(async () => {
    client?.end(true)
    await nodeRed?.stop()
  })
  const ask = <Answer>(path: string, body: object = {}) => nodeRed.api<Answer & { ok: true }>(`platziverse/sidebar/${path}`, { body })

  test('tells brokers, databases, clients and agents', async () => {
    const { brokers, databases, clients, agents } = await ask<Overview>('look')
    assert.deepEqual(brokers?.map(({ id, name, state, clients }) => [id, name, state, clients]), [[broker, 'Plant', 'listening', 1]])
    assert.deepEqual(databases?.map(({ id, name, state, queued }) => [id, name, state, queued]), [[database, 'Metrics', 'ready', 0]])
    assert.deepEqual(clients?.rows.map(({ broker: of, clientId }) => [of, clientId]), [[broker, 'gateway']])
    assert.equal(agents?.database, database)
    assert.deepEqual(agents?.list?.rows.map(({ uuid, connected, values }) => [uuid, connected, values.length]), [['oven', true, 3], ['press', true, 3]])
    const { brokers: none, agents: found } = await ask<Overview>('look', { parts: ['agents'], search: 'PRESS' })
    assert.deepEqual([none, found?.list?.total, found?.list?.found], [undefined, 2, 1])
  })

  test('refuses what is no question, and what is not there', async () => {
    await assert.rejects(ask('look', { retained: 0 }), /^Error: 400 .*ADMIN_REQUEST_INVALID/)
    await assert.rejects(ask('look', { agents: 501 }), /^Error: 400 .*ADMIN_REQUEST_INVALID/)
    await assert.rejects(ask('disconnect', { broker: 'none', clientId: 'gateway' }), /^Error: 400 .*BROKER_MISSING/)
    await assert.rejects(ask('forget', { database: 'none', uuid: 'press' }), /^Error: 400 .*DATABASE_MISSING/)
    await assert.rejects(ask('clear', { broker }), /^Error: 400 .*ADMIN_REQUEST_INVALID/)
  })

  test('shows and clears retained messages', async () => {
    const rows = async () => (await ask<Overview>('look', { parts: ['retained'], broker })).retained?.list?.rows
    assert.deepEqual(await rows(), [{ topic: 'plant/state', payload: 'open', bytes: 4, qos: 1 }])
    assert.equal((await ask<{ cleared: boolean }>('clear', { broker, topic: 'plant/state' })).cleared, true)
    assert.equal((await ask<{ cleared: boolean }>('clear', { broker, topic: 'plant/state' })).cleared, false)
    assert.deepEqual(await rows(), [])
  })

  test('forgets an agent, whose next message makes a new one of it', async () => {
    assert.equal((await ask<{ forgotten: boolean }>('forget', { database, uuid: 'oven' })).forgotten, true)
    assert.equal((await ask<{ forgotten: boolean }>('forget', { database, uuid: 'oven' })).forgotten, false)
    const uuids = async () => (await ask<Overview>('look', { parts: ['agents'] })).agents?.list?.rows.map(({ uuid }) => uuid)
    assert.deepEqual(await uuids(), ['press'])
    await client.publishAsync('agent/message', reading('oven'), { qos: 1 })
    assert.deepEqual(await uuids(), ['oven', 'press'])
  })

  test('disconnects a client', async () => {
    const closed = closing(client)
    assert.equal((await ask<{ disconnected: boolean }>('disconnect', { broker, clientId: 'gateway' })).disconnected, true)
    await closed
    assert.equal((await ask<{ disconnected: boolean }>('disconnect', { broker, clientId: 'gateway' })).disconnected, false)
  })

  test('tells where a broker elsewhere is, and reads what it retains only when that is asked for', async () => {
    const far = { ...flows.find(({ id }) => id === broker), id: 'fa4', name: 'Far', mode: 'elsewhere', url: `mqtt://127.0.0.1:${port}`, wires: [[], []] }
    await nodeRed.deploy([...flows, far], 'nodes')
    const brokers = await until(async () => (await ask<Overview>('look', { parts: ['brokers'] })).brokers, brokers => brokers?.some(({ state }) => state === 'connected') === true)
    const { state, address, isElsewhere, ports } = brokers?.find(({ id }) => id === 'fa4') ?? assert.fail()
    assert.deepEqual({ state, address, isElsewhere, ports }, { state: 'connected', address: `127.0.0.1:${port}`, isElsewhere: true, ports: [] })
    const again = await connectAsync(`mqtt://127.0.0.1:${port}`)
    await again.publishAsync('plant/state', 'shut', { qos: 1, retain: true })
    await again.endAsync()
    const connections = async () => (await ask<Overview>('look', { parts: ['clients'] })).clients?.rows.filter(({ clientId }) => clientId.endsWith('-retained')).length
    assert.deepEqual((await ask<Overview>('look', { parts: ['retained'], broker: 'fa4' })).retained, { broker: 'fa4', isElsewhere: true })
    assert.equal(await connections(), 0)
    const { retained } = await ask<Overview>('look', { parts: ['retained'], broker: 'fa4', read: true })
    assert.deepEqual(retained?.list?.rows, [{ topic: 'plant/state', payload: 'shut', bytes: 4, qos: 1 }])
  })
})

test('of several brokers and databases, what is asked for is shown, the first by name otherwise, and an action meets the right one', { skip: skipWithoutNodeRed(5) }, async t => {
  const ports = [await freePort(), await freePort()] as const
  const platform = (name: string, port: number) => exampleFlow('Monitor agents', { 'platziverse-broker': { port, name }, 'platziverse-database': { name, filename: `${name}.sqlite` } }, ['platziverse-agent'])
  // Deployed first, and second by name.
  const oven = await platform('Oven', ports[0])
  const gate = besides(await platform('Gate', ports[1]))
  const nodeRed = await startNodeRed({ flows: [...oven, ...gate] })
  t.after(() => nodeRed.stop())
  const ask = <Answer>(path: string, body: object = {}) => nodeRed.api<Answer & { ok: true }>(`platziverse/sidebar/${path}`, { body })
  const idsOf = (type: string) => [oven, gate].map(nodes => nodes.find(node => node.type === type)?.id as string)
  const [brokerOfOven, brokerOfGate] = idsOf('platziverse-broker')
  const [databaseOfOven, databaseOfGate] = idsOf('platziverse-database')
  const clients = await Promise.all(ports.map(port => until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: 'gateway', reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined))) as [MqttClient, MqttClient]
  t.after(() => { for (const client of clients) client.end(true) })
  for (const [i, client] of clients.entries()) {
    await client.publishAsync('agent/message', reading('press', { metrics: [{ type: 'load', value: i }] }), { qos: 1 })
    await client.publishAsync('state', String(i), { qos: 1, retain: true })
  }

  const shown = async (database?: string, broker?: string) => {
    const { agents, retained } = await ask<Overview>('look', { ...database && { database }, ...broker && { broker } })
    return [agents?.database, agents?.list?.rows.map(({ values }) => values[0]?.value), retained?.broker, retained?.list?.rows.map(({ payload }) => payload)]
  }
  assert.deepEqual(await shown(), [databaseOfGate, [1], brokerOfGate, ['1']])
  assert.deepEqual(await shown(databaseOfOven, brokerOfOven), [databaseOfOven, [0], brokerOfOven, ['0']])
  assert.deepEqual(await shown('gone', 'gone'), [databaseOfGate, [1], brokerOfGate, ['1']])
  const { clients: connected } = await ask<Overview>('look')
  assert.deepEqual(connected?.rows.map(({ clientId, broker }) => [clientId, broker]).sort(), [['gateway', brokerOfOven], ['gateway', brokerOfGate]].sort())

  await ask('clear', { broker: brokerOfGate, topic: 'state' })
  await ask('forget', { database: databaseOfGate, uuid: 'press' })
  assert.deepEqual(await shown(databaseOfGate, brokerOfGate), [databaseOfGate, [], brokerOfGate, []])
  assert.deepEqual(await shown(databaseOfOven, brokerOfOven), [databaseOfOven, [0], brokerOfOven, ['0']])
  const closed = closing(clients[1])
  await ask('disconnect', { broker: brokerOfGate, clientId: 'gateway' })
  await closed
  assert.ok(clients[0].connected)
})

test('without platziverse.read the sidebar gets nothing, and without platziverse.write it changes nothing', { skip: skipWithoutNodeRed(5) }, async t => {
  const paths = ['look', 'disconnect', 'clear', 'forget']
  for (const [permissions, refused] of [
    [['platziverse.read'], ['disconnect', 'clear', 'forget']],
    [['flows.read', 'flows.write', 'status.read', 'platziverse-broker.read'], paths]
  ] as const) {
    const nodeRed = await startNodeRed({ settings: { adminAuth: { type: 'credentials', users: [], default: { permissions: [...permissions, 'settings.read'] } } } })
    t.after(() => nodeRed.stop())
    for (const path of paths) {
      const answer = nodeRed.api(`platziverse/sidebar/${path}`, { body: {} })
      if ((refused as readonly string[]).includes(path)) await assert.rejects(answer, /^Error: 401/, `${path} with ${permissions.join()}`)
      else if (path === 'look') await answer
      else await assert.rejects(answer, /^Error: 400/, path)
    }
  }
})
