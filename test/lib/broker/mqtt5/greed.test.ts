import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { IConnectPacket } from 'mqtt-packet'
import { reasonCodes } from '../../../../lib/mqtt/reason-codes.ts'
import { openBroker, type TestBroker, type TestOptions } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { Peer } from '../../../helpers/peer.ts'

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
