import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { MqttClient } from 'mqtt'
import type { Connection } from '../../../lib/broker/publication.ts'
import { claimDelivery } from '../../../lib/intake/pending-deliveries.ts'
import { Presence } from '../../../lib/intake/presence.ts'
import { openBroker, openIntake } from '../../helpers/broker.ts'
import { until } from '../../helpers/events.ts'
import { reading } from '../../helpers/messages.ts'

const will = { topic: 'agent/disconnected', payload: Buffer.from('{"agent":{"uuid":"a1"}}'), qos: 1 as const, retain: false }
const goodbye = will.payload.toString()
const hello = '{"agent":{"uuid":"a1"}}'

async function open (t: TestContext) {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  const kinds = () => heard.map(({ kind, incoming }) => `${kind} ${incoming?.payload.agent.uuid}`)
  /** Everything that was on its way has arrived. */
  const settled = async () => { await until(() => broker.place.statistics().clients, n => n === 0) }
  return { broker, kinds, intake, settled }
}

test('an agent whose client vanishes is disconnected once, with and without a last will', async t => {
  for (const options of [{}, { will }]) {
    const { broker, kinds, settled } = await open(t)
    const client = await broker.client(options)
    await client.publishAsync('agent/connected', hello, { qos: 1 })
    client.stream.destroy()
    await settled()
    assert.deepEqual(kinds(), ['connected a1', 'disconnected a1'])
  }
})

test('an agent that says goodbye is disconnected once, however its client goes', async t => {
  for (const force of [false, true]) {
    const { broker, kinds, settled } = await open(t)
    const client = await broker.client({ will })
    await client.publishAsync('agent/message', reading('a1'), { qos: 1 })
    await client.publishAsync('agent/disconnected', goodbye, { qos: 1 })
    await client.publishAsync('agent/disconnected', goodbye, { qos: 1 })
    if (force) client.stream.destroy()
    else await client.endAsync()
    await settled()
    assert.deepEqual(kinds(), ['message a1', 'disconnected a1'])
  }
})

test('a clean DISCONNECT without a goodbye disconnects the agent too', async t => {
  const { broker, kinds, settled } = await open(t)
  const client = await broker.client({ will })
  await client.publishAsync('agent/message', reading('a1'), { qos: 0 })
  await client.endAsync()
  await settled()
  assert.deepEqual(kinds(), ['message a1', 'disconnected a1'])
})

test('an agent that came back through another connection stays connected when the old one dies', async t => {
  const { broker, kinds, intake } = await open(t)
  const old = await broker.client({ will })
  await old.publishAsync('agent/connected', hello, { qos: 1 })
  const next = await broker.client({ will })
  await next.publishAsync('agent/connected', hello, { qos: 1 })
  old.stream.destroy()
  await until(() => broker.place.statistics().clients, n => n === 1)
  assert.deepEqual(kinds(), ['connected a1', 'connected a1'])
  assert.equal(intake.statistics().agents, 1)
})

test('an agent that takes over its own client id is connected in the end', async t => {
  const { broker, kinds, intake } = await open(t)
  const old = await broker.client({ clientId: 'same', will })
  await old.publishAsync('agent/connected', hello, { qos: 1 })
  const next = await broker.client({ clientId: 'same', will })
  await next.publishAsync('agent/connected', hello, { qos: 1 })
  await until(() => intake.statistics().agents, n => n === 1)
  assert.equal(kinds().at(-1), 'connected a1')
  assert.equal(kinds().filter(kind => kind.startsWith('disconnected')).length, 1)
})

test('a gateway may speak for many agents, and all go with it', async t => {
  const { broker, kinds, intake, settled } = await open(t)
  const client = await broker.client()
  for (const uuid of ['a', 'b', 'c']) await client.publishAsync('agent/message', reading(uuid), { qos: 1 })
  assert.equal(intake.statistics().agents, 3)
  client.stream.destroy()
  await settled()
  assert.deepEqual(kinds().slice(3).sort(), ['disconnected a', 'disconnected b', 'disconnected c'])
})

test('an agent that comes back before its goodbye was said is connected in the end', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { clientWindow: 2, totalWindow: 3 })
  const settle = (from = 0): void => { for (const { incoming } of heard.slice(from)) claimDelivery(incoming?.delivery.id)?.settle() }
  const uuids = Array.from({ length: 50 }, (_, i) => `a${i}`)
  const speak = async (clientId: string, uuids: string[]) => {
    const client = await broker.client({ clientId })
    const all = Promise.all(uuids.map(uuid => client.publishAsync('agent/connected', `{"agent":{"uuid":"${uuid}"}}`, { qos: 1 })))
    return { client, all }
  }
  const settling = setInterval(() => { settle() }, 1)
  t.after(() => { clearInterval(settling) })
  const old = await speak('old', uuids)
  await old.all
  clearInterval(settling)
  old.client.stream.destroy()
  await until(() => heard.length, n => n > 50)
  const next = await speak('next', uuids.toReversed())
  await until(() => intake.statistics().waiting, n => n > 1)
  const again = setInterval(() => { settle(50) }, 1)
  t.after(() => { clearInterval(again) })
  await next.all
  await until(() => intake.statistics(), ({ unsettled, waiting }) => unsettled + waiting === 0)
  const last = new Map(heard.map(({ kind, incoming }) => [incoming?.payload.agent.uuid, kind]))
  assert.deepEqual([...last.values()].filter(kind => kind !== 'connected'), [])
  assert.equal(intake.statistics().agents, 50)
})

