import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MqttClient } from 'mqtt'
import type { Packet } from 'mqtt-packet'
import { once, until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { connect, forkBroker, leaveSession, openBroker, payloads, receive, speak } from '../../../helpers/persistent-broker.ts'

test('what was acknowledged is there after each of five kills in the middle of a load, once and in order', async t => {
  const folder = await temporaryFolder(t)
  let broker = await forkBroker(t, { folder })
  const { port } = broker
  await leaveSession(t, port, 'away', 'load/#', 2)
  // It goes on after each kill, and sends again what was not acknowledged: with QoS 2 it comes exactly once.
  const lasting = await connect(t, port, { clientId: 'lasting', clean: false, reconnectPeriod: 20 })
  const acknowledged: Record<string, number[]> = { lasting: [] }
  const sent: Record<string, number> = { lasting: 0 }
  let loading = true
  const publish = (client: MqttClient, name: string, qos: 0 | 1 | 2): void => {
    const number = sent[name]!++
    client.publish(`load/${name}`, String(number), { qos, retain: number % 10 === 0 }, error => {
      if (!error) acknowledged[name]!.push(number)
      if (loading && !error) publish(client, name, qos)
    })
  }
  for (let i = 0; i < 20; i++) publish(lasting, 'lasting', 2)
  for (let run = 1; run <= 5; run++) {
    const passing: string[] = []
    for (const qos of [1, 1, 2] as const) {
      const name = `run${run}-${passing.length}-qos${qos}`
      passing.push(name)
      acknowledged[name] = []
      sent[name] = 0
      const client = await connect(t, port, { clientId: name })
      for (let i = 0; i < 20; i++) publish(client, name, qos)
    }
    const before = acknowledged.lasting!.length
    await until(() => [acknowledged.lasting!.length - before, ...passing.map(name => acknowledged[name]!.length)], counts => counts.every(count => count > 50))
    await broker.kill()
    broker = await forkBroker(t, { folder, port })
  }
  loading = false
  await until(() => acknowledged.lasting!.length, count => count === sent.lasting)

  await broker.kill()

  const { persistence } = await openBroker(t, { folder, port })
  const { got } = await receive(t, port, { clientId: 'away', clean: false })
  await until(() => persistence.counters.offline, count => count === 0, 30_000)
  for (const [name, numbers] of Object.entries(acknowledged)) {
    const received = got.filter(({ topic }) => topic === `load/${name}`).map(({ payload }) => Number(payload))
    const there = new Set(received)
    assert.deepEqual(numbers.filter(number => !there.has(number)), [], `${name}: everything acknowledged`)
    assert.equal(received.length, there.size, `${name}: nothing twice`)
    if (name !== 'lasting') assert.deepEqual(received, [...received].sort((a, b) => a - b), `${name}: in order`)
  }
  assert.equal(got.filter(({ topic }) => topic === 'load/lasting').length, sent.lasting)
  const { got: retained, client } = await receive(t, port, { clientId: 'reader' })
  await client.subscribeAsync('load/lasting')
  await until(() => retained.length, count => count === 1)
  assert.ok(retained[0]!.retain)
})

test('subscriptions, retained messages and their removal survive a kill', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  await leaveSession(t, first.port, 'away', ['a/+', 'b/#'], 1)
  const left = await connect(t, first.port, { clientId: 'left', clean: false })
  await left.subscribeAsync(['c', 'd'], { qos: 1 })
  await left.unsubscribeAsync('c')
  const publisher = await connect(t, first.port)
  await publisher.publishAsync('kept', 'old', { qos: 1, retain: true })
  await publisher.publishAsync('kept', Buffer.from([0, 255, 10]), { qos: 1, retain: true })
  await publisher.publishAsync('cleared', 'x', { qos: 1, retain: true })
  await publisher.publishAsync('cleared', '', { qos: 1, retain: true })
  await first.kill()

  const { port, persistence } = await openBroker(t, { folder })
  assert.equal(persistence.counters.sessions, 2)
  assert.equal(persistence.counters.retained, 1)
  assert.equal(persistence.counters.retainedBytes, 7)
  const subscriptions = await Promise.all(['away', 'left'].map(id => persistence.subscriptionsByClient({ id })))
  assert.deepEqual(subscriptions.map(ofOne => ofOne.map(({ topic }) => topic)), [['a/+', 'b/#'], ['d']])
  const { client } = await receive(t, port, { clientId: 'reader' })
  const message = once(client, 'message')
  await client.subscribeAsync('#')
  assert.deepEqual((await message)[1], Buffer.from([0, 255, 10]))
  await (await connect(t, port)).publishAsync('b/c', 'new', { qos: 1 })
  assert.deepEqual(payloads((await receive(t, port, { clientId: 'away', clean: false }).then(async away => { await until(() => away.got.length, count => count === 1); return away })).got), ['new'])
})

