import assert from 'node:assert/strict'
import { packet, properties, publishBytes, text, userPropertiesOf, userProperty } from '../../../../helpers/wire.ts'
import { assertCode, payloads, type Clause, type Room } from './clause.ts'

type Own = { payloadFormatIndicator?: boolean, contentType?: string, responseTopic?: string, correlationData?: Buffer }

/** Publish with a property: it comes unaltered, with each QoS, live, from the retained message, and to a session that was away. */
async function comesUnaltered (room: Room, own: Own): Promise<void> {
  const away = await room.kept('away')
  await away.subscribe(room.topic())
  await away.end()
  const [subscriber, publisher] = [await room.client(), await room.client()]
  await subscriber.subscribe(room.topic())
  for (const qos of [0, 1, 2] as const) await publisher.publish(room.topic(), '{"a":1}', { qos, retain: true, properties: own })
  const late = await room.client()
  await late.subscribe(room.topic())
  const again = await room.kept('away')
  for (const { qos, properties } of [...await subscriber.messages(3), await late.message(), ...await again.messages(2)]) assert.deepEqual({ ...properties }, own, `QoS ${qos}`)
}

/** What is malformed or a protocol error ends the connection and reaches nobody. */
async function endsConnection (room: Room, bytes: Buffer, ...codes: number[]): Promise<void> {
  const witness = await room.client()
  await witness.subscribe(room.topic('#'))
  const peer = await room.client('faulty')
  peer.write(bytes)
  assertCode(await peer.hungUp(), ...codes)
  await witness.publish(room.topic(), 'last', { qos: 1 })
  assert.deepEqual(await witness.through('last'), [])
}

const faults: Array<[clause: string, title: string, bytes: (topic: string) => Buffer, ...codes: number[]]> = [
  ['MQTT-3.3.1-4', 'QoS 3 is malformed', topic => publishBytes(topic, { qos: 3 }), 0x81],
  ['MQTT-3.3.1-2', 'QoS 0 with DUP is malformed', topic => publishBytes(topic, { dup: true }), 0x81, 0x82],
  ['MQTT-2.2.1-3', 'packet id 0 is a protocol error', topic => publishBytes(topic, { qos: 1, messageId: 0 }), 0x81, 0x82],
  ['MQTT-3.3.2-2', 'a topic with a wildcard is no topic', topic => publishBytes(`${topic}/+`), 0x81, 0x82, 0x90],
  ['MQTT-4.7.3-1', 'no topic and no alias is a protocol error', () => publishBytes(''), 0x82, 0x81, 0x90],
  ['MQTT-4.7.3-2', 'a topic with U+0000 is malformed', topic => publishBytes(`${topic}\0`), 0x81, 0x82, 0x90],
  ['MQTT-3.3.4-6', 'a subscription id from a client is a protocol error', topic => publishBytes(topic, { own: properties([0x0b, 1]) }), 0x82, 0x81],
  ['3.3.2.3.9', 'a content type given twice is a protocol error', topic => publishBytes(topic, { own: properties([0x03], text('a'), [0x03], text('b')) }), 0x82, 0x81],
  ['2.2.2.2', 'a property of another packet makes PUBLISH malformed', topic => publishBytes(topic, { own: properties([0x11, 0, 0, 0, 1]) }), 0x81, 0x82],
  ['2.2.2.1', 'properties that are longer than the packet are malformed', topic => publishBytes(topic, { own: [0x7f] }), 0x81],
  ['3.3.2.3.2', 'a payload format of 2 is a protocol error', topic => publishBytes(topic, { own: properties([0x01, 2]) }), 0x82, 0x81],
  ['MQTT-3.3.2-19', 'a content type that is no UTF-8 is malformed', topic => publishBytes(topic, { own: properties([0x03], text([0xc3, 0x28])) }), 0x81],
  ['MQTT-1.5.7-1', 'a user property that is no UTF-8 is malformed', topic => publishBytes(topic, { own: properties([0x26], text('a'), text([0xff])) }), 0x81],
  ['MQTT-2.1.3-1', 'a packet of type 0 is malformed', () => Buffer.from([0x00, 0]), 0x81, 0x82]
]

