import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { MqttClient } from 'mqtt'
import type { IDisconnectPacket } from 'mqtt-packet'
import { hashPassword } from '../../../../lib/broker/access/passwords.ts'
import { reasonCodes } from '../../../../lib/mqtt/reason-codes.ts'
import { openBroker, openIntake, type TestBroker, type TestIntake, type TestOptions } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { Peer } from '../../../helpers/peer.ts'

const uuid = 'agent-1'
const hello = JSON.stringify({ agent: { uuid } })

/** A client that speaks for an agent and leaves its goodbye as a will that waits. */
async function agentOf (broker: TestBroker, delay: number, login: object = {}): Promise<MqttClient> {
  const client = await broker.client({
    protocolVersion: 5,
    clientId: 'c1',
    clean: false,
    properties: { sessionExpiryInterval: 60 },
    will: { topic: 'agent/disconnected', payload: Buffer.from(hello), qos: 1, properties: { willDelayInterval: delay } },
    ...login
  })
  await client.publishAsync('agent/connected', hello, { qos: 1 })
  return client
}

const goodbyes = ({ heard }: TestIntake): number => heard.filter(({ kind }) => kind === 'disconnected').length

async function room (t: TestContext, users: object[] = [], options: TestOptions = {}): Promise<[TestBroker, TestIntake]> {
  const broker = await openBroker(t, users.length > 0 ? { ...options, users: users as never } : options)
  return [broker, openIntake(t, broker.id, { acknowledge: 'arrival' })]
}

test('an agent that is back before its will is due did not go', async t => {
  const [broker, intake] = await room(t)
  const first = await agentOf(broker, 2)
  first.stream.destroy()
  await until(() => broker.events.filter(({ event }) => event === 'disconnected').length, n => n === 1)
  assert.equal(intake.intake.statistics().agents, 1)
  const second = await agentOf(broker, 2)
  second.stream.destroy()
  await until(() => goodbyes(intake), n => n > 0, 10_000)
  assert.equal(goodbyes(intake), 1)
})

for (const [whose, login] of [['nobody', {}], ['a user', { username: 'u1', password: 'secret' }]] as const) {
  test(`an agent of ${whose} that does not come back is gone once`, async t => {
    const [broker, intake] = await room(t, 'username' in login ? [{ username: 'u1', hash: await hashPassword('secret') }] : [])
    const client = await agentOf(broker, 1, login)
    const cutAt = performance.now()
    client.stream.destroy()
    await until(() => goodbyes(intake), n => n > 0, 10_000)
    assert.ok(performance.now() - cutAt > 900)
    // A second one would come with the will, or behind it.
    const probe = await broker.client(login)
    await probe.publishAsync('agent/connected', '{"agent":{"uuid":"probe"}}', { qos: 1 })
    assert.equal(goodbyes(intake), 1)
    assert.equal(intake.intake.statistics().agents, 1)
  })
}

test('an agent that says DISCONNECT is gone at once', async t => {
  const [broker, intake] = await room(t)
  const client = await agentOf(broker, 60)
  await client.endAsync()
  await until(() => goodbyes(intake), n => n === 1, 5_000)
})

test('a client that comes and goes with other agents each time keeps out nobody, and no more of them are taken for connected than the limit', async t => {
  const [broker, { intake, heard }] = await room(t, [], { limits: { agentsPerUser: 10 } })
  for (let i = 0; i < 30; i++) {
    const greedy = await Peer.open(broker.port)
    const will = { topic: 'w', payload: Buffer.from('w'), qos: 0 as const, retain: false, properties: { willDelayInterval: 3_600 } }
    await greedy.connect('greedy', { clean: false, properties: { sessionExpiryInterval: 3_600 }, will })
    assert.equal(await greedy.publish('agent/connected', `{"agent":{"uuid":"g${i}"}}`, { qos: 1 }), 0)
    greedy.cut()
    await until(() => broker.place.statistics().clients, n => n === 0)
  }
  assert.equal(intake.statistics().agents, 10)
  const modest = await broker.client()
  for (let i = 0; i < 10; i++) await modest.publishAsync('agent/connected', `{"agent":{"uuid":"m${i}"}}`, { qos: 1 })
  assert.deepEqual(heard.flatMap(({ rejected }) => rejected?.reason ?? []), [])
  assert.equal(intake.statistics().agents, 20)
})

test('a message that nobody stores ends the connection, and says no more of why than that', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id, { timeLimit: 200 })
  const peer = await Peer.open(broker.port)
  t.after(() => { peer.cut() })
  await peer.connect('c1')
  peer.send({ cmd: 'publish', topic: 'agent/message', payload: `{"agent":{"uuid":"${uuid}"},"metrics":[{"type":"t","value":1}]}`, qos: 1, messageId: 1, dup: false, retain: false })
  assert.equal(await peer.hungUp(), reasonCodes.serverBusy)
  const [last] = peer.heard.slice(-1)
  assert.deepEqual({ ...(last as IDisconnectPacket).properties }, { reasonString: 'a message could not be stored: send it again' })
  assert.ok(heard.some(({ kind }) => kind === 'unsettled'))
})