test('the will of a client that a killed broker had is published after the restart, unless it comes back', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  for (const clientId of ['gone', 'back']) await speak(t, first.port, clientId, { topic: 'wills', payload: Buffer.from(clientId) })
  await leaveSession(t, first.port, 'away', 'wills', 1)
  await first.kill()
  // aedes looks for wills after four heartbeats.
  const { port, persistence } = await openBroker(t, { folder, heartbeatInterval: 100 })
  await connect(t, port, { clientId: 'back', clean: false })
  await until(() => persistence.counters.offline, count => count === 1)
  const { got } = await receive(t, port, { clientId: 'away', clean: false })
  await until(() => got.length, count => count === 1)
  assert.deepEqual(payloads(got), ['gone'])
})

test('a client that takes a client id over keeps its own last will through a kill', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  await leaveSession(t, first.port, 'away', 'wills', 1)
  for (const payload of ['first', 'second']) await speak(t, first.port, 'device', { topic: 'wills', payload: Buffer.from(payload) })
  // When theirs are on the disk, so is what became of the first one's.
  const { client, got } = await receive(t, first.port, { clientId: 'away', clean: false })
  await until(() => got.length, count => count === 1)
  await client.endAsync()
  for (const clientId of ['a', 'b']) await speak(t, first.port, clientId, { topic: 'other', payload: Buffer.from('x') })
  await first.kill()
  const { port, persistence } = await openBroker(t, { folder, heartbeatInterval: 100 })
  await until(() => persistence.counters.offline, count => count === 1)
  const after = await receive(t, port, { clientId: 'away', clean: false })
  await until(() => after.got.length, count => count === 1)
  assert.deepEqual([payloads(got), payloads(after.got)], [['first'], ['second']])
})

test('a QoS 2 message that is sent again after a kill is not published again', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  await leaveSession(t, first.port, 'away', 'two', 2)
  const message = { cmd: 'publish', topic: 'two', payload: 'x', qos: 2, messageId: 7, dup: false, retain: false } as const
  const before = await speak(t, first.port, 'sender')
  before.send(message)
  await before.next('pubrec')
  await first.kill()

  const second = await openBroker(t, { folder })
  const after = await speak(t, second.port, 'sender')
  after.send({ ...message, dup: true })
  await after.next('pubrec')
  assert.equal(second.persistence.counters.offline, 1)
  after.send({ cmd: 'pubrel', messageId: 7 })
  await after.next('pubcomp')
  // The id is free again.
  after.send(message)
  await after.next('pubrec')
  assert.equal(second.persistence.counters.offline, 2)
})

test('after a kill a delivery of QoS 2 goes on where it was, under the same message id', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  await leaveSession(t, first.port, 'reader', 'two', 2)
  const publisher = await connect(t, first.port)
  for (const payload of ['released', 'sent']) await publisher.publishAsync('two', payload, { qos: 2 })
  const before = await speak(t, first.port, 'reader')
  const [released, sent] = [await before.next('publish'), await before.next('publish')]
  before.send({ cmd: 'pubrec', messageId: released.messageId! })
  await before.next('pubrel')
  await first.kill()

  const second = await openBroker(t, { folder })
  const after = await speak(t, second.port, 'reader')
  assert.equal((await after.next('pubrel')).messageId, released.messageId)
  const again = await after.next('publish') as Packet & { dup: boolean, payload: Buffer }
  assert.deepEqual([again.messageId, again.dup, again.payload.toString()], [sent.messageId, true, 'sent']) // [MQTT-4.4.0-1], [MQTT-3.3.1-1]
  after.send({ cmd: 'pubcomp', messageId: released.messageId! })
  after.send({ cmd: 'pubrec', messageId: again.messageId! })
  await after.next('pubrel')
  after.send({ cmd: 'pubcomp', messageId: again.messageId! })
  await until(() => second.persistence.counters, ({ offline, offlineBytes }) => offline === 0 && offlineBytes === 0)
})
