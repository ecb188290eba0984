import assert from 'node:assert/strict'
import type { Peer } from '../../../../helpers/peer.ts'
import { payloads, type Clause, type ClientOptions, type Room } from './clause.ts'

const own = { contentType: 'text/plain', responseTopic: 'r', correlationData: Buffer.from('c'), userProperties: Object.assign(Object.create(null), { a: 'b' }), payloadFormatIndicator: true }
const versions = [['MQTT 5', 'MQTT 3.1.1', 5, 4], ['MQTT 3.1.1', 'MQTT 5', 4, 5]] as const

/** A client of this version whose session is kept. */
function kept (room: Room, name: string, protocolVersion: 4 | 5, more: ClientOptions = {}): Promise<Peer> {
  return protocolVersion === 5 ? room.kept(name, more) : room.older(name, { clean: false, ...more })
}

/** Each of these for both directions. */
const both = (clause: string, title: (from: string, to: string) => string, check: (room: Room, from: 4 | 5, to: 4 | 5) => Promise<void>): Clause[] =>
  versions.map(([from, to, ofFrom, ofTo]) => ({ clause, title: title(from, to), check: room => check(room, ofFrom, ofTo) }))

export const acrossVersions: Clause[] = [
  ...both('4.5', (from, to) => `${from} publishes, ${to} gets it, with each QoS`, async (room, from, to) => {
    const [publisher, subscriber] = [await room.client('publisher', { protocolVersion: from }), await room.client('subscriber', { protocolVersion: to })]
    await subscriber.subscribe(room.topic())
    for (const qos of [0, 1, 2] as const) await publisher.publish(room.topic(), `${qos}`, { qos, ...from === 5 && { properties: own } })
    const came = await subscriber.messages(3)
    for (const message of came) await subscriber.acknowledge(message)
    assert.deepEqual(came.map(({ payload, qos, properties }) => [String(payload), qos, properties]), [0, 1, 2].map(qos => [`${qos}`, qos, undefined]))
  }),
  ...both('3.3.1.3', (from, to) => `what ${from} retained comes to ${to}, which can remove it`, async (room, from, to) => {
    const [publisher, reader] = [await room.client('publisher', { protocolVersion: from }), await room.client('reader', { protocolVersion: to })]
    await publisher.publish(room.topic(), 'retained', { qos: 1, retain: true, ...from === 5 && { properties: own } })
    await reader.subscribe(room.topic())
    assert.deepEqual((await reader.messages(1)).map(({ payload, retain, properties }) => [String(payload), retain, properties]), [['retained', true, undefined]])
    await reader.publish(room.topic(), '', { qos: 1, retain: true })
    const late = await room.client('late', { protocolVersion: from })
    await late.subscribe(room.topic())
    assert.deepEqual(await late.settled(), [])
  }),
  ...both('3.1.2.5', (from, to) => `the will of a client of ${from} comes to one of ${to}`, async (room, from, to) => {
    const witness = await room.client('witness', { protocolVersion: to })
    await witness.subscribe(room.topic())
    const mortal = await room.client('mortal', { protocolVersion: from, will: { topic: room.topic(), payload: Buffer.from('will'), qos: 1, ...from === 5 && { properties: own } } })
    mortal.cut()
    assert.deepEqual((await witness.messages(1)).map(({ payload, qos, properties }) => [String(payload), qos, properties]), [['will', 1, undefined]])
  }),
  ...both('MQTT-3.1.3-2', (from, to) => `a session of ${from} goes on with ${to}, with its subscriptions and what waited`, async (room, from, to) => {
    const before = await kept(room, 'changes', from)
    await before.subscribe({ topic: room.topic(), qos: 1 })
    await before.end()
    const publisher = await room.client()
    await publisher.publish(room.topic(), 'waited', { qos: 1 })
    const after = await kept(room, 'changes', to)
    assert.equal(after.connack.sessionPresent, true)
    await publisher.publish(room.topic(), 'new', { qos: 1 })
    assert.deepEqual(payloads(await after.messages(2)), ['waited', 'new'])
  }),
  ...both('MQTT-4.4.0-1', (from, to) => `what a client of ${from} did not acknowledge comes again when it speaks ${to}`, async (room, from, to) => {
    const before = await kept(room, 'changes', from)
    await before.subscribe(room.topic())
    const publisher = await room.client()
    for (const qos of [1, 2] as const) await publisher.publish(room.topic(), `${qos}`, { qos, properties: own })
    const sent = await before.messages(2)
    before.cut()
    const after = await kept(room, 'changes', to)
    const again = await after.messages(2)
    assert.deepEqual(again.map(({ payload, messageId, dup }) => [String(payload), messageId, dup]), sent.map(({ payload, messageId }) => [String(payload), messageId, true]))
    for (const message of again) await after.acknowledge(message)
  }),
  ...both('MQTT-4.3.3-10', (from, to) => `a QoS 2 message that ${from} began and ${to} sends again is passed on once`, async (room, from, to) => {
    const subscriber = await room.client()
    await subscriber.subscribe(room.topic())
    const before = await kept(room, 'changes', from)
    const message = { cmd: 'publish', topic: room.topic(), payload: 'x', qos: 2, messageId: 7, retain: false } as const
    before.send({ ...message, dup: false })
    await before.next('pubrec', 7)
    before.cut()
    const after = await kept(room, 'changes', to)
    after.send({ ...message, dup: true })
    await after.next('pubrec', 7)
    after.send({ cmd: 'pubrel', messageId: 7 })
    await after.next('pubcomp', 7)
    await after.publish(room.topic(), 'last', { qos: 2 })
    assert.deepEqual(payloads(await subscriber.through('last')), ['x'])
  }),
  {
    clause: 'MQTT-3.1.4-3',
    title: 'a client of MQTT 3.1.1 that takes over one of MQTT 5 has it told 0x8E',
    async check (room) {
      const first = await room.client('twice')
      await room.older('twice')
      assert.equal(await first.hungUp(), 0x8e)
    }
  },
  {
    clause: 'MQTT-3.1.4-2 of 3.1.1',
    title: 'one of MQTT 5 that takes over one of MQTT 3.1.1 has it cut off without a packet',
    async check (room) {
      const first = await room.older('twice')
      await room.client('twice')
      await first.hungUp()
      assert.deepEqual(first.heard.map(({ cmd }) => cmd), ['connack'])
    }
  },
  {
    clause: '3.11 of 3.1.1',
    title: 'answers to MQTT 3.1.1 have no reason codes and no properties',
    async check (room) {
      const peer = await room.older()
      await peer.subscribe(room.topic())
      await peer.unsubscribe(room.topic('none'))
      await peer.publish(room.topic('nobody'), 'x', { qos: 1 })
      await peer.publish(room.topic('nobody'), 'x', { qos: 2 })
      assert.deepEqual(peer.heard.map(({ raw }) => raw.length), [4, 5, 4, 4, 4, 4])
    }
  },
  {
    clause: 'MQTT-3.8.3-3',
    title: 'no local is asked for by each client, whatever the publisher speaks',
    async check (room) {
      const [five, older] = [await room.client(), await room.older()]
      await five.subscribe({ topic: room.topic(), qos: 1, nl: true })
      await older.subscribe({ topic: room.topic(), qos: 1 })
      for (const [peer, payload] of [[five, 'five'], [older, 'older']] as const) await peer.publish(room.topic(), payload, { qos: 1 })
      assert.deepEqual([payloads(await five.messages(1)), payloads(await older.messages(2))], [['older'], ['five', 'older']])
      assert.deepEqual(await five.settled(), [])
    }
  },
  {
    clause: '3.1.2.2',
    title: 'a client of MQTT 3.1 is in the same room',
    async check (room) {
      const [oldest, five] = [await room.client('oldest', { protocolVersion: 3 }), await room.client()]
      await oldest.subscribe(room.topic())
      await five.subscribe(room.topic())
      await five.publish(room.topic(), 'from 5', { qos: 1, properties: own })
      await oldest.publish(room.topic(), 'from 3.1', { qos: 1 })
      for (const peer of [oldest, five]) assert.deepEqual(payloads(await peer.messages(2)), ['from 5', 'from 3.1'])
    }
  }
]
