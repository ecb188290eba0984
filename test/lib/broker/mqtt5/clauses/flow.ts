import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { Message, Peer } from '../../../../helpers/peer.ts'
import { payloads, type Clause, type Room } from './clause.ts'

/** A subscriber that takes as many at a time, and so many messages for it, each acknowledged to their publisher. */
async function flood (room: Room, receiveMaximum: number, count: number, qos: 1 | 2 = 1): Promise<{ subscriber: Peer, publisher: Peer }> {
  const [subscriber, publisher] = [await room.kept('reader', { properties: { receiveMaximum } }), await room.client()]
  await subscriber.subscribe(room.topic())
  for (let i = 1; i <= count; i++) await publisher.publish(room.topic(), `${i}`, { qos })
  return { subscriber, publisher }
}

/** What has come, after a while in which more could have. */
async function come (subscriber: Peer): Promise<string[]> {
  await pause(300)
  return payloads(await subscriber.settled())
}

/** Send as many QoS 2 messages as CONNACK allows without their PUBRELs. */
async function fill (room: Room): Promise<{ peer: Peer, most: number, send: (messageId: number) => void }> {
  const peer = await room.client('publisher')
  const most = peer.connack.properties?.receiveMaximum ?? 65_535
  const send = (messageId: number): void => { peer.send({ cmd: 'publish', topic: room.topic(), payload: 'x', qos: 2, messageId, dup: false, retain: false }) }
  for (let i = 1; i <= most; i++) {
    send(i)
    if (i % 100 === 0 || i === most) assert.ok(((await peer.next('pubrec', i)).reasonCode ?? 0) < 0x80)
  }
  return { peer, most, send }
}

