import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { MqttClient } from 'mqtt'
import { claimDelivery } from '../../../lib/intake/pending-deliveries.ts'
import { openBroker, openIntake, type Heard, type TestBroker } from '../../helpers/broker.ts'
import { closing, until } from '../../helpers/events.ts'
import { claim, publish } from '../../helpers/intake.ts'
import { reading } from '../../helpers/messages.ts'

test('a delivery that nobody takes is reported after the time limit and not acknowledged', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { timeLimit: 100 })
  const client = await broker.client()
  const sent = publish(client, 'agent/message', reading())
  await closing(client)
  assert.equal(sent.acknowledged, false)
  const { error } = await until(() => heard.find(({ kind }) => kind === 'unsettled'), heard => heard !== undefined) as Heard
  assert.match(String(error), /DELIVERY_UNSETTLED: 1 message was not stored within 0.1 s. .*metric-store/)
  assert.equal(intake.statistics().timedOut, 1)
  assert.equal(claimDelivery(heard[0]?.incoming?.delivery.id), undefined)
})

test('the time limit does not count while a store has the delivery', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id, { timeLimit: 50 })
  const sent = publish(await broker.client(), 'agent/message', reading())
  await until(() => heard.length, n => n === 1)
  const held = claim(heard[0])
  const other = publish(await broker.client(), 'agent/message', reading())
  await until(() => heard.some(({ kind }) => kind === 'unsettled'), Boolean)
  assert.equal(other.acknowledged, false)
  held.settle()
  await sent.done
  assert.equal(sent.acknowledged, true)
})

test('a full window keeps further publications waiting, and they come in order', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { clientWindow: 2 })
  const client = await broker.client()
  const sent = [1, 2, 3, 4, 5].map(seq => publish(client, 'agent/message', reading('a1', { seq })))
  await until(() => intake.statistics().waiting, n => n === 3)
  assert.deepEqual([heard.length, intake.statistics().unsettled], [2, 2])
  for (let i = 0; i < 5; i++) {
    await until(() => heard.length, n => n > i)
    claim(heard[i]).settle()
  }
  await Promise.all(sent.map(({ done }) => done))
  assert.deepEqual(heard.map(({ incoming }) => (incoming?.payload as { seq: number }).seq), [1, 2, 3, 4, 5])
})

test('a window counts the memory that messages take, and further ones wait', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { clientBytes: 200_000, totalBytes: 300_000 })
  const large = { more: 'x'.repeat(40_000) }
  const clients = await Promise.all([1, 2].map(() => broker.client()))
  const sent = clients.flatMap(client => [1, 2, 3].map(() => publish(client, 'agent/message', reading('a', large))))
  await until(() => intake.statistics().waiting, n => n === 3)
  assert.equal(heard.length, 3)
  for (let i = 0; i < 6; i++) {
    await until(() => heard.length, n => n > i)
    claim(heard[i]).settle()
  }
  await Promise.all(sent.map(({ done }) => done))
  assert.ok(sent.every(({ acknowledged }) => acknowledged))
})

test('the window of all clients together holds too', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { totalWindow: 3 })
  const clients = await Promise.all([1, 2, 3, 4, 5, 6].map(() => broker.client()))
  const sent = clients.map(client => publish(client, 'agent/message', reading()))
  await until(() => intake.statistics().waiting, n => n === 3)
  assert.equal(heard.length, 3)
  for (let i = 0; i < 6; i++) {
    await until(() => heard.length, n => n > i)
    claim(heard[i]).settle()
  }
  await Promise.all(sent.map(({ done }) => done))
})

