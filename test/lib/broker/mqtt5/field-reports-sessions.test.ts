import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openBroker, type TestBroker, type TestOptions } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { Peer, type ConnectOptions, type Message } from '../../../helpers/peer.ts'

// What was reported of other brokers and clients that speak MQTT 5, about sessions, last wills and subscriptions, done to this one. Each test names the report.

interface Room { broker: TestBroker, enter (clientId: string, options?: ConnectOptions & { version?: number }): Promise<Peer> }

async function room (t: TestContext, options: TestOptions = {}): Promise<Room> {
  const broker = await openBroker(t, options)
  return {
    broker,
    async enter (clientId, { version = 5, ...options } = {}) {
      const peer = await Peer.open(broker.port, version)
      t.after(() => { peer.cut() })
      await peer.connect(clientId, options)
      return peer
    }
  }
}

/** Hang up, and wait until the broker knows. */
async function leave ({ broker: { events } }: Room, peer: Peer): Promise<void> {
  const before = events.length
  peer.cut()
  await until(() => events.slice(before).some(({ event }) => event === 'disconnected'), gone => gone)
}

const forSeconds = (sessionExpiryInterval: number): ConnectOptions => ({ clean: false, properties: { sessionExpiryInterval } })
const will = (willDelayInterval?: number): ConnectOptions => ({
  will: { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false, ...willDelayInterval !== undefined && { properties: { willDelayInterval } } }
})
const payloads = (messages: Message[]): string[] => messages.map(({ payload }) => String(payload))

async function watcher ({ enter }: Room): Promise<Peer> {
  const peer = await enter('watcher')
  await peer.subscribe('will')
  return peer
}

/** The ms until a last will comes. */
async function untilWill (watching: Peer): Promise<number> {
  const from = performance.now()
  assert.equal(String((await watching.message()).payload), 'gone')
  return performance.now() - from
}

// https://github.com/dotnet/MQTTnet/pull/2264
test('each connection says anew how long the session is kept', async t => {
  const here = await room(t)
  for (const [clientId, first, second, present] of [['longer', 1, 60, true], ['shorter', 60, 1, false]] as const) {
    await leave(here, await here.enter(clientId, forSeconds(first)))
    const again = await here.enter(clientId, forSeconds(second))
    assert.equal(again.connack.sessionPresent, true)
    await again.subscribe('a')
    await leave(here, again)
    await pause(2_500)
    assert.equal((await here.enter(clientId, forSeconds(60))).connack.sessionPresent, present, clientId)
  }
})

// https://github.com/emqx/emqx/issues/1834: a client that keeps its session for 136 years lost it at once.
test('the longest sessions are kept', async t => {
  const here = await room(t, { limits: { sessionExpiry: 0 } })
  for (const seconds of [0xffffffff, 0xfffffffe, 42_949_672, 2_147_484]) {
    const first = await here.enter(`for ${seconds} s`, forSeconds(seconds))
    assert.equal(first.connack.properties?.sessionExpiryInterval, undefined)
    await first.subscribe('a')
    await leave(here, first)
    await pause(1_100)
    assert.equal((await here.enter(`for ${seconds} s`, forSeconds(seconds))).connack.sessionPresent, true)
  }
})

// https://github.com/eclipse-paho/paho.mqtt.python/issues/877: Clean Start 0, and nothing is said about the session's time.
test('Clean Start 0 without a session expiry keeps nothing, on each connection', async t => {
  const here = await room(t)
  const publisher = await here.enter('publisher')
  for (let i = 0; i < 3; i++) {
    const peer = await here.enter('paho', { clean: i === 0 })
    assert.equal(peer.connack.sessionPresent, false)
    assert.deepEqual(await peer.unsubscribe('a'), [0x11])
    await peer.subscribe('a')
    await leave(here, peer)
    assert.equal(await publisher.publish('a', 'x', { qos: 1 }), 0x10)
  }
  assert.equal(here.broker.place.statistics()?.clients, 1)
})

// https://github.com/absmach/fluxmq/pull/635
test('a DISCONNECT that would keep a session after all is a fault: 0x82, the last will comes, and the session ends', async t => {
  const here = await room(t)
  const watching = await watcher(here)
  const peer = await here.enter('mortal', { clean: false, ...will() })
  peer.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 300 } })
  assert.equal(await peer.hungUp(), 0x82)
  await untilWill(watching)
  assert.equal((await here.enter('mortal', forSeconds(60))).connack.sessionPresent, false)
})

