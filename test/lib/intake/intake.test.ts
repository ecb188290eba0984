import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { MqttClient } from 'mqtt'
import { claimDelivery, type Claim } from '../../../lib/intake/pending-deliveries.ts'
import { flowsStarted } from '../../../lib/registry/registry.ts'
import { openBroker, openIntake, type Heard, type TestBroker } from '../../helpers/broker.ts'
import { once, until } from '../../helpers/events.ts'
import { reading } from '../../helpers/messages.ts'

/** Claims what an intake handed on. */
function claim (heard: Heard | undefined): Claim {
  const claim = claimDelivery(heard?.incoming?.delivery.id)
  assert.ok(claim, 'the delivery is settled or unknown')
  return claim
}

/** Publishes, and says whether the acknowledgement came. */
function publish (client: MqttClient, topic: string, payload: string, qos: 1 | 2 = 1) {
  const state = { acknowledged: false, failed: false, done: Promise.resolve() as Promise<unknown> }
  state.done = client.publishAsync(topic, payload, { qos }).then(() => { state.acknowledged = true }, () => { state.failed = true })
  return state
}

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
  await once(client, 'close')
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

test('a delivery that nobody takes is reported after the time limit and not acknowledged', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { timeLimit: 100 })
  const client = await broker.client()
  const sent = publish(client, 'agent/message', reading())
  await once(client, 'close')
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

test('during a deploy clients stay, and what they send waits for the next agent-in', async t => {
  const broker = await openBroker(t)
  const { heard, attach, detach } = openIntake(t, broker.id)
  const client = await broker.client()
  const before = publish(client, 'agent/message', reading('a1', { seq: 1 }))
  await until(() => heard.length, n => n === 1)
  detach()
  const during = publish(await broker.client(), 'agent/message', reading('a2', { seq: 2 }))
  await (await broker.client()).publishAsync('other', '', { qos: 1 })
  assert.equal(heard.length, 1)
  attach()
  await until(() => heard.length, n => n === 3)
  assert.deepEqual(heard.map(({ incoming }) => (incoming?.payload as { seq: number }).seq), [1, 1, 2])
  claim(heard[1]).settle()
  claim(heard[2]).settle()
  await Promise.all([before.done, during.done])
  assert.deepEqual([before.acknowledged, during.acknowledged, client.connected], [true, true, true])
})

test('a delivery that a closing store gave back, or that a deploy lost on a wire, is sent again', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id)
  const client = await broker.client()
  const sent = [publish(client, 'agent/message', reading()), publish(client, 'agent/message', reading())]
  await until(() => heard.length, n => n === 2)
  claim(heard[0]).release()
  flowsStarted()
  await until(() => heard.length, n => n === 4)
  for (const again of heard.slice(2)) claim(again).settle()
  await Promise.all(sent.map(({ done }) => done))
  assert.ok(sent.every(({ acknowledged }) => acknowledged))
})

test('what is sent again is what came, whatever the flow made of it the first time', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id)
  const sent = publish(await broker.client(), 'agent/message', reading())
  await until(() => heard.length, n => n === 1)
  const before = structuredClone(heard[0]?.incoming?.payload)
  Object.assign(heard[0]?.incoming?.payload ?? {}, { metrics: [], extra: true })
  flowsStarted()
  await until(() => heard.length, n => n === 2)
  assert.deepEqual(heard[1]?.incoming?.payload, before)
  claim(heard[1]).settle()
  await sent.done
})

test('an agent-in that is removed leaves a plain broker, and does not acknowledge what it had', async t => {
  const broker = await openBroker(t)
  const { heard, detach } = openIntake(t, broker.id, { clientWindow: 1 })
  const client = await broker.client()
  const sent = [publish(client, 'agent/message', reading()), publish(client, 'agent/message', reading())]
  await until(() => heard.length, n => n === 1)
  detach(true)
  await once(client, 'close')
  assert.ok(sent.every(({ acknowledged }) => !acknowledged))
  await (await broker.client()).publishAsync('agent/message', 'plain', { qos: 1 })
})

test('two agent-ins on one broker both get the message, and both have to settle', async t => {
  const broker = await openBroker(t)
  const [one, two] = [openIntake(t, broker.id), openIntake(t, broker.id)]
  const sent = publish(await broker.client(), 'agent/message', reading())
  await until(() => one.heard.length + two.heard.length, n => n === 2)
  claim(one.heard[0]).settle()
  assert.equal(sent.acknowledged, false)
  claim(two.heard[0]).settle()
  await sent.done
  assert.equal(sent.acknowledged, true)
})

test('an agent-in that moves to another broker leaves the first one', async t => {
  const [first, second] = [await openBroker(t), await openBroker(t)]
  const { heard, attach } = openIntake(t, first.id, { acknowledge: 'arrival' })
  attach(second.id)
  t.after(() => { attach(first.id) })
  await (await first.client()).publishAsync('agent/message', reading(), { qos: 1 })
  assert.equal(heard.length, 0)
  await (await second.client()).publishAsync('agent/message', reading(), { qos: 1 })
  assert.equal(heard.length, 1)
})

test('a delivery whose id the flow overwrote ends at the time limit, and is sent again under its own id', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { timeLimit: 500 })
  const client = await broker.client()
  const sent = publish(client, 'agent/message', reading())
  await until(() => heard.length, n => n === 1)
  const { delivery } = heard[0]?.incoming ?? assert.fail()
  const { id } = delivery
  delivery.id = 'overwritten'
  flowsStarted()
  await until(() => heard.length, n => n === 2)
  assert.equal(heard[1]?.incoming?.delivery.id, id)
  delivery.id = 'overwritten'
  await once(client, 'close')
  assert.equal(sent.acknowledged, false)
  assert.equal(intake.statistics().timedOut, 1)
  assert.equal(claimDelivery(id), undefined)
})