const breaks: Record<string, (client: MqttClient, broker: TestBroker) => unknown> = {
  'whose connection broke': client => { (client.stream as Socket).resetAndDestroy() },
  'whose id another connection took over': (_client, broker) => broker.client({ clientId: 'c', clean: false })
}
for (const [how, end] of Object.entries(breaks)) {
  test(`what a client with a session left waiting ${how} is forgotten, for it will send it again, but for QoS 0`, async t => {
    const broker = await openBroker(t)
    const { heard, intake } = openIntake(t, broker.id, { clientWindow: 1 })
    const client = await broker.client({ clientId: 'c', clean: false })
    for (let i = 0; i < 4; i++) publish(client, 'agent/message', reading())
    client.publish('agent/message', reading('nobody sends it again'), { qos: 0 })
    await until(() => intake.statistics().waiting, n => n === 4)
    end(client, broker)
    await until(() => intake.statistics().abandoned, n => n === 3)
    claim(heard[0]).settle()
    await until(() => heard.some(({ incoming }) => incoming?.payload.agent.uuid === 'nobody sends it again'), Boolean)
    assert.equal(intake.statistics().abandoned, 3)
  })
}

for (const [how, end] of Object.entries<(client: MqttClient) => void>({ 'DISCONNECT': client => { client.end(false) }, 'the end of what it sends': client => { client.end(true) } })) {
  for (const clean of [true, false]) {
    test(`what a client ${clean ? 'without' : 'with'} a session left waiting is taken in order if it went with ${how}, and its agent goes last`, async t => {
      const broker = await openBroker(t)
      const { heard, intake } = openIntake(t, broker.id, { clientWindow: 1 })
      const client = await broker.client({ clientId: 'c', clean })
      for (const seq of [1, 2, 3, 4]) client.publish('agent/message', reading('a', { seq }), { qos: 1 })
      await until(() => intake.statistics().waiting, n => n === 3)
      // A client of MQTT.js waits for its acknowledgements first.
      if (how === 'DISCONNECT') client.stream.write(Buffer.from([0xe0, 0]))
      end(client)
      await until(() => broker.place.statistics().clients, n => n === 0)
      for (let i = 0; i < 4; i++) {
        await until(() => heard.length, n => n > i)
        claim(heard[i]).settle()
      }
      await until(() => heard.length, n => n === 5)
      assert.deepEqual(heard.map(({ kind, incoming }) => [kind, (incoming?.payload as { seq?: number }).seq]), [['message', 1], ['message', 2], ['message', 3], ['message', 4], ['disconnected', undefined]])
      assert.equal(intake.statistics().abandoned, 0)
    })
  }
}

test('what is kept of clients that went has a limit; beyond, it is counted', async t => {
  const broker = await openBroker(t)
  // Each counts eight times its length.
  const { heard, intake, attach, detach } = openIntake(t, broker.id, { totalBytes: 3.5 * 8 * reading().length, acknowledge: 'arrival' })
  detach()
  const client = await broker.client()
  for (let i = 0; i < 5; i++) client.publish('agent/message', reading(), { qos: 1 })
  await until(() => intake.statistics().waiting, n => n === 5)
  client.end(true)
  await until(() => intake.statistics().abandoned, n => n === 2)
  attach()
  await until(() => heard.filter(({ kind }) => kind === 'message').length, n => n === 3)
})

test('what comes late of a client that went takes an agent from no other connection, and says no goodbye for it', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { clientWindow: 1 })
  const before = await broker.client()
  before.publish('agent/message', reading('a'), { qos: 1 })
  before.publish('agent/message', reading('a'), { qos: 1 })
  before.publish('agent/disconnected', '{"agent":{"uuid":"a"}}', { qos: 1 })
  await until(() => intake.statistics().waiting, n => n === 2)
  before.end(true)
  await until(() => broker.place.statistics().clients, n => n === 0)
  const after = await broker.client()
  after.publish('agent/message', reading('a'), { qos: 1 })
  await until(() => heard.length, n => n === 2)
  for (let i = 0; i < 3; i++) {
    await until(() => heard.length, n => n > i)
    claim(heard[i]).settle()
  }
  await until(() => intake.statistics().waiting + intake.statistics().unsettled, n => n === 0)
  assert.deepEqual([heard.map(({ kind }) => kind), intake.statistics().agents], [['message', 'message', 'message'], 1])
})
