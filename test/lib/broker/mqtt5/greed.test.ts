import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generate, type IConnectPacket } from 'mqtt-packet'
import { hashPassword } from '../../../../lib/broker/access/passwords.ts'
import { reasonCodes } from '../../../../lib/mqtt/reason-codes.ts'
import { openBroker, type TestBroker, type TestOptions } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { Peer } from '../../../helpers/peer.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** What clients of MQTT 5 can have the broker remember that others cannot. */

async function room (t: TestContext, limits: NonNullable<TestOptions['limits']>): Promise<[TestBroker, (id: string, properties?: IConnectPacket['properties']) => Promise<Peer>]> {
  const broker = await openBroker(t, { limits })
  return [broker, async (id, properties = {}) => {
    const peer = await Peer.open(broker.port)
    t.after(() => { peer.cut() })
    await peer.connect(id, { properties })
    return peer
  }]
}

test('what is held back for clients that acknowledge nothing counts as unread, for all of them together', async t => {
  const [broker, come] = await room(t, { unreadBytes: 1_000_000, messageRate: 0, packetRate: 0 })
  const greedy = await Promise.all(['a', 'b', 'c'].map(async id => {
    const peer = await come(id, { receiveMaximum: 1 })
    await peer.subscribe({ topic: 't', qos: 1 })
    return peer
  }))
  const publisher = await come('p')
  for (let i = 0; i < 3_000; i++) await publisher.publish('t', 'x', { qos: 1 })
  await until(() => broker.place.statistics().refusedBy['unreadBytes'] ?? 0, n => n > 0)
  const code = await Promise.race(greedy.map(peer => peer.hungUp()))
  assert.equal(code, reasonCodes.quotaExceeded)
  assert.equal(await publisher.publish('none', 'x', { qos: 1 }), reasonCodes.noMatchingSubscribers)
})

test('the topics of aliases count as what the broker remembers', async t => {
  const [broker, come] = await room(t, { stateBytes: 20_000 })
  const peer = await come('a')
  for (let alias = 1; alias <= 32 && !peer.closed; alias++) {
    peer.send({ cmd: 'publish', topic: `${alias}/`.padEnd(3_000, 'x'), payload: '', qos: 0, dup: false, retain: false, properties: { topicAlias: alias } })
  }
  assert.equal(await peer.hungUp(), reasonCodes.quotaExceeded)
  assert.equal(broker.place.statistics().refusedBy['stateBytes'], 1)
  // It was given back.
  const again = await come('b')
  assert.equal(await again.publish('x'.repeat(3_000), '', { qos: 1, properties: { topicAlias: 1 } }), reasonCodes.noMatchingSubscribers)
})

test('an alias that is given another topic takes no more than that', async t => {
  const [, come] = await room(t, { stateBytes: 20_000 })
  const peer = await come('a')
  for (let i = 0; i < 50; i++) assert.equal(await peer.publish(`${i}/`.padEnd(3_000, 'x'), '', { qos: 1, properties: { topicAlias: 1 } }), reasonCodes.noMatchingSubscribers)
})

test('what still comes behind the last packet of the broker is not read for long', async t => {
  const [broker, come] = await room(t, {})
  const peer = await come('a')
  peer.write(Buffer.from([0x82, 2, 0, 1])) // SUBSCRIBE without a filter
  const flood = setInterval(() => { if (!peer.closed) peer.write(Buffer.alloc(65_536)) }, 5)
  t.after(() => { clearInterval(flood) })
  await until(() => broker.place.statistics().clients, n => n === 0, 1_000)
  await until(() => peer.closed, Boolean, 3_000)
})

test('answers to messages that were never sent leave nothing behind', async t => {
  const [, come] = await room(t, {})
  const peer = await come('a')
  for (let i = 0; i < 2; i++) {
    peer.send({ cmd: 'pubrec', messageId: 7 })
    assert.equal((await peer.next('pubrel')).reasonCode, reasonCodes.packetIdNotFound)
  }
  for (const cmd of ['puback', 'pubcomp'] as const) peer.send({ cmd, messageId: 7 })
  peer.send({ cmd: 'pubrec', messageId: 7, reasonCode: reasonCodes.quotaExceeded })
  peer.send({ cmd: 'pubrel', messageId: 7 })
  assert.equal((await peer.next('pubcomp')).reasonCode, reasonCodes.packetIdNotFound)
})

test('the topics of the broker\'s own aliases count as what it remembers, and without room there is no alias', async t => {
  const [, come] = await room(t, { stateBytes: 20_000 })
  const reader = await come('a', { topicAliasMaximum: 32 })
  await reader.subscribe({ topic: '#', qos: 0 })
  const publisher = await come('p')
  for (let i = 0; i < 32; i++) await publisher.publish(`${i}/`.padEnd(1_000, 'x'), '')
  const messages = await reader.messages(32)
  const aliases = messages.filter(({ properties }) => properties?.topicAlias !== undefined).length
  assert.ok(aliases > 5 && aliases <= 12, `${aliases}`)
  // They are given back.
  await reader.end()
  const again = await come('b')
  assert.equal(await again.publish('x'.repeat(9_000), '', { qos: 1, properties: { topicAlias: 1 } }), reasonCodes.noMatchingSubscribers)
})