export const flow: Clause[] = [
  {
    clause: 'MQTT-3.3.4-9',
    title: 'a client with a receive maximum of 1 gets the next QoS 1 message after its PUBACK',
    async check (room) {
      const { subscriber } = await flood(room, 1, 3)
      for (const payload of ['1', '2', '3']) {
        const message = await subscriber.message()
        assert.deepEqual([String(message.payload), await come(subscriber)], [payload, []])
        await subscriber.acknowledge(message)
      }
    }
  },
  {
    clause: 'MQTT-3.3.4-9',
    title: 'of QoS 2, after its PUBCOMP and not after PUBREC',
    async check (room) {
      const { subscriber } = await flood(room, 1, 2, 2)
      const { messageId } = await subscriber.message()
      subscriber.send({ cmd: 'pubrec', messageId: messageId! })
      await subscriber.next('pubrel', messageId)
      assert.deepEqual(await come(subscriber), [])
      subscriber.send({ cmd: 'pubcomp', messageId: messageId! })
      assert.equal(String((await subscriber.message()).payload), '2')
    }
  },
  {
    clause: '4.9',
    title: 'PUBREC with an error frees the quota, and no PUBREL follows',
    async check (room) {
      const { subscriber } = await flood(room, 1, 2, 2)
      subscriber.send({ cmd: 'pubrec', messageId: (await subscriber.message()).messageId!, reasonCode: 0x80 })
      assert.equal(String((await subscriber.message()).payload), '2')
      assert.ok(subscriber.heard.every(({ cmd }) => cmd !== 'pubrel')) // [MQTT-4.3.3-4]
    }
  },
  {
    clause: '4.9',
    title: 'PUBACK with an error frees the quota',
    async check (room) {
      const { subscriber } = await flood(room, 1, 2)
      subscriber.send({ cmd: 'puback', messageId: (await subscriber.message()).messageId!, reasonCode: 0x97 })
      assert.equal(String((await subscriber.message()).payload), '2')
    }
  },
  {
    clause: 'MQTT-3.3.4-9',
    title: 'no more than the receive maximum are on their way, whatever their QoS',
    async check (room) {
      const [subscriber, publisher] = [await room.client('', { properties: { receiveMaximum: 3 } }), await room.client()]
      await subscriber.subscribe(room.topic())
      for (let i = 1; i <= 8; i++) await publisher.publish(room.topic(), `${i}`, { qos: (1 + i % 2) as 1 | 2 })
      const open: Message[] = await subscriber.messages(3)
      const came = payloads(open)
      while (came.length < 8) {
        assert.deepEqual(await come(subscriber), [])
        await subscriber.acknowledge(open.shift()!)
        open.push(await subscriber.message())
        came.push(String(open.at(-1)!.payload))
      }
      assert.deepEqual(came.sort(), ['1', '2', '3', '4', '5', '6', '7', '8'])
    }
  },
  {
    clause: 'MQTT-3.3.4-10',
    title: 'a client whose quota is used up gets QoS 0 messages and every answer',
    async check (room) {
      const { subscriber, publisher } = await flood(room, 1, 2)
      await subscriber.message()
      await publisher.publish(room.topic(), 'zero', { qos: 0 })
      assert.equal(String((await subscriber.message()).payload), 'zero')
      assert.deepEqual(await subscriber.subscribe(room.topic('b')), [2]) // [MQTT-4.9.0-3]
      assert.equal(await subscriber.publish(room.topic('c'), 'x', { qos: 2 }) < 0x80, true)
      assert.deepEqual(await come(subscriber), [])
    }
  },
  {
    clause: 'MQTT-3.3.4-9',
    title: 'what waited for a session comes within the receive maximum',
    async check (room) {
      const away = await room.kept('away')
      await away.subscribe(room.topic())
      await away.end()
      const publisher = await room.client()
      for (const payload of ['1', '2', '3', '4']) await publisher.publish(room.topic(), payload, { qos: 1 })
      const again = await room.kept('away', { properties: { receiveMaximum: 1 } })
      for (const payload of ['1', '2', '3', '4']) {
        const message = await again.message()
        assert.deepEqual([String(message.payload), await come(again)], [payload, []])
        await again.acknowledge(message)
      }
    }
  },
  {
    clause: 'MQTT-3.3.4-9',
    title: 'what is sent again on a new connection is within its receive maximum',
    async check (room) {
      const { subscriber } = await flood(room, 3, 4)
      await subscriber.messages(3)
      subscriber.cut()
      const again = await room.kept('reader', { properties: { receiveMaximum: 1 } })
      for (const payload of ['1', '2', '3', '4']) {
        const message = await again.message()
        assert.deepEqual([String(message.payload), await come(again)], [payload, []])
        await again.acknowledge(message)
      }
    }
  },
  {
    clause: 'MQTT-3.3.4-9',
    title: 'retained messages come within the receive maximum',
    async check (room) {
      const [subscriber, publisher] = [await room.client('', { properties: { receiveMaximum: 1 } }), await room.client()]
      for (const name of ['1', '2', '3']) await publisher.publish(room.topic(name), name, { qos: 1, retain: true })
      await subscriber.subscribe(room.topic('+'))
      const came = []
      while (came.length < 3) {
        const message = await subscriber.message()
        came.push(String(message.payload))
        assert.deepEqual(await come(subscriber), [])
        await subscriber.acknowledge(message)
      }
      assert.deepEqual(came.sort(), ['1', '2', '3'])
    }
  },
  {
    clause: '3.2.2.3.3',
    title: 'as many QoS 2 messages as the broker\'s receive maximum are taken',
    check: async room => { await fill(room) }
  },
  {
    clause: '3.3.4',
    title: 'one more ends the connection with 0x93',
    async check (room) {
      const { peer, most, send } = await fill(room)
      assert.ok(most < 65_535, 'there are not as many packet ids')
      send(most + 1)
      assert.equal(await peer.hungUp(), 0x93)
    }
  },
  {
    clause: '4.9',
    title: 'PUBCOMP frees the quota of the publisher',
    async check (room) {
      const { peer, most, send } = await fill(room)
      peer.send({ cmd: 'pubrel', messageId: 1 })
      await peer.next('pubcomp', 1)
      if (most < 65_535) send(most + 1)
      else send(1)
      assert.ok(((await peer.next('pubrec', most < 65_535 ? most + 1 : 1)).reasonCode ?? 0) < 0x80)
    }
  },
  {
    clause: '4.9',
    title: 'QoS 1 messages one after the other never use up the publisher\'s quota',
    async check (room) {
      const peer = await room.client()
      for (let i = 1; i <= 3_000; i++) peer.send({ cmd: 'publish', topic: room.topic(), payload: 'x', qos: 0, dup: false, retain: false })
      for (let i = 1; i <= 200; i++) assert.ok(await peer.publish(room.topic(), 'x', { qos: 1 }) < 0x80)
    }
  }
]