// https://github.com/eclipse-mosquitto/mosquitto/issues/3505
test('a client without a session that says DISCONNECT 0x04 has its last will published at once, whatever the delay', async t => {
  const here = await room(t)
  const watching = await watcher(here)
  const peer = await here.enter('mortal', { clean: false, ...will(5) })
  await peer.end(4)
  assert.ok(await untilWill(watching) < 2_000)
})

// https://github.com/dotnet/MQTTnet/pull/2264: DISCONNECT may say another time for the session, and the will is held back no longer than that.
test('DISCONNECT 0x04 that ends the session publishes the last will at once; one that keeps it longer holds the will back as long as it asked', async t => {
  const here = await room(t)
  const watching = await watcher(here)
  const ended = await here.enter('ends', { ...forSeconds(60), ...will(5) })
  await ended.end(4, { sessionExpiryInterval: 0 })
  assert.ok(await untilWill(watching) < 2_000)
  const longer = await here.enter('longer', { ...forSeconds(1), ...will(3) })
  await longer.end(4, { sessionExpiryInterval: 60 })
  const ms = await untilWill(watching)
  assert.ok(ms > 2_500 && ms < 5_500, `after ${ms} ms`)
})

// https://github.com/emqx/emqx/issues/18565: session expiry 0, a delay, and Clean Start 0 takes over.
// https://github.com/eclipse-mosquitto/mosquitto/issues/3509: a session that is kept, no delay, and Clean Start 0 takes over.
for (const [what, first, second] of [
  ['a session that ends with its connection, and a delay', { clean: false, ...will(1) }, { clean: false }],
  ['a session that is kept, and no delay', { ...forSeconds(60), ...will() }, forSeconds(60)],
  ['a session that is kept, a delay, and Clean Start', { ...forSeconds(60), ...will(30) }, { clean: true }]
] as Array<[string, ConnectOptions, ConnectOptions]>) {
  test(`a client that takes over from its own connection has the last will of that one published: ${what}`, async t => {
    const here = await room(t)
    const watching = await watcher(here)
    const before = await here.enter('twice', first)
    const after = await here.enter('twice', second)
    assert.equal(await before.hungUp(), 0x8e)
    assert.ok(await untilWill(watching) < 900)
    assert.equal(after.connack.sessionPresent, first === second || second.properties !== undefined)
    assert.deepEqual(payloads(await watching.settled()), [])
  })
}

// https://github.com/emqx/emqx/pull/18599: the client that takes over may speak MQTT 3.1.1.
test('a client of MQTT 3.1.1 that takes over finds no session that was to end, and has the last will published that belongs to it', async t => {
  const here = await room(t)
  const watching = await watcher(here)
  for (const [what, first, second] of [
    ['ends with its connection', { clean: false, ...will(1) }, { clean: false }],
    ['is ended by Clean Session', { ...forSeconds(60), ...will(30) }, { clean: true }]
  ] as Array<[string, ConnectOptions, ConnectOptions]>) {
    const before = await here.enter(what, first)
    await before.subscribe({ topic: 'a', qos: 1 })
    const after = await here.enter(what, { version: 4, ...second })
    assert.equal(await before.hungUp(), 0x8e)
    assert.ok(await untilWill(watching) < 900, what)
    assert.equal(after.connack.sessionPresent, false, what)
    await watching.publish('a', 'x', { qos: 1 })
    assert.deepEqual(payloads(await after.settled()), [], what)
  }
})

// The same where the first client has gone before.
test('a client of MQTT 3.1.1 with Clean Session that comes within the delay ends the session, and so sends the last will', async t => {
  const here = await room(t)
  const watching = await watcher(here)
  await leave(here, await here.enter('mortal', { ...forSeconds(60), ...will(30) }))
  await here.enter('mortal', { version: 4, clean: true })
  assert.ok(await untilWill(watching) < 900)
})

// https://github.com/redboltz/mqtt_cpp/issues/788
test('a client that is back within the delay has its next last will published, and only that', async t => {
  const here = await room(t)
  const watching = await watcher(here)
  await leave(here, await here.enter('returns', { ...forSeconds(60), ...will(1) }))
  const again = await here.enter('returns', { ...forSeconds(60), will: { topic: 'will', payload: Buffer.from('second'), qos: 1, retain: false } })
  await pause(1_500)
  assert.deepEqual(payloads(await watching.settled()), [])
  await leave(here, again)
  assert.equal(String((await watching.message()).payload), 'second')
})

