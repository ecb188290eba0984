import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openBroker, type TestBroker, type TestOptions } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { Peer, type ConnectOptions, type Message } from '../../../helpers/peer.ts'

// What was reported of other brokers and clients that speak MQTT 5, about how messages come, done to this one. Each test names the report.

interface Room { broker: TestBroker, enter (clientId: string, options?: ConnectOptions): Promise<Peer> }

async function room (t: TestContext, options: TestOptions = {}): Promise<Room> {
  const broker = await openBroker(t, options)
  return {
    broker,
    async enter (clientId, options = {}) {
      const peer = await Peer.open(broker.port)
      t.after(() => { peer.cut() })
      await peer.connect(clientId, options)
      return peer
    }
  }
}

const kept = (properties: ConnectOptions['properties'] = {}): ConnectOptions => ({ clean: false, properties: { sessionExpiryInterval: 60, ...properties } })

/** Hang up, and wait until the broker knows. */
async function leave ({ broker: { events } }: Room, peer: Peer): Promise<void> {
  const before = events.length
  peer.cut()
  await until(() => events.slice(before).some(({ event }) => event === 'disconnected'), gone => gone)
}

const payloads = (messages: Message[]): string[] => messages.map(({ payload }) => String(payload))
const idsOf = ({ properties }: Message): number[] => [properties?.subscriptionIdentifier ?? []].flat().sort((a, b) => a - b)

// https://github.com/home-assistant/core/pull/169604: Home Assistant tells by the ids which of its overlapping subscriptions a message is for.
test('what is retained comes with the id of the SUBSCRIBE that asked for it, and of no other', async t => {
  const { enter } = await room(t)
  const [publisher, home] = [await enter('publisher'), await enter('home')]
  await publisher.publish('a/b', 'x', { qos: 1, retain: true })
  for (const [filter, id] of [['a/#', 1], ['a/+', 2], ['+/b', undefined]] as const) {
    await home.subscribe(filter, id)
    assert.deepEqual(idsOf(await home.message()), id === undefined ? [] : [id])
  }
  await publisher.publish('a/b', 'live', { qos: 1 })
  assert.deepEqual(idsOf(await home.message()), [1, 2])
})

// https://github.com/node-red/node-red/issues/5962: Node-RED's nodes ask for response information, and each takes only messages with its own id alone.
test('a client that asks for response information gets a copy for each of its ids, within its receive maximum and on return, too', async t => {
  const here = await room(t)
  const publisher = await here.enter('publisher')
  const options = kept({ requestResponseInformation: true, receiveMaximum: 1 })
  const nodes = await here.enter('nodes', options)
  for (const [topic, qos, id] of [['a/b', 1, 1], ['a/#', 2, 2], ['+/b', 0, 3]] as const) await nodes.subscribe({ topic, qos }, id)
  const copiesTo = async (peer: Peer): Promise<unknown[]> => {
    const copies: unknown[] = []
    for (let i = 0; i < 3; i++) {
      const message = await peer.message()
      copies.push([String(message.payload), idsOf(message), message.qos])
      await peer.acknowledge(message)
    }
    return copies
  }
  const expected = (payload: string) => [[payload, [3], 0], [payload, [1], 1], [payload, [2], 2]]
  for (const payload of ['one', 'two']) {
    await publisher.publish('a/b', payload, { qos: 2 })
    assert.deepEqual(await copiesTo(nodes), expected(payload))
  }
  await leave(here, nodes)
  await publisher.publish('a/b', 'waited', { qos: 2 })
  const again = await here.enter('nodes', options)
  assert.deepEqual(await copiesTo(again), expected('waited'))
  await publisher.publish('a/b', 'new', { qos: 2 })
  assert.deepEqual(await copiesTo(again), expected('new'))
  assert.deepEqual(await again.settled(), [])
})

// https://github.com/faststream-community/zMQTT/pull/35: a client tells by the ids whether a message is its share of the work.
for (const [first, second] of [['jobs', '$share/g/jobs'], ['$share/g/jobs', 'jobs']] as const) {
  for (const qos of [0, 1, 2] as const) {
    test(`the id of a group comes with its member's messages, not with what comes for ${first} or ${second} otherwise: QoS ${qos}`, async t => {
      const { enter } = await room(t)
      const both = [await enter('one'), await enter('other')]
      for (const peer of both) for (const filter of [first, second]) await peer.subscribe(filter, filter === 'jobs' ? 1 : 2)
      const publisher = await enter('publisher')
      const count = 6
      for (let i = 0; i < count; i++) await publisher.publish('jobs', `${i}`, { qos })
      const came = await Promise.all(both.map(peer => peer.messages(count)))
      const shared = came.map(messages => messages.filter(message => idsOf(message).includes(2)).length)
      assert.deepEqual(shared, [count / 2, count / 2])
      for (const messages of came) for (const message of messages) assert.ok(idsOf(message).includes(1))
    })
  }
}