export const publishing: Clause[] = [
  { clause: 'MQTT-3.3.2-4', title: 'the payload format reaches subscribers unaltered', check: room => comesUnaltered(room, { payloadFormatIndicator: true }) },
  { clause: 'MQTT-3.3.2-15', title: 'the response topic does', check: room => comesUnaltered(room, { responseTopic: room.topic('answers') }) },
  { clause: 'MQTT-3.3.2-16', title: 'the correlation data does', check: room => comesUnaltered(room, { correlationData: Buffer.from([0, 255, 0, 10]) }) },
  { clause: 'MQTT-3.3.2-20', title: 'the content type does', check: room => comesUnaltered(room, { contentType: 'application/json' }) },
  {
    clause: 'MQTT-3.3.2-17',
    title: 'all of them together do, with an empty payload',
    async check (room) {
      const own = { payloadFormatIndicator: false, contentType: '', responseTopic: room.topic('r'), correlationData: Buffer.alloc(0), userProperties: Object.assign(Object.create(null), { a: 'b' }) }
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(room.topic())
      await publisher.publish(room.topic(), '', { qos: 1, properties: own })
      const { payload, properties: { payloadFormatIndicator = false, ...came } = {} } = await subscriber.message()
      assert.deepEqual([String(payload), { payloadFormatIndicator, ...came }], ['', own])
    }
  },
  ...(['live', 'retained', 'queued'] as const).map((way): Clause => ({
    clause: 'MQTT-3.3.2-18',
    title: `user properties keep their order, also those of the same name (${way})`,
    async check (room) {
      const pairs = [['b', '1'], ['a', ''], ['b', '3'], ['', '4'], ['a', '\u{1f600}']] as const
      const subscriber = await room.kept('reader')
      if (way !== 'retained') await subscriber.subscribe(room.topic())
      if (way === 'queued') await subscriber.end()
      const publisher = await room.client()
      publisher.write(publishBytes(room.topic(), { qos: 1, retain: true, own: properties(...pairs.map(([name, value]) => userProperty(name, value))) }))
      await publisher.next('puback')
      const reader = way === 'queued' ? await room.kept('reader') : subscriber
      if (way === 'retained') await reader.subscribe(room.topic())
      assert.deepEqual(userPropertiesOf((await reader.message()).raw), pairs)
    }
  })),
  ...faults.map(([clause, title, bytes, ...codes]): Clause => ({ clause, title, check: room => endsConnection(room, bytes(room.topic()), ...codes) })),
  {
    clause: 'MQTT-3.3.2-14',
    title: 'a response topic with a wildcard reaches nobody',
    async check (room) {
      const [witness, peer] = [await room.client(), await room.client()]
      await witness.subscribe(room.topic())
      peer.write(publishBytes(room.topic(), { own: properties([0x08], text('a/+')) }))
      await Promise.race([peer.hungUp(), peer.settled().catch(() => undefined)])
      await witness.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await witness.through('last'), [])
    }
  },
  {
    clause: 'MQTT-3.3.1-3',
    title: 'DUP of the publisher is not passed on',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(room.topic())
      await publisher.publish(room.topic(), 'x', { qos: 1, dup: true })
      assert.equal((await subscriber.message()).dup, false)
    }
  },
  {
    clause: 'MQTT-3.8.4-8',
    title: 'a message comes at the lower of its QoS and the one granted',
    async check (room) {
      for (const granted of [0, 1, 2] as const) {
        const [subscriber, publisher] = [await room.client(), await room.client()]
        assert.deepEqual(await subscriber.subscribe({ topic: room.topic(), qos: granted }), [granted])
        for (const qos of [0, 1, 2] as const) await publisher.publish(room.topic(), `${qos}`, { qos })
        for (const { payload, qos } of await subscriber.messages(3)) assert.equal(qos, Math.min(granted, Number(payload)))
      }
    }
  },
  {
    clause: 'MQTT-4.3.3-10',
    title: 'a QoS 2 message that comes again before PUBREL is not passed on again',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(room.topic())
      const message = { cmd: 'publish', topic: room.topic(), payload: 'x', qos: 2, messageId: 5, retain: false } as const
      for (const dup of [false, true]) {
        publisher.send({ ...message, dup })
        assert.equal((await publisher.next('pubrec', 5)).reasonCode ?? 0, 0)
      }
      publisher.send({ cmd: 'pubrel', messageId: 5 })
      await publisher.next('pubcomp', 5)
      await publisher.publish(room.topic(), 'last', { qos: 2 })
      assert.deepEqual(payloads(await subscriber.through('last')), ['x'])
    }
  },
  {
    clause: 'MQTT-4.3.3-12',
    title: 'after PUBCOMP the id is that of a new message',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(room.topic())
      for (const payload of ['one', 'two']) await publisher.publish(room.topic(), payload, { qos: 2, messageId: 5 })
      assert.deepEqual(payloads(await subscriber.messages(2)), ['one', 'two'])
    }
  },
  {
    clause: 'MQTT-4.6.0-6',
    title: 'messages of one publisher to one topic keep their order',
    async check (room) {
      const [subscriber, publisher] = [await room.client('', { properties: { receiveMaximum: 5 } }), await room.client()]
      await subscriber.subscribe(room.topic())
      const sent = Array.from({ length: 40 }, (_, i) => `${i}`)
      for (const payload of sent) await publisher.publish(room.topic(), payload, { qos: 1 })
      const came = []
      while (came.length < sent.length) {
        const message = await subscriber.message()
        came.push(message)
        await subscriber.acknowledge(message)
      }
      assert.deepEqual(payloads(came), sent)
    }
  },
  {
    clause: 'MQTT-3.3.1-6',
    title: 'an empty message that is to be retained removes what is, and comes itself',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(room.topic())
      for (const payload of ['kept', '']) await publisher.publish(room.topic(), payload, { qos: 1, retain: true, properties: { contentType: 'x' } })
      assert.deepEqual(payloads(await subscriber.messages(2)), ['kept', ''])
      const late = await room.client()
      await late.subscribe(room.topic())
      assert.deepEqual(await late.settled(), []) // [MQTT-3.3.1-7]
    }
  },
  {
    clause: '3.4.2.1',
    title: 'PUBACK, PUBREL and PUBCOMP without a reason code mean success, and with one of 0 as well',
    async check (room) {
      const [subscriber, publisher] = [await room.client('', { properties: { receiveMaximum: 1 } }), await room.client()]
      await subscriber.subscribe(room.topic())
      for (const payload of ['1', '2', '3']) await publisher.publish(room.topic(), payload, { qos: 1 })
      const [high, low] = [({ messageId }: { messageId?: number }) => messageId! >> 8, ({ messageId }: { messageId?: number }) => messageId! & 255]
      const first = await subscriber.message()
      subscriber.write(packet(0x40, [high(first), low(first)]))
      const second = await subscriber.message()
      subscriber.write(packet(0x40, [high(second), low(second), 0]))
      const third = await subscriber.message()
      subscriber.write(packet(0x40, [high(third), low(third), 0, 0]))
      assert.deepEqual(payloads([first, second, third]), ['1', '2', '3'])
      await subscriber.settled()
    }
  }
]
