import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimDelivery } from '../../../lib/intake/pending-deliveries.ts'
import { flowsStarted } from '../../../lib/registry/registry.ts'
import { openBroker, openIntake } from '../../helpers/broker.ts'
import { closing, until } from '../../helpers/events.ts'
import { claim, publish } from '../../helpers/intake.ts'
import { reading } from '../../helpers/messages.ts'

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

test('a goodbye that a closing store gave back is known to have come before the clock was set', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id)
  const client = await broker.client()
  const sent = publish(client, 'agent/message', reading())
  await until(() => heard.length, n => n === 1)
  claim(heard[0]).settle()
  await sent.done
  client.end(true)
  await until(() => heard.length, n => n === 2)
  const right = Date.now()
  const clock = t.mock.method(Date, 'now', () => right - 3_600_000)
  const first = claim(heard[1])
  const { takenAt } = first
  first.release()
  clock.mock.restore()
  flowsStarted()
  await until(() => heard.length, n => n === 3)
  const again = claim(heard[2])
  assert.deepEqual([takenAt, again.takenAt], [right - 3_600_000, right - 3_600_000])
  again.settle()
  assert.ok(again.takenAt >= right, 'one that is settled is asked nothing more')
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
  await closing(client)
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
  await closing(client)
  assert.equal(sent.acknowledged, false)
  assert.equal(intake.statistics().timedOut, 1)
  assert.equal(claimDelivery(id), undefined)
})
