import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Connection } from '../../../lib/broker/broker.ts'
import { Presence } from '../../../lib/broker/presence.ts'
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
  presence.heard('a', ada)
  assert.equal(presence.saysGoodbye('a', ada, false), true)
  for (let i = 0; i <= 10_000; i++) presence.saysGoodbye(`b${i}`, bob, false)
  assert.equal(presence.saysGoodbye('a', ada, false), false)
})