test('anonymous clients together have as many agents connected as one user may have, and none takes the others\' places', async t => {
  const broker = await openBroker(t, { limits: { agentsPerUser: 10 } })
  const { heard, intake } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  const speak = async (client: MqttClient, prefix: string, count: number) => {
    for (let i = 0; i < count; i++) await client.publishAsync('agent/connected', `{"agent":{"uuid":"${prefix}${i}"}}`, { qos: 1 })
  }
  const greedy = await broker.client()
  await speak(greedy, 'g', 30)
  assert.equal(intake.statistics().agents, 10)
  assert.deepEqual(new Set(heard.flatMap(({ rejected }) => rejected?.reason ?? [])), new Set(['AGENTS_TOO_MANY']))
  const modest = await broker.client()
  await speak(modest, 'm', 5)
  // The share of two is five each.
  assert.equal(intake.statistics().agents, 15)
  await speak(greedy, 'g', 30)
  await speak(modest, 'n', 1)
  assert.equal(intake.statistics().agents, 15)
  // Those that are connected go on, and what goes makes room.
  assert.equal(heard.filter(({ kind, incoming }) => kind === 'connected' && incoming?.payload.agent.uuid === 'g0').length, 2)
  greedy.stream.destroy()
  await until(() => intake.statistics().agents, n => n === 5)
  await speak(modest, 'o', 5)
  assert.equal(intake.statistics().agents, 10)
})

test('a goodbye for an agent that was never heard is passed on once: the database may know it', async t => {
  const { broker, kinds } = await open(t)
  const client = await broker.client()
  await client.publishAsync('agent/disconnected', goodbye, { qos: 1 })
  await client.publishAsync('agent/disconnected', goodbye, { qos: 1 })
  assert.deepEqual(kinds(), ['disconnected a1'])
})

test('the goodbyes that are remembered are bounded', () => {
  const presence = new Presence()
  for (let i = 0; i <= 10_000; i++) presence.saysGoodbye(`a${i}`, undefined, false)
  assert.equal(presence.saysGoodbye('a10000', undefined, false), false)
  assert.equal(presence.saysGoodbye('a0', undefined, false), true)
})

test('the goodbyes of one user push out none of another', () => {
  const presence = new Presence()
  const connection = (number: number, username: string): Connection => ({ number, clientId: username, username, verified: true, address: undefined, gone: false })
  const [ada, bob] = [connection(1, 'ada'), connection(2, 'bob')]
  presence.spoke('a', ada)
  assert.equal(presence.saysGoodbye('a', ada, false), true)
  for (let i = 0; i <= 10_000; i++) presence.saysGoodbye(`b${i}`, bob, false)
  assert.equal(presence.saysGoodbye('a', ada, false), false)
})

const connectionOf = (number: number, username?: string): Connection => ({ number, clientId: 'c', username, verified: username !== undefined, address: undefined, gone: true })

/** A connection that had these agents and ended. */
function left (presence: Presence, connection: Connection, ...agents: string[]): Connection {
  for (const uuid of agents) presence.spoke(uuid, connection)
  return connection
}

test('connections that are awaited are bounded, by user', () => {
  const presence = new Presence()
  for (let i = 0; i < 10_000; i++) assert.ok(presence.awaits(left(presence, connectionOf(i), `a${i}`), 0))
  assert.equal(presence.awaits(left(presence, connectionOf(10_000), 'one more'), 0), false)
  const [ada, bob] = [connectionOf(10_001, 'ada'), connectionOf(10_002, 'bob')]
  assert.equal(presence.awaits(left(presence, ada, 'a', 'b', 'c'), 2), false)
  assert.ok(presence.awaits(left(presence, bob, 'd', 'e'), 2))
  assert.equal(presence.awaits(left(presence, connectionOf(10_003, 'bob'), 'f'), 2), false)
})

test('a connection whose agents are all elsewhere is awaited no longer, and makes room', () => {
  const released: number[] = []
  const presence = new Presence(({ number }) => { released.push(number) })
  assert.ok(presence.awaits(left(presence, connectionOf(1, 'ada'), 'a', 'b'), 2))
  const next = { ...connectionOf(2, 'ada'), gone: false }
  presence.spoke('a', next)
  assert.deepEqual(released, [])
  presence.saysGoodbye('b', next, false)
  assert.deepEqual(released, [1])
  assert.ok(presence.awaits(left(presence, next, 'c'), 2))
  assert.deepEqual(presence.gone(next), ['a', 'c'])
  assert.equal(presence.size, 0)
  assert.ok(presence.awaits(left(presence, connectionOf(3, 'ada'), 'd', 'e'), 2))
})
