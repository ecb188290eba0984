import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashPassword } from '../../../../lib/broker/access/passwords.ts'
import type { ClientEvent } from '../../../../lib/broker/broker.ts'
import { attachBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, removeBroker, type TestOptions } from '../../../helpers/broker.ts'
import { waitFor } from '../../../helpers/events.ts'
import { Peer, type ConnectOptions } from '../../../helpers/peer.ts'

// What this broker tells a client of MQTT 5, beyond what the standard asks of every broker.

const rules: TestOptions['rules'] = [{ subject: 'everyone', access: 'readwrite', topic: '#' }, { subject: 'everyone', access: 'deny', topic: 'closed/#' }]

async function enter (t: { after (end: () => void): void }, port: number, clientId: string, options: ConnectOptions = {}): Promise<Peer> {
  const peer = await Peer.open(port)
  t.after(() => { peer.cut() })
  await peer.connect(clientId, options)
  return peer
}

test('a filter that may not be read is refused with 0x87, and no other of the packet', async t => {
  const { port } = await openBroker(t, { rules })
  const peer = await enter(t, port, 'reader')
  assert.deepEqual(await peer.subscribe([{ topic: 'open', qos: 1 }, { topic: 'closed/a', qos: 1 }, { topic: 'open/b', qos: 0 }]), [1, 0x87, 0])
})

// What `test_subscribe_failure` of Paho's suite asks for, with the code that MQTT 5 has for it: 3.9.3 knows 0x87 beside 0x80, which is for what no other code is for.
test('a subscription that the rules forbid fails: 0x87 for MQTT 5, 0x80 for MQTT 3.1.1, nothing comes, and the client stays', async t => {
  const { port } = await openBroker(t, { rules })
  const writer = await enter(t, port, 'writer')
  for (const [version, code] of [[5, 0x87], [4, 0x80]] as const) {
    const peer = await Peer.open(port, version)
    t.after(() => { peer.cut() })
    await peer.connect(`reader ${version}`)
    for (const qos of [0, 1, 2] as const) assert.deepEqual(await peer.subscribe({ topic: 'closed/to/all', qos }), [code])
    if (version === 5) assert.deepEqual(await peer.unsubscribe('closed/to/all'), [0x11])
    await writer.publish('closed/to/all', 'x', { qos: 1 })
    assert.deepEqual(await peer.settled(), [])
    assert.deepEqual(await peer.subscribe({ topic: 'open', qos: 2 }), [2])
  }
})

const [deep, allowed] = [Array(4).fill('a').join('/'), Array(3).fill('a').join('/')]
const veryDeep = Array(5_000).fill('a').join('/')

test('a filter with too many levels is refused, 0x8F for MQTT 5 and 0x80 for MQTT 3.1.1, no other of the packet is, and the client stays', async t => {
  const { port } = await openBroker(t, { limits: { topicLevels: 3 } })
  for (const [version, code] of [[5, 0x8f], [4, 0x80]] as const) {
    const peer = await Peer.open(port, version)
    t.after(() => { peer.cut() })
    await peer.connect(`reader ${version}`)
    assert.deepEqual(await peer.subscribe([deep, allowed, veryDeep].map(topic => ({ topic, qos: 1 }))), [code, 1, code])
    assert.deepEqual(await peer.subscribe(deep), [code])
    if (version === 5) assert.deepEqual(await peer.unsubscribe(deep, veryDeep, allowed), [0x11, 0x11, 0])
    else await peer.unsubscribe(deep, veryDeep, allowed)
    assert.deepEqual(await peer.settled(), [])
  }
})

test('a session whose filter has more levels than are allowed by now goes on without it', async t => {
  const { port, id } = await openBroker(t, { limits: { topicLevels: 4 } })
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } }
  const before = await enter(t, port, 'returns', kept)
  await before.subscribe([{ topic: deep, qos: 1 }, { topic: 'b', qos: 1 }])
  before.cut()
  await attachBroker(id, brokerOptions({ limits: { topicLevels: 3 } }))
  const after = await enter(t, port, 'returns', kept)
  assert.equal(after.connack.sessionPresent, true)
  await after.publish('b', 'x')
  assert.equal(String((await after.message()).payload), 'x')
})

test('a topic with too many levels is refused with 0x90, of QoS 0 without a word, and the client stays; MQTT 3.1.1 is disconnected', async t => {
  const { port, place } = await openBroker(t, { limits: { topicLevels: 3 } })
  const peer = await enter(t, port, 'writer', { will: { topic: deep, payload: Buffer.from('x'), qos: 1, retain: false } })
  await peer.subscribe('#')
  for (const topic of [deep, veryDeep]) {
    for (const qos of [1, 2] as const) assert.equal(await peer.publish(topic, 'x', { qos }), 0x90)
    await peer.publish(topic, 'x')
  }
  assert.deepEqual(await peer.settled(), [])
  await peer.publish(allowed, 'last')
  assert.deepEqual(await peer.through('last'), [])
  assert.equal(place.statistics().droppedBy['topicLevels'], 6)
  const former = await Peer.open(port, 4)
  t.after(() => { former.cut() })
  await former.connect('former')
  former.send({ cmd: 'publish', topic: deep, payload: 'x', qos: 1, messageId: 1, retain: false, dup: false })
  assert.equal(await former.hungUp(), undefined)
  const gone = waitFor<ClientEvent>(place, 'client', ({ event, clientId }) => event === 'disconnected' && clientId === 'writer')
  peer.cut()
  await gone
})

