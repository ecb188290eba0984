import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MqttClient } from 'mqtt'
import { claimDelivery } from '../../../lib/intake/pending-deliveries.ts'
import { flowsStarted } from '../../../lib/registry/registry.ts'
import { openBroker, openIntake } from '../../helpers/broker.ts'
import { closing, until } from '../../helpers/events.ts'
import { claim, publish } from '../../helpers/intake.ts'
import { reading } from '../../helpers/messages.ts'

for (const qos of [1, 2] as const) {
  test(`a QoS ${qos} publisher is acknowledged only after its delivery is settled`, async t => {
    const broker = await openBroker(t)
    const { heard } = openIntake(t, broker.id)
    const client = await broker.client({ clientId: 'c1', username: 'u1' })
    const sent = publish(client, 'agent/message', reading('a1'), qos)
    await until(() => heard.length, n => n === 1)
    const delivery = heard[0]?.incoming?.delivery
    assert.deepEqual([delivery?.clientId, delivery?.username, delivery?.qos, delivery?.retain], ['c1', 'u1', qos, false])
    // A ping goes the same way; its answer shows that the broker had time to acknowledge.
    await (await broker.client()).publishAsync('other', '', { qos: 1 })
    assert.equal(sent.acknowledged, false)
    claim(heard[0]).settle()
    await sent.done
    assert.equal(sent.acknowledged, true)
  })
}

test('a delivery that failed is not acknowledged, and its sender hangs up to send again', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id)
  const client = await broker.client({ clientId: 'c1' })
  const sent = publish(client, 'agent/message', reading())
  await until(() => heard.length, n => n === 1)
  claim(heard[0]).settle(new Error('no'))
  await closing(client)
  assert.equal(sent.acknowledged, false)
  await until(() => broker.events, events => events.some(event => event.event === 'disconnected' && event.reason === 'not acknowledged: no'))
})

test('messages that a flow makes of one are counted for each store and metric type, and anew when the delivery is given again', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id)
  const sent = publish(await broker.client(), 'agent/message', reading())
  await until(() => heard.length, n => n === 1)
  const metrics = (type: string) => [{ type, value: 1 }]
  const claimFor = (store: string, type: string) => {
    const claimed = claim(heard.at(-1))
    return { claimed, count: claimed.countSame(store, metrics(type)) }
  }
  const first = [claimFor('s1', 'a'), claimFor('s1', 'b'), claimFor('s2', 'a'), claimFor('s1', 'a')]
  assert.deepEqual(first.map(({ count }) => count), [0, 0, 0, 1])
  for (const { claimed } of first) claimed.release()
  assert.equal(claimFor('s1', 'a').claimed.release(), undefined)
  flowsStarted()
  await until(() => heard.length, n => n === 2)
  const again = [claimFor('s1', 'a'), claimFor('s1', 'a')]
  assert.deepEqual(again.map(({ count }) => count), [0, 1])
  for (const { claimed } of again) claimed.settle()
  await sent.done
  assert.equal(sent.acknowledged, true)
})

test('each store that holds a delivery has to settle it', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id)
  const sent = publish(await broker.client(), 'agent/message', reading())
  await until(() => heard.length, n => n === 1)
  const [one, two] = [claim(heard[0]), claim(heard[0])]
  one.settle()
  one.settle()
  await (await broker.client()).publishAsync('other', '', { qos: 1 })
  assert.equal(sent.acknowledged, false)
  two.settle()
  await sent.done
  assert.equal(sent.acknowledged, true)
  assert.equal(claimDelivery(heard[0]?.incoming?.delivery.id), undefined)
})

test('what is taken reaches no subscriber, no offline session and no retained store', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  const received: string[] = []
  const listen = async (client: MqttClient) => {
    client.on('message', topic => { received.push(topic) })
    await client.subscribeAsync(['#', 'agent/message'], { qos: 1 })
  }
  const persistent = await broker.client({ clientId: 'persistent', clean: false })
  await listen(persistent)
  await persistent.endAsync()
  await listen(await broker.client())
  const client = await broker.client()
  for (const qos of [0, 1, 2] as const) await client.publishAsync('agent/message', reading(), { qos, retain: true })
  await until(() => heard.length, n => n === 3)
  const back = await broker.client({ clientId: 'persistent', clean: false })
  await listen(back)
  await listen(await broker.client())
  await client.publishAsync('other', 'x', { qos: 1 })
  await until(() => received.length, n => n >= 3)
  assert.deepEqual(new Set(received), new Set(['other']))
})

test('without an agent-in the three topics are like any other', async t => {
  const broker = await openBroker(t)
  const subscriber = await broker.client()
  const received: string[] = []
  subscriber.on('message', (_topic, payload) => { received.push(payload.toString()) })
  await subscriber.subscribeAsync('agent/message')
  await (await broker.client()).publishAsync('agent/message', 'anything', { qos: 1 })
  await until(() => received, received => received.length === 1)
  assert.deepEqual(received, ['anything'])
})

test('what breaks the contract is rejected with its bytes, and acknowledged', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id)
  await (await broker.client()).publishAsync('agent/message', '{oops', { qos: 1 })
  assert.equal(heard[0]?.kind, 'rejected')
  assert.deepEqual([heard[0]?.rejected?.topic, heard[0]?.rejected?.payload, heard[0]?.rejected?.reason], ['agent/message', '{oops', 'PAYLOAD_NOT_JSON'])
  assert.equal(intake.statistics().rejected, 1)
})

test('of a thousand bad metrics twenty come out, and all are counted', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  await (await broker.client()).publishAsync('agent/message', `{"agent":{"uuid":"a1"},"metrics":[{"type":"a","value":1}${',0'.repeat(999)}]}`, { qos: 1 })
  assert.equal(heard.filter(({ kind }) => kind === 'rejected').length, 20)
  assert.equal(intake.statistics().rejectedMetrics, 999)
})
