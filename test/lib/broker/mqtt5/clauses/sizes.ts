import assert from 'node:assert/strict'
import type { Peer } from '../../../../helpers/peer.ts'
import { four, publishBytes, variable } from '../../../../helpers/wire.ts'
import { payloads, type Clause, type Room } from './clause.ts'

/** A client that takes packets of this size. */
function small (room: Room, maximumPacketSize: number, properties: object = {}): Promise<Peer> {
  return room.kept('small', { properties: { maximumPacketSize, ...properties } })
}

/** A payload with which the PUBLISH that is delivered has just this size. */
const payloadFor = (topic: string, size: number): string => 'x'.repeat(size - publishBytes(topic, { payload: '' }).length)

export const sizes: Clause[] = [
  {
    clause: 'MQTT-3.1.2-24',
    title: 'a message that is larger than the client takes does not come; the next one does',
    async check (room) {
      const [subscriber, publisher] = [await small(room, 100), await room.client()]
      await subscriber.subscribe(room.topic())
      for (const qos of [0, 1, 2] as const) {
        assert.ok(await publisher.publish(room.topic(), 'x'.repeat(100), { qos }) < 0x80)
        await publisher.publish(room.topic(), `small ${qos}`, { qos })
      }
      assert.deepEqual(payloads(await subscriber.messages(3)), ['small 0', 'small 1', 'small 2'])
      assert.deepEqual(await subscriber.settled(), [])
    }
  },
  {
    clause: 'MQTT-3.1.2-24',
    title: 'a message of just that size comes, one byte more does not',
    async check (room) {
      const [subscriber, publisher] = [await small(room, 100), await room.client()]
      await subscriber.subscribe(room.topic())
      for (const size of [101, 100]) await publisher.publish(room.topic(), payloadFor(room.topic(), size))
      assert.deepEqual((await subscriber.settled()).map(({ raw }) => raw.length), [100])
    }
  },
  {
    clause: 'MQTT-3.1.2-24',
    title: 'properties count',
    async check (room) {
      const [subscriber, publisher] = [await small(room, 100), await room.client()]
      await subscriber.subscribe(room.topic())
      await publisher.publish(room.topic(), 'x', { qos: 1, properties: { contentType: 'y'.repeat(100) } })
      await publisher.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await subscriber.through('last'), [])
    }
  },
  {
    clause: 'MQTT-3.1.2-25',
    title: 'a message that was too large is done with: it takes nothing of the quota',
    async check (room) {
      const [subscriber, publisher] = [await small(room, 100, { receiveMaximum: 1 }), await room.client()]
      await subscriber.subscribe(room.topic())
      for (let i = 0; i < 3; i++) await publisher.publish(room.topic(), 'x'.repeat(200), { qos: i % 2 + 1 as 1 | 2 })
      await publisher.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await subscriber.through('last'), [])
    }
  },
  {
    clause: 'MQTT-3.1.2-25',
    title: 'what waited for a session and is too large is done with',
    async check (room) {
      const away = await small(room, 1_000)
      await away.subscribe(room.topic())
      await away.end()
      const publisher = await room.client()
      for (const payload of ['1', 'x'.repeat(200), '2']) await publisher.publish(room.topic(), payload, { qos: 1 })
      const again = await small(room, 100)
      assert.deepEqual(payloads(await again.messages(2)), ['1', '2'])
      again.cut()
      const last = await small(room, 1_000)
      assert.deepEqual(payloads(await last.messages(2)), ['1', '2'])
    }
  },
  {
    clause: 'MQTT-3.1.2-24',
    title: 'a retained message that is too large does not come',
    async check (room) {
      const publisher = await room.client()
      await publisher.publish(room.topic('large'), 'x'.repeat(200), { qos: 1, retain: true })
      await publisher.publish(room.topic('small'), 'small', { qos: 1, retain: true })
      const subscriber = await small(room, 100)
      await subscriber.subscribe(room.topic('+'))
      assert.deepEqual(payloads(await subscriber.messages(1)), ['small'])
      assert.deepEqual(await subscriber.settled(), [])
    }
  },
  {
    clause: 'MQTT-3.1.2-24',
    title: 'no packet at all is larger than the client takes',
    async check (room) {
      const peer = await room.socket()
      peer.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: room.clientId('tiny'), clean: true, keepalive: 0, properties: { maximumPacketSize: 20 } })
      // A broker that has more to say may as well hang up.
      const isIn = await peer.next('connack').then(() => true, () => false)
      if (isIn) {
        await peer.subscribe([{ topic: 'a/#/b', qos: 0 }]).catch(() => undefined)
        if (!peer.closed) peer.send({ cmd: 'publish', topic: room.topic(), payload: '', qos: 1, messageId: 1, dup: false, retain: false })
        if (!peer.closed) await peer.next('puback').catch(() => undefined)
      }
      for (const { cmd, raw } of peer.heard) assert.ok(raw.length <= 20, `${cmd} of ${raw.length} bytes`)
    }
  },
  {
    clause: '3.2.2.3.6',
    title: 'a packet of the size that CONNACK tells is taken',
    async check (room) {
      const peer = await room.client()
      const size = Math.min(peer.connack.properties?.maximumPacketSize ?? 2 ** 21, 2 ** 21)
      const rest = publishBytes(room.topic(), { qos: 1, payload: '' }).length - 2
      const length = size - rest - 1 - variable(size - 5).length
      peer.write(publishBytes(room.topic(), { qos: 1, payload: 'x'.repeat(length) }))
      assert.ok(((await peer.next('puback')).reasonCode ?? 0) < 0x80)
    }
  },
  {
    clause: '3.2.2.3.6',
    title: 'a larger one ends the connection with 0x95',
    async check (room) {
      const peer = await room.client()
      const size = peer.connack.properties?.maximumPacketSize
      assert.ok(size !== undefined, 'CONNACK tells a maximum')
      peer.write(Buffer.concat([Buffer.from([0x32, ...variable(size)]), Buffer.from(four(0x00016100))]))
      assert.equal(await peer.hungUp(), 0x95)
    }
  }
]
