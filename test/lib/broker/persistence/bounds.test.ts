import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { connect, leaveSession, openBroker, payloads, receive, retainedTopics, speak } from '../../../helpers/persistent-broker.ts'

for (const folder of [false, true]) {
  const where = folder ? 'on disk' : 'in memory'
  const place = async (t: TestContext): Promise<string | undefined> => folder ? temporaryFolder(t) : undefined

  test(`a queue that is full takes no further message and counts them, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t), limits: { offlineMessages: 3, offlineBytes: 100 } })
    await leaveSession(t, port, 'count', 'small', 1)
    await leaveSession(t, port, 'bytes', 'large', 1)
    const publisher = await connect(t, port)
    for (let i = 0; i < 5; i++) await publisher.publishAsync('small', String(i), { qos: 1 })
    for (let i = 0; i < 3; i++) await publisher.publishAsync('large', String(i).repeat(45), { qos: 1 })
    const { offline, offlineBytes, droppedOffline, sessions } = persistence.counters
    assert.deepEqual({ offline, offlineBytes, droppedOffline, sessions }, { offline: 5, offlineBytes: 118, droppedOffline: 3, sessions: 2 })
    const { got } = await receive(t, port, { clientId: 'count', clean: false })
    await until(() => got.length, count => count === 3)
    assert.deepEqual(payloads(got), ['0', '1', '2'])
    await until(() => persistence.counters.offline, count => count === 2)
    await publisher.publishAsync('small', 'room', { qos: 1 })
    await until(() => got.at(-1)?.payload, payload => payload === 'room')
  })

  test(`the queues of all sessions together are bounded in bytes, and a message in many of them counts once, ${where}`, async t => {
    const folder = await place(t)
    const limits = { offlineTotalBytes: 10_000 }
    const first = await openBroker(t, { folder, limits })
    for (const id of ['1', '2', '3']) {
      await leaveSession(t, first.port, `own ${id}`, id, 1)
      await leaveSession(t, first.port, `all ${id}`, 'all', 1)
    }
    const publisher = await connect(t, first.port)
    await publisher.publishAsync('all', Buffer.alloc(4_000), { qos: 1 })
    await publisher.publishAsync('1', Buffer.alloc(3_500), { qos: 1 })
    await publisher.publishAsync('2', Buffer.alloc(3_500), { qos: 1 })
    const { offline, droppedOffline } = first.persistence.counters
    assert.deepEqual({ offline, droppedOffline }, { offline: 4, droppedOffline: 1 })
    let now = first
    if (folder !== undefined) {
      await first.close()
      now = await openBroker(t, { folder, limits })
    }
    const again = await connect(t, now.port)
    await again.publishAsync('3', Buffer.alloc(3_500), { qos: 1 })
    assert.equal(now.persistence.counters.offline, 4)
    const { got } = await receive(t, now.port, { clientId: 'own 1', clean: false })
    await until(() => [got.length, now.persistence.counters.offline], ([count, offline]) => count === 1 && offline === 3)
    await again.publishAsync('3', Buffer.alloc(3_500), { qos: 1 })
    assert.equal(now.persistence.counters.offline, 4)
    // No room, but within its share: one of seven.
    await leaveSession(t, now.port, 'own 4', '4', 1)
    await again.publishAsync('4', Buffer.alloc(500), { qos: 1 })
    assert.equal(now.persistence.counters.offline, 5)
  })

  test(`shares of the room for all queues count places as well, and take no more than the room once again, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t), limits: { offlineTotalBytes: 100_000 } })
    const publisher = await connect(t, port)
    for (let i = 0; i < 20; i++) {
      await leaveSession(t, port, `own ${i}`, `own/${i}`, 1)
      await Promise.all(Array.from({ length: 300 }, () => publisher.publishAsync(`own/${i}`, 'x', { qos: 1 })))
    }
    const { offline, droppedOffline } = persistence.counters
    assert.equal(offline + droppedOffline, 20 * 300)
    assert.ok(offline * 512 > 100_000 && offline * 512 <= 200_000, `${offline} places`)
  })

  test(`a client that is connected gets also what its full queue does not take, ${where}`, async t => {
    const { port, persistence, errors } = await openBroker(t, { folder: await place(t), limits: { offlineMessages: 1 } })
    const reader = await speak(t, port, 'reader')
    reader.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2 }] })
    await reader.next('suback')
    const publisher = await connect(t, port)
    for (const payload of ['1', '2']) await publisher.publishAsync('a', payload, { qos: 2 })
    const messages = [await reader.next('publish'), await reader.next('publish')]
    for (const { messageId } of messages) {
      reader.send({ cmd: 'pubrec', messageId: messageId! })
      await reader.next('pubrel')
      reader.send({ cmd: 'pubcomp', messageId: messageId! })
    }
    await until(() => persistence.counters, ({ offline, droppedOffline }) => offline === 0 && droppedOffline === 1)
    assert.deepEqual(errors, [])
  })

  test(`beyond the limit no further topic is retained; what is there is replaced and cleared, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t), limits: { retainedMessages: 2 } })
    const publisher = await connect(t, port)
    for (const topic of ['a', 'b', 'c', 'c']) await publisher.publishAsync(topic, 'first', { qos: 1, retain: true })
    await publisher.publishAsync('a', 'second', { qos: 0, retain: true })
    await until(() => persistence.counters, ({ retained, refusedRetained, retainedBytes }) => retained === 2 && refusedRetained === 2 && retainedBytes === 13)
    assert.equal(await persistence.clearRetained('b'), true)
    assert.equal(await persistence.clearRetained('b'), false)
    await publisher.publishAsync('d', 'first', { qos: 1, retain: true })
    const { client, got } = await receive(t, port, {})
    await client.subscribeAsync('+')
    await until(() => got.length, count => count === 2)
    assert.deepEqual(got.map(({ topic, payload }) => [topic, payload]).sort(), [['a', 'second'], ['d', 'first']])
  })

  test(`what is retained is bounded in bytes; a topic whose new message does not fit has none, ${where}`, async t => {
    const folder = await place(t)
    // A level of a topic counts as 256.
    const retainedBytes = 3 * 256 + 100
    const first = await openBroker(t, { folder, limits: { retainedBytes } })
    const publisher = await connect(t, first.port)
    const retain = (topic: string, bytes: number): Promise<unknown> => publisher.publishAsync(topic, Buffer.alloc(bytes), { qos: 1, retain: true })
    for (const [topic, bytes] of [['a', 30], ['b', 30], ['c', 40], ['b', 10], ['c', 50], ['a', 60]] as const) await retain(topic, bytes)
    assert.deepEqual(await retainedTopics(t, first), [['b', 10], ['c', 50]])
    assert.deepEqual(first.persistence.dropped, { offlineLimit: 0, retainedLimit: 1, expired: 0 })
    if (folder === undefined) return
    await first.close()
    const second = await openBroker(t, { folder, limits: { retainedBytes } })
    const again = await connect(t, second.port)
    await again.publishAsync('d', Buffer.alloc(400), { qos: 1, retain: true })
    await again.publishAsync('e', Buffer.alloc(30), { qos: 1, retain: true })
    assert.deepEqual(await retainedTopics(t, second), [['b', 10], ['c', 50], ['e', 30]])
    assert.equal(second.persistence.dropped.retainedLimit, 1)
  })

  test(`a session whose client stays away too long ends with its queue, ${where}`, async t => {
    let now = 1_000_000
    const { port, persistence } = await openBroker(t, { folder: await place(t), limits: { sessionExpiry: 1 }, now: () => now })
    await leaveSession(t, port, 'away', 'a', 1)
    const here = await receive(t, port, { clientId: 'here', clean: false })
    await here.client.subscribeAsync('a', { qos: 1 })
    await (await connect(t, port)).publishAsync('a', 'x', { qos: 1 })
    await until(() => persistence.counters, ({ sessions, offline }) => sessions === 2 && offline === 1)
    now += 1_001
    await until(() => persistence.counters, ({ sessions, offline, expiredSessions }) => sessions === 1 && offline === 0 && expiredSessions === 1)
    const { client, got } = await receive(t, port, { clientId: 'away', clean: false })
    await (await connect(t, port)).publishAsync('a', 'y', { qos: 1 })
    await until(() => here.got.length, count => count === 2)
    assert.deepEqual(got, [])
    await client.endAsync()
  })

  test(`QoS 0 between messages of QoS 1 and 2 loses none of them, nor their order, ${where}`, async t => {
    const { port, persistence, errors } = await openBroker(t, { folder: await place(t) })
    const { client, got } = await receive(t, port, { clientId: 'reader', clean: false })
    await client.subscribeAsync('a/#', { qos: 2 })
    const publisher = await connect(t, port)
    const all = Array.from({ length: 1_500 }, (_, i) => publisher.publishAsync(`a/${i % 3}`, String(i), { qos: i % 3 as 0 | 1 | 2, retain: i % 7 === 0 }))
    await Promise.all(all)
    await until(() => got.length, count => count >= 1_500)
    for (const qos of [0, 1, 2]) assert.deepEqual(payloads(got.filter(message => message.qos === qos)), Array.from({ length: 500 }, (_, i) => String(3 * i + qos)))
    await until(() => persistence.counters.offline, count => count === 0)
    assert.deepEqual(errors, [])
  })

  test(`a message that several filters of a session match waits once, at the highest of their QoS, ${where}`, async t => {
    const { port } = await openBroker(t, { folder: await place(t) })
    const client = await connect(t, port, { clientId: 'away', clean: false })
    await client.subscribeAsync({ 'a/b': { qos: 0 }, 'a/#': { qos: 1 }, '+/b': { qos: 1 }, '+/x': { qos: 1 } })
    await client.endAsync()
    const publisher = await connect(t, port)
    await publisher.publishAsync('a/b', '1', { qos: 2 })
    await publisher.publishAsync('/x', '2', { qos: 1 }) // [MQTT-4.7.1-3]
    await publisher.publishAsync('$a/b', '3', { qos: 1 }) // [MQTT-4.7.2-1]
    const { got } = await receive(t, port, { clientId: 'away', clean: false })
    await until(() => got.length, count => count === 2)
    assert.deepEqual(got.map(({ payload, qos }) => [payload, qos]), [['1', 1], ['2', 1]])
  })

  test(`what may not be delivered does not stay in the queue of a client that is here, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t), authorizeForward: (_client, packet) => packet.topic === 'a/no' ? null : packet })
    const { client, got } = await receive(t, port, { clientId: 'reader', clean: false })
    await client.subscribeAsync('a/#', { qos: 1 })
    const publisher = await connect(t, port)
    for (const topic of ['a/no', 'a/yes', 'a/no']) await publisher.publishAsync(topic, topic, { qos: 1 })
    await until(() => [got.length, persistence.counters.offline], ([count, offline]) => count === 1 && offline === 0)
  })

  test(`a retained message of QoS 2 does not cut off a client with a session, ${where}`, async t => {
    const { port, errors } = await openBroker(t, { folder: await place(t) })
    await (await connect(t, port)).publishAsync('a', 'kept', { qos: 2, retain: true })
    const reader = await speak(t, port, 'reader')
    reader.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2 }] })
    const { messageId } = await reader.next('publish')
    reader.send({ cmd: 'pubrec', messageId: messageId! })
    await reader.next('pubrel')
    assert.deepEqual(errors, [])
  })

  test(`a clean session ends the one that was, its queue included, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t) })
    await leaveSession(t, port, 'c', 'a', 1)
    await (await connect(t, port)).publishAsync('a', 'x', { qos: 1 })
    assert.equal(persistence.counters.offline, 1)
    await connect(t, port, { clientId: 'c', clean: true })
    const { sessions, offline, offlineBytes } = persistence.counters
    assert.deepEqual({ sessions, offline, offlineBytes }, { sessions: 0, offline: 0, offlineBytes: 0 })
  })
}