test('an alias that is given other topics all the time takes no memory', async t => {
  const [, come] = await room(t, { messageRate: 0, packetRate: 0, byteRate: 0 })
  const peer = await come('a')
  const topics = Array.from({ length: 1_000 }, (_, i) => generate({ cmd: 'publish', topic: `${i}/`.padEnd(200, 'x'), payload: '', qos: 0, dup: false, retain: false, properties: { topicAlias: i % 32 + 1 } }, { protocolVersion: 5 }))
  const chunk = Buffer.concat(topics)
  const rounds = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      peer.write(chunk)
      await peer.settled()
    }
    collectGarbage()
  }
  await rounds(5)
  const before = process.memoryUsage().heapUsed
  await rounds(50)
  const grown = (process.memoryUsage().heapUsed - before) / 1e6
  t.diagnostic(`${grown.toFixed(1)} MB`)
  assert.ok(grown < 20, `${grown} MB`)
})

test('properties of a last will count as what the broker remembers', async t => {
  const broker = await openBroker(t, { limits: { stateBytes: 20_000, connectBytes: 0 } })
  const userProperties = { a: Array.from({ length: 3 }, () => 'x'.repeat(10_000)) }
  const connect = async (id: string, properties: object): Promise<number> => {
    const peer = await Peer.open(broker.port)
    t.after(() => { peer.cut() })
    return (await peer.connect(id, { will: { topic: 'w', payload: Buffer.from('w'), qos: 0, retain: false, properties } })).reasonCode!
  }
  assert.deepEqual([await connect('a', { userProperties }), await connect('b', {})], [reasonCodes.quotaExceeded, 0])
})

test('a client that takes over its own id again and again leaves one will, however long that is held back', async t => {
  const broker = await openBroker(t, { limits: { stateBytes: 20_000, sessions: 1 } })
  const wills = await broker.client({ clientId: 'wills' })
  let published = 0
  wills.on('message', () => { published++ })
  await wills.subscribeAsync('w', { qos: 1 })
  const come = async (id: string, clean: boolean): Promise<Peer> => {
    const peer = await Peer.open(broker.port)
    t.after(() => { peer.cut() })
    const will = { topic: 'w', payload: Buffer.alloc(7_000), qos: 1 as const, retain: false, properties: { willDelayInterval: 3_600 } }
    assert.equal((await peer.connect(id, { clean, properties: { sessionExpiryInterval: 0xffffffff }, will })).reasonCode, 0)
    return peer
  }
  for (let i = 0; i < 50; i++) await come('a', false)
  for (let i = 0; i < 50; i++) (await come('a', false)).cut()
  await wills.publishAsync('other', '', { qos: 1 })
  assert.equal(published, 0)
  for (let i = 0; i < 20; i++) await come('a', true)
  await until(() => published, count => count === 20)
  assert.equal(broker.place.statistics().refusedBy['stateBytes'], undefined)
})

test('sessions that are to last for ever are as many as the limit, and no longer than the limit', async t => {
  const users = [{ username: 'ada', hash: await hashPassword('secret') }]
  const broker = await openBroker(t, { users, anonymous: true, limits: { sessions: 20, sessionExpiry: 1 } })
  const come = async (id: string, login = {}): Promise<[number, Peer]> => {
    const peer = await Peer.open(broker.port)
    t.after(() => { peer.cut() })
    return [(await peer.connect(id, { clean: false, properties: { sessionExpiryInterval: 0xffffffff }, ...login })).reasonCode!, peer]
  }
  const codes = []
  for (let i = 0; i < 50; i++) {
    const [code, peer] = await come(`s${i}`)
    codes.push(code)
    // They are taken for as long as they are asked for once more.
    if (code === 0) await peer.end(0, { sessionExpiryInterval: 0xffffffff })
  }
  assert.deepEqual(codes, [...Array(20).fill(0), ...Array(30).fill(reasonCodes.quotaExceeded)])
  const [ada] = await come('ada', { username: 'ada', password: Buffer.from('secret') })
  assert.equal(ada, 0)
  await until(() => broker.place.snapshot()?.clients.disconnected, count => count === 0, 5_000)
})

test('AUTH, over and over, ends its connection each time and leaves nothing', async t => {
  const [broker, come] = await room(t, {})
  for (let i = 0; i < 50; i++) {
    const peer = await come(`a${i}`)
    peer.write(Buffer.concat(Array<Buffer>(1_000).fill(Buffer.from([0xf0, 0]))))
    assert.equal(await peer.hungUp(), reasonCodes.protocolError)
  }
  await until(() => broker.place.statistics().clients, count => count === 0)
  assert.equal(broker.place.statistics().refusedBy['protocol'], undefined)
})