test('a message that may not be published is refused with 0x87, of QoS 0 without a word, and the client stays', async t => {
  const { port } = await openBroker(t, { rules })
  const [peer, witness] = [await enter(t, port, 'writer'), await enter(t, port, 'witness')]
  await witness.subscribe('open')
  for (const qos of [1, 2] as const) assert.equal(await peer.publish('closed/a', 'x', { qos }), 0x87)
  await peer.publish('closed/a', 'x')
  await peer.publish('open', 'last', { qos: 2 })
  assert.deepEqual(await witness.through('last'), [])
})

test('a message that nobody subscribed to is acknowledged with 0x10', async t => {
  const { port } = await openBroker(t)
  const peer = await enter(t, port, 'alone')
  for (const qos of [1, 2] as const) assert.equal(await peer.publish('nobody', 'x', { qos }), 0x10)
  await peer.subscribe('+')
  for (const qos of [1, 2] as const) assert.equal(await peer.publish('nobody', 'x', { qos }), 0)
})

test('a message that there is no room to retain is refused with 0x97 if nobody else gets it, and otherwise acknowledged with the reason in words', async t => {
  const { port, place } = await openBroker(t, { limits: { retainedMessages: 1 } })
  const peer = await enter(t, port, 'writer')
  const answer = async (topic: string, qos: 1 | 2, messageId: number): Promise<[number, string | undefined]> => {
    peer.send({ cmd: 'publish', topic, payload: topic, qos, messageId, retain: true, dup: false })
    const { reasonCode = 0, properties } = await peer.next(qos === 1 ? 'puback' : 'pubrec', messageId)
    if (qos === 2 && reasonCode < 0x80) {
      peer.send({ cmd: 'pubrel', messageId })
      await peer.next('pubcomp', messageId)
    }
    return [reasonCode, properties?.reasonString]
  }
  const why = 'not retained: the broker has no room for another retained message'
  assert.deepEqual(await answer('first', 1, 1), [0, undefined])
  for (const qos of [1, 2] as const) assert.deepEqual(await answer('second', qos, 2), [0x97, why])
  const reader = await enter(t, port, 'reader')
  await reader.subscribe('third')
  for (const qos of [1, 2] as const) {
    assert.deepEqual(await answer('third', qos, 3), [0, why])
    assert.equal(String((await reader.message()).payload), 'third')
  }
  // A client that is away counts, too.
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } }
  const away = await enter(t, port, 'away', kept)
  await away.subscribe('fourth')
  await away.end()
  assert.deepEqual(await answer('fourth', 1, 4), [0, why])
  // The one that is there may be replaced.
  assert.deepEqual(await answer('first', 2, 5), [0, undefined])
  assert.equal(place.statistics().droppedBy['retainedLimit'], 5)
})

test('a message right behind the last UNSUBSCRIBE says nothing of those that follow', async t => {
  const { port } = await openBroker(t)
  const peer = await enter(t, port, 'alone')
  await peer.subscribe('+')
  await Promise.all([peer.unsubscribe('+'), peer.publish('nobody', 'x', { qos: 1 })])
  assert.equal(await peer.publish('nobody', 'x', { qos: 1 }), 0x10)
})

test('a wrong password is refused with 0x86', async t => {
  const { port } = await openBroker(t, { users: [{ username: 'ada', hash: await hashPassword('right') }] })
  const peer = await Peer.open(port)
  t.after(() => { peer.cut() })
  const { reasonCode } = await peer.connect('ada', { username: 'ada', password: Buffer.from('wrong') })
  assert.equal(reasonCode, 0x86)
  await peer.hungUp()
})

test('a client that an operator disconnects is told 0x98', async t => {
  const { port, place } = await openBroker(t)
  const peer = await enter(t, port, 'noisy')
  assert.equal(place.control.disconnect('noisy'), true)
  assert.equal(await peer.hungUp(), 0x98)
})

test('clients are told 0x8B when the broker shuts down', async t => {
  const { port, id } = await openBroker(t)
  const peers = [await enter(t, port, 'one'), await enter(t, port, 'other')]
  await removeBroker(id)
  assert.deepEqual(await Promise.all(peers.map(peer => peer.hungUp())), [0x8b, 0x8b])
})

test('CONNACK tells what the limits make of what a client asks for', async t => {
  const { port } = await openBroker(t, { limits: { keepalive: 30, sessionExpiry: 100, packetBytes: 5_000 } })
  const { connack } = await enter(t, port, 'asks', { keepalive: 600, properties: { sessionExpiryInterval: 1_000 } })
  const { serverKeepAlive, sessionExpiryInterval, maximumPacketSize, maximumQoS, retainAvailable, sharedSubscriptionAvailable, wildcardSubscriptionAvailable } = connack.properties!
  assert.deepEqual([serverKeepAlive, sessionExpiryInterval, maximumPacketSize], [30, 100, 5_000])
  // What is not told is there.
  assert.deepEqual([maximumQoS, retainAvailable, sharedSubscriptionAvailable, wildcardSubscriptionAvailable].filter(value => value !== undefined && value !== true), [])
  const modest = await enter(t, port, 'modest', { keepalive: 10, properties: { sessionExpiryInterval: 50 } })
  assert.deepEqual([modest.connack.properties?.serverKeepAlive, modest.connack.properties?.sessionExpiryInterval], [undefined, undefined])
})

test('PUBREL of a message that is done is no error in a session that goes on: its PUBCOMP may have been lost', async t => {
  const { port } = await openBroker(t)
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } }
  const before = await enter(t, port, 'returns', kept)
  await before.subscribe('b')
  await before.publish('a', 'x', { qos: 2, messageId: 5 })
  before.cut()
  const after = await enter(t, port, 'returns', kept)
  assert.equal(after.connack.sessionPresent, true)
  after.send({ cmd: 'pubrel', messageId: 5 })
  assert.equal((await after.next('pubcomp', 5)).reasonCode ?? 0, 0)
})
