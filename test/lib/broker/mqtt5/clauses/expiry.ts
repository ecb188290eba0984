import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { payloads, type Clause, type Room } from './clause.ts'

const within = (seconds: number) => ({ properties: { messageExpiryInterval: seconds } })

/** Messages for a client of this version that is away for `ms`: one that expires after `short` seconds, one after 20, and one that does not. */
async function wait (room: Room, ms: number, { protocolVersion = 5, short = 1 }: { protocolVersion?: 4 | 5, short?: number } = {}) {
  const options = { protocolVersion, clean: false, ...protocolVersion === 5 && { properties: { sessionExpiryInterval: 60 } } }
  const away = await room.client('away', options)
  await away.subscribe(room.topic())
  await away.end()
  const publisher = await room.client()
  await publisher.publish(room.topic(), 'short', { qos: 1, ...within(short) })
  await publisher.publish(room.topic(), 'long', { qos: 1, ...within(20) })
  await publisher.publish(room.topic(), 'ever', { qos: 1 })
  await pause(ms)
  const again = await room.client('away', options)
  await publisher.publish(room.topic(), 'last', { qos: 1 })
  return again.through('last')
}

export const expiry: Clause[] = [
  {
    clause: 'MQTT-3.3.2-6',
    title: 'a message that expires tells how many seconds are left',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(room.topic())
      for (const qos of [0, 1, 2] as const) await publisher.publish(room.topic(), 'x', { qos, ...within(100) })
      for (const { properties } of await subscriber.messages(3)) assert.ok(properties?.messageExpiryInterval === 100 || properties?.messageExpiryInterval === 99, `${properties?.messageExpiryInterval} s`)
    }
  },
  {
    clause: 'MQTT-3.3.2-6',
    title: 'the time that it waited for a session is no longer left',
    async check (room) {
      const [long, ever] = (await wait(room, 2_100)).slice(-2)
      assert.equal(String(long!.payload), 'long')
      const left = long!.properties!.messageExpiryInterval!
      assert.ok(left <= 18 && left >= 14, `${left} s`)
      assert.equal(ever!.properties?.messageExpiryInterval, undefined)
    }
  },
  {
    clause: 'MQTT-3.3.2-5',
    title: 'what expired while its subscriber was away does not come',
    check: async room => { assert.deepEqual(payloads(await wait(room, 2_500)), ['long', 'ever']) }
  },
  {
    clause: 'MQTT-3.3.2-5',
    title: 'nor to a subscriber that speaks MQTT 3.1.1',
    check: async room => { assert.deepEqual(payloads(await wait(room, 2_500, { protocolVersion: 4 })), ['long', 'ever']) }
  },
  {
    clause: '3.3.2.3.3',
    title: 'what has not expired does come',
    check: async room => { assert.deepEqual(payloads(await wait(room, 0, { short: 20 })), ['short', 'long', 'ever']) }
  },
  {
    clause: 'MQTT-3.3.2-6',
    title: 'the time that it was retained is no longer left',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await publisher.publish(room.topic(), 'x', { qos: 1, retain: true, ...within(20) })
      await pause(2_100)
      await subscriber.subscribe(room.topic())
      const left = (await subscriber.message()).properties!.messageExpiryInterval!
      assert.ok(left <= 18 && left >= 14, `${left} s`)
    }
  },
  {
    clause: 'MQTT-3.3.2-5',
    title: 'a retained message that expired does not come',
    async check (room) {
      const publisher = await room.client()
      await publisher.publish(room.topic(), 'x', { qos: 1, retain: true, ...within(1) })
      await pause(2_500)
      for (const subscriber of [await room.client(), await room.older()]) {
        await subscriber.subscribe(room.topic())
        assert.deepEqual(await subscriber.settled(), [])
      }
    }
  },
  {
    clause: 'MQTT-3.3.2-5',
    title: 'what expired while the quota was used up does not come',
    async check (room) {
      const [subscriber, publisher] = [await room.client('', { properties: { receiveMaximum: 1 } }), await room.client()]
      await subscriber.subscribe(room.topic())
      await publisher.publish(room.topic(), 'first', { qos: 1 })
      await publisher.publish(room.topic(), 'short', { qos: 1, ...within(1) })
      await publisher.publish(room.topic(), 'last', { qos: 1 })
      const first = await subscriber.message()
      await pause(2_500)
      await subscriber.acknowledge(first)
      assert.deepEqual(await subscriber.through('last'), [])
    }
  },
  {
    clause: 'MQTT-4.3.3-7',
    title: 'a QoS 2 message that was sent once does not expire any more',
    async check (room) {
      const first = await room.kept('reader')
      await first.subscribe(room.topic())
      await (await room.client()).publish(room.topic(), 'x', { qos: 2, ...within(1) })
      const { messageId } = await first.message()
      first.cut()
      await pause(2_500)
      const again = await (await room.kept('reader')).message()
      assert.deepEqual([again.messageId, again.dup], [messageId, true])
    }
  },
  {
    clause: 'MQTT-4.3.3-13',
    title: 'a QoS 2 message that expired is acknowledged to the end',
    async check (room) {
      const publisher = await room.client()
      publisher.send({ cmd: 'publish', topic: room.topic(), payload: 'x', qos: 2, messageId: 9, dup: false, retain: false, ...within(1) })
      await publisher.next('pubrec', 9)
      await pause(2_000)
      publisher.send({ cmd: 'pubrel', messageId: 9 })
      assert.equal((await publisher.next('pubcomp', 9)).reasonCode ?? 0, 0)
    }
  }
]
