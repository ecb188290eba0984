import assert from 'node:assert/strict'
import type { Message } from '../../../../helpers/peer.ts'
import { payloads, type Clause } from './clause.ts'

/** The subscription ids of a message. */
const idsOf = ({ properties }: Message): number[] => [properties?.subscriptionIdentifier ?? []].flat()

/** Of one message, in however many copies: one with all of its ids, or one for each subscription. */
const idsOfAll = (copies: Message[]): number[] => copies.flatMap(idsOf).sort((a, b) => a - b)

export const identifiers: Clause[] = [
  {
    clause: 'MQTT-3.3.4-3',
    title: 'a message comes with the id of its subscription, with each QoS',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(room.topic(), 456_789)
      for (const qos of [0, 1, 2] as const) await publisher.publish(room.topic(), 'x', { qos })
      assert.deepEqual((await subscriber.messages(3)).map(idsOf), [[456_789], [456_789], [456_789]])
    }
  },
  {
    clause: '3.8.2.1.2',
    title: 'ids go up to 268,435,455',
    async check (room) {
      const subscriber = await room.client()
      for (const [name, id] of [['a', 1], ['b', 268_435_455]] as const) await subscriber.subscribe(room.topic(name), id)
      for (const name of ['a', 'b']) await subscriber.publish(room.topic(name), 'x')
      assert.deepEqual((await subscriber.messages(2)).map(idsOf), [[1], [268_435_455]])
    }
  },
  {
    clause: 'MQTT-3.3.4-4',
    title: 'of several subscriptions that match, every id comes',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      for (const [filter, id] of [['a/b', 1], ['a/+', 2], ['#', 3], ['c', 4]] as const) await subscriber.subscribe(room.topic(filter), id)
      await subscriber.subscribe(room.topic('+/b'))
      await publisher.publish(room.topic('a/b'), 'x', { qos: 1 })
      await publisher.publish(room.topic('c'), 'last', { qos: 1 })
      assert.deepEqual(idsOfAll(await subscriber.through('last')), [1, 2, 3])
    }
  },
  {
    clause: 'MQTT-3.3.4-4',
    title: 'one id for several filters comes',
    async check (room) {
      const subscriber = await room.client()
      await subscriber.subscribe([{ topic: room.topic('a'), qos: 1 }, { topic: room.topic('b'), qos: 0 }], 9)
      for (const name of ['a', 'b']) await subscriber.publish(room.topic(name), name, { qos: 1 })
      assert.deepEqual((await subscriber.messages(2)).map(message => [String(message.payload), idsOf(message)]), [['a', [9]], ['b', [9]]])
    }
  },
  {
    clause: '3.3.2.3.8',
    title: 'a subscription without an id brings none, and ids are each client\'s own',
    async check (room) {
      const [one, other] = [await room.client(), await room.client()]
      await one.subscribe(room.topic(), 5)
      await other.subscribe(room.topic())
      await one.publish(room.topic(), 'x', { qos: 1 })
      assert.deepEqual([idsOf(await one.message()), idsOf(await other.message())], [[5], []])
    }
  },
  {
    clause: 'MQTT-3.8.4-3',
    title: 'another SUBSCRIBE for the filter replaces the id, or takes it away',
    async check (room) {
      const subscriber = await room.client()
      const ids = []
      for (const id of [1, 2, undefined]) {
        await subscriber.subscribe(room.topic(), id)
        await subscriber.publish(room.topic(), 'x', { qos: 1 })
        ids.push(idsOf(await subscriber.message()))
      }
      assert.deepEqual(ids, [[1], [2], []])
    }
  },
  {
    clause: 'MQTT-3.3.4-3',
    title: 'retained messages come with the id',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await publisher.publish(room.topic(), 'x', { qos: 1, retain: true })
      await subscriber.subscribe(room.topic('+'), 77)
      assert.deepEqual(idsOf(await subscriber.message()), [77])
    }
  },
  {
    clause: 'MQTT-3.3.4-3',
    title: 'the id is kept with the session: what waited comes with it, and what comes later',
    async check (room) {
      const away = await room.kept('away')
      await away.subscribe(room.topic(), 31)
      await away.subscribe(room.topic('+'), 32)
      await away.end()
      const publisher = await room.client()
      await publisher.publish(room.topic(), 'waited', { qos: 1 })
      const again = await room.kept('away')
      await publisher.publish(room.topic(), 'new', { qos: 1 })
      await publisher.publish(room.topic(), 'last', { qos: 1 })
      const came = await again.through('last')
      for (const payload of ['waited', 'new']) assert.deepEqual(idsOfAll(came.filter(message => String(message.payload) === payload)), [31, 32], payload)
    }
  },
  {
    clause: '3.3.2.3.8',
    title: 'after UNSUBSCRIBE the id does not come any more',
    async check (room) {
      const subscriber = await room.client()
      await subscriber.subscribe(room.topic(), 1)
      await subscriber.subscribe(room.topic('#'), 2)
      assert.deepEqual(await subscriber.unsubscribe(room.topic()), [0])
      await subscriber.publish(room.topic(), 'x', { qos: 1 })
      assert.deepEqual(idsOfAll(await subscriber.settled()), [2])
    }
  },
  {
    clause: 'MQTT-3.3.4-4',
    title: 'no local hides its own subscription alone',
    async check (room) {
      const subscriber = await room.client()
      await subscriber.subscribe({ topic: room.topic(), qos: 1, nl: true }, 1)
      await subscriber.subscribe({ topic: room.topic('+'), qos: 1 }, 2)
      await subscriber.publish(room.topic(), 'x', { qos: 1 })
      const came = await subscriber.settled()
      assert.deepEqual([payloads(came), idsOfAll(came)], [['x'], [2]])
    }
  }
]