// https://github.com/bytebeamio/rumqtt/issues/1069
test('a SUBSCRIBE in a session that goes on brings what is retained, if it asks for it', async t => {
  const here = await room(t)
  await (await here.enter('publisher')).publish('a', 'kept', { qos: 1, retain: true })
  for (const [rh, expected] of [[0, ['kept']], [1, []], [2, []], [0, ['kept']]] as const) {
    const peer = await here.enter('resumes', forSeconds(60))
    if (!peer.connack.sessionPresent) {
      await peer.subscribe({ topic: 'a', qos: 0 })
      await peer.messages(1)
    }
    await peer.subscribe({ topic: 'a', qos: 0, rh })
    await peer.publish('a', 'live')
    assert.deepEqual(payloads(await peer.through('live')), expected)
    await leave(here, peer)
  }
})

// https://github.com/eclipse-mosquitto/mosquitto/issues/2402
test('what is retained comes to a filter that was unsubscribed from and is subscribed to again', async t => {
  const here = await room(t)
  const peer = await here.enter('again', forSeconds(60))
  await peer.publish('a', 'kept', { qos: 1, retain: true })
  for (const rh of [0, 1] as const) {
    for (let i = 0; i < 2; i++) {
      await peer.subscribe({ topic: 'a', qos: 1, rh })
      const message = await peer.message()
      await peer.acknowledge(message)
      assert.equal(message.retain, true)
      await peer.unsubscribe('a')
    }
  }
})

// https://github.com/openhab/openhab-core/pull/3124: a client tells by the flag what is a state.
test('a session that is away keeps the flag retain for subscriptions that want it as published', async t => {
  const here = await room(t)
  const peer = await here.enter('state', forSeconds(60))
  await peer.subscribe([{ topic: 'a', qos: 1, rap: true }, { topic: 'b', qos: 1 }])
  await leave(here, peer)
  const publisher = await here.enter('publisher')
  for (const topic of ['a', 'b']) for (const retain of [true, false]) await publisher.publish(topic, 'x', { qos: 1, retain })
  const again = await here.enter('state', forSeconds(60))
  assert.deepEqual((await again.messages(4)).map(({ topic, retain }) => [topic, retain]), [['a', true], ['a', false], ['b', false], ['b', false]])
})

// https://github.com/LabOverWire/mqtt-lib/issues/80
test('the keepalive that the broker asks for is the one that counts', async t => {
  const here = await room(t, { limits: { keepalive: 1 } })
  const from = performance.now()
  const peer = await here.enter('silent', { keepalive: 600 })
  assert.equal(peer.connack.properties?.serverKeepAlive, 1)
  assert.equal(await peer.hungUp(), 0x8d)
  assert.ok(performance.now() - from < 5_000)
})

// https://github.com/owntracks/ios/issues/864: a client uses eight aliases, whatever the broker allows.
test('an alias that is too high is told as such, and the session outlives it', async t => {
  const here = await room(t, { limits: { topicAliases: 4 } })
  const peer = await here.enter('phone', forSeconds(60))
  assert.equal(peer.connack.properties?.topicAliasMaximum, 4)
  await peer.subscribe('a')
  peer.send({ cmd: 'publish', topic: 'a', payload: 'x', qos: 1, messageId: 1, retain: false, dup: false, properties: { topicAlias: 5 } })
  assert.equal(await peer.hungUp(), 0x94)
  assert.equal((await here.enter('phone', forSeconds(60))).connack.sessionPresent, true)
})

// https://github.com/eclipse-paho/paho.mqtt.java/issues/527, https://github.com/eclipse-mosquitto/mosquitto/issues/2494: the alias of the last connection.
test('an alias of the last connection means nothing on the next, in a session that goes on, too', async t => {
  const here = await room(t)
  const first = await here.enter('alias', forSeconds(60))
  const publish = (peer: Peer, topic: string): void => { peer.send({ cmd: 'publish', topic, payload: 'x', qos: 1, messageId: 1, retain: false, dup: false, properties: { topicAlias: 1 } }) }
  publish(first, 'a')
  await first.next('puback', 1)
  await leave(here, first)
  const again = await here.enter('alias', forSeconds(60))
  publish(again, '')
  assert.equal(await again.hungUp(), 0x82)
})

// https://github.com/eclipse-mosquitto/mosquitto/issues/1650: what came while the old connection was half open.
test('what was sent into a connection that was dead already comes to the one that takes over', async t => {
  const here = await room(t)
  const dead = await here.enter('phone', forSeconds(60))
  await dead.subscribe('a')
  const publisher = await here.enter('publisher')
  const sent = Array.from({ length: 30 }, (_, i) => `${i}`)
  for (const [i, payload] of sent.entries()) await publisher.publish('a', payload, { qos: i % 2 + 1 as 1 | 2 })
  const taker = await here.enter('phone', forSeconds(60))
  assert.deepEqual(payloads(await taker.messages(30)), sent)
})