// https://github.com/DrmagicE/gmqtt/issues/65: a client that has the topic alone and in a group.
for (const session of ['a clean', 'a kept'] as const) {
  for (const [own, ofGroup] of [[0, 1], [1, 0], [1, 2]] as const) {
    test(`a client with the filter alone and in a group gets each message once, in ${session} session: QoS ${own} and ${ofGroup}`, async t => {
      const { enter } = await room(t)
      const both = await enter('both', session === 'a kept' ? kept() : {})
      await both.subscribe({ topic: 'jobs', qos: own }, 1)
      await both.subscribe({ topic: '$share/g/jobs', qos: ofGroup }, 2)
      const publisher = await enter('publisher')
      for (let i = 0; i < 4; i++) await publisher.publish('jobs', `${i}`, { qos: 2 })
      await publisher.publish('jobs', 'last', { qos: 2 })
      assert.deepEqual((await both.messages(5)).map(message => [String(message.payload), message.qos, idsOf(message)]), ['0', '1', '2', '3', 'last'].map(payload => [payload, Math.max(own, ofGroup), [1, 2]]))
      assert.deepEqual(await both.settled(), [])
    })
  }
}

// https://github.com/eclipse-paho/paho.golang/issues/271: an alias that is used before its topic was told ends the connection.
test('an alias is told with its topic, even after a message that was too large for the client', async t => {
  const { enter } = await room(t)
  const [publisher, small] = [await enter('publisher'), await enter('small', { properties: { topicAliasMaximum: 5, maximumPacketSize: 100 } })]
  await small.subscribe({ topic: 'a', qos: 1 })
  await publisher.publish('a', 'x'.repeat(200), { qos: 1 })
  for (const payload of ['one', 'two']) await publisher.publish('a', payload, { qos: 1 })
  const came = await small.messages(2)
  assert.deepEqual(came.map(({ topic, payload, properties }) => [topic, String(payload), properties?.topicAlias]), [['a', 'one', 1], ['', 'two', 1]])
})

// https://github.com/eclipse-mosquitto/mosquitto/issues/3503
test('a message that is one byte too large for the client does not come, with the numbers of the report', async t => {
  const { enter } = await room(t)
  const [publisher, small] = [await enter('publisher'), await enter('small', { properties: { maximumPacketSize: 99 } })]
  await small.subscribe('a')
  for (const length of [92, 91]) await publisher.publish('a', 'x'.repeat(length), { qos: 2 })
  await publisher.publish('a', 'last')
  assert.deepEqual((await small.through('last')).map(({ payload }) => payload.length), [91])
})

// https://github.com/eclipse-mosquitto/mosquitto/issues/3503: the bytes of an alias count, too.
test('a message that fits without an alias comes without one', async t => {
  const { enter } = await room(t)
  const [publisher, small] = [await enter('publisher'), await enter('small', { properties: { topicAliasMaximum: 5, maximumPacketSize: 99 } })]
  await small.subscribe('a')
  for (const length of [91, 92, 10, 91]) await publisher.publish('a', 'x'.repeat(length), { qos: 2 })
  await publisher.publish('a', 'last')
  assert.deepEqual((await small.through('last')).map(({ topic, payload }) => [topic, payload.length]), [['a', 91], ['a', 10], ['a', 91]])
})

// https://github.com/rmqtt/rmqtt/issues/513
test('a message that is too large does not keep back those behind it, in a queue and with a receive maximum of 1', async t => {
  const here = await room(t)
  const publisher = await here.enter('publisher')
  const away = await here.enter('away', kept())
  await away.subscribe('a')
  await leave(here, away)
  for (const payload of ['x'.repeat(500), 'one', 'y'.repeat(500), 'two', 'z'.repeat(500), 'three']) await publisher.publish('a', payload, { qos: 2 })
  const again = await here.enter('away', kept({ maximumPacketSize: 100, receiveMaximum: 1 }))
  for (const payload of ['one', 'two', 'three']) {
    const message = await again.message()
    assert.equal(String(message.payload), payload)
    await again.acknowledge(message)
  }
})

// https://github.com/halfgaar/FlashMQ/issues/173
test('a new connection has its own quota, whatever the last one had left', async t => {
  const here = await room(t)
  const publisher = await here.enter('publisher')
  const first = await here.enter('reader', kept({ receiveMaximum: 1 }))
  await first.subscribe('a')
  await publisher.publish('a', '0', { qos: 1 })
  await first.message()
  await leave(here, first)
  for (let i = 1; i < 5; i++) await publisher.publish('a', `${i}`, { qos: 1 })
  const again = await here.enter('reader', kept({ receiveMaximum: 4 }))
  const came = await again.messages(4)
  for (const message of came) await again.acknowledge(message)
  assert.deepEqual(payloads([...came, await again.message()]), ['0', '1', '2', '3', '4'])
})

// https://github.com/halfgaar/FlashMQ/issues/171
test('a QoS 2 message that comes again is acknowledged again without an error', async t => {
  const { enter } = await room(t)
  const [reader, sender] = [await enter('reader'), await enter('sender')]
  await reader.subscribe('a')
  for (const dup of [false, true]) {
    sender.send({ cmd: 'publish', topic: 'a', payload: 'x', qos: 2, messageId: 1, retain: false, dup })
    assert.equal((await sender.next('pubrec', 1)).reasonCode ?? 0, 0)
  }
  assert.deepEqual(payloads(await reader.settled()), ['x'])
})

// https://github.com/emqx/emqx/issues/15055
test('an id can be used again at once, when its QoS 2 message is done', async t => {
  const { enter } = await room(t)
  const [reader, sender] = [await enter('reader'), await enter('sender')]
  await reader.subscribe('a')
  const payloadsSent = Array.from({ length: 200 }, (_, i) => `${i}`)
  for (const payload of payloadsSent) assert.equal(await sender.publish('a', payload, { qos: 2, messageId: 1 }), 0)
  const came = await reader.messages(1)
  assert.deepEqual(payloads(came), ['0'])
})

// https://github.com/ukemp/ktor-mqtt/pull/31: a client sends PUBREL after an error, and the message again on each connection.
test('a QoS 2 message that was refused may come again, and its PUBREL does no harm', async t => {
  const rules: TestOptions['rules'] = [{ subject: 'everyone', access: 'readwrite', topic: '#' }, { subject: 'everyone', access: 'deny', topic: 'closed' }]
  const here = await room(t, { rules })
  for (let i = 0; i < 2; i++) {
    const sender = await here.enter('sender', kept())
    sender.send({ cmd: 'publish', topic: 'closed', payload: 'x', qos: 2, messageId: 1, retain: false, dup: i > 0 })
    assert.equal((await sender.next('pubrec', 1)).reasonCode, 0x87)
    sender.send({ cmd: 'pubrel', messageId: 1 })
    await sender.next('pubcomp', 1)
    assert.equal(await sender.publish('open', 'x', { qos: 2, messageId: 1 }), 0x10)
    await leave(here, sender)
  }
})

// https://github.com/eclipse-mosquitto/mosquitto/issues/2609
test('what has expired takes no room in a queue', async t => {
  const here = await room(t, { limits: { offlineMessages: 3 } })
  const publisher = await here.enter('publisher')
  const away = await here.enter('away', kept())
  await away.subscribe('a')
  await leave(here, away)
  for (let i = 0; i < 3; i++) await publisher.publish('a', 'short', { qos: 1, properties: { messageExpiryInterval: 1 } })
  await pause(1_100)
  await publisher.publish('a', 'waits', { qos: 1 })
  const again = await here.enter('away', kept())
  assert.deepEqual(payloads(await again.messages(1)), ['waits'])
})

// https://github.com/eclipse-mosquitto/mosquitto/issues/2609
test('what has expired takes no room among retained messages', async t => {
  const { enter } = await room(t, { limits: { retainedMessages: 1 } })
  const publisher = await enter('publisher')
  await publisher.publish('a', 'short', { qos: 1, retain: true, properties: { messageExpiryInterval: 1 } })
  await pause(1_100)
  await publisher.publish('b', 'stays', { qos: 1, retain: true })
  const reader = await enter('reader')
  await reader.subscribe('+')
  assert.deepEqual(payloads(await reader.messages(1)), ['stays'])
})

// https://github.com/dotnet/MQTTnet/issues/805
test('what this process publishes expires, too', async t => {
  const here = await room(t)
  const away = await here.enter('away', kept())
  await away.subscribe('a')
  await leave(here, away)
  for (const [payload, messageExpiry] of [['short', 1], ['long', 60]] as const) await here.broker.place.publish({ topic: 'a', payload, qos: 1, retain: false, properties: { messageExpiry } })
  await pause(1_100)
  const again = await here.enter('away', kept())
  const [message] = await again.messages(1)
  assert.equal(String(message!.payload), 'long')
  const left = message!.properties?.messageExpiryInterval ?? 0
  assert.ok(left >= 57 && left <= 59, `${left} s are left`)
})
