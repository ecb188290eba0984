import assert from 'node:assert/strict'
import type { Message, Peer } from '../../../../helpers/peer.ts'
import { properties, publishBytes, two } from '../../../../helpers/wire.ts'
import { assertCode, payloads, type Clause, type Room } from './clause.ts'

const aliased = (topicAlias: number) => ({ qos: 1 as const, properties: { topicAlias } })

/** A client that may use aliases. */
async function publisherOf (room: Room): Promise<{ publisher: Peer, most: number }> {
  const publisher = await room.client('publisher')
  const most = publisher.connack.properties?.topicAliasMaximum ?? 0
  assert.ok(most > 0, 'CONNACK offers topic aliases')
  return { publisher, most }
}

/** An alias that may not be used ends the connection. */
async function isRefused (room: Room, alias: (most: number) => number, topic: string): Promise<void> {
  const peer = await room.client()
  peer.write(publishBytes(topic, { qos: 1, own: properties([0x23, ...two(alias(peer.connack.properties?.topicAliasMaximum ?? 0))]) }))
  assertCode(await peer.hungUp(), 0x94, 0x82, 0x81)
}

/** The topics of messages, aliases resolved; as few of them as `most`. */
function topicsOf (messages: Message[], most: number): string[] {
  const known = new Map<number, string>()
  return messages.map(({ topic, properties: { topicAlias } = {} }) => {
    assert.ok(topicAlias === undefined || (topicAlias > 0 && topicAlias <= most), `alias ${topicAlias}`)
    if (topic !== '' && topicAlias !== undefined) known.set(topicAlias, topic)
    return topic === '' ? known.get(topicAlias!) ?? `unknown alias ${topicAlias}` : topic
  })
}

export const aliases: Clause[] = [
  {
    clause: 'MQTT-3.3.2-12',
    title: 'every alias up to the maximum that CONNACK tells is taken',
    async check (room) {
      const { publisher, most } = await publisherOf(room)
      const subscriber = await room.client()
      await subscriber.subscribe(room.topic('+'))
      for (const alias of new Set([1, most])) {
        await publisher.publish(room.topic(`t${alias}`), 'named', aliased(alias))
        await publisher.publish('', 'by alias', aliased(alias))
        for (const { topic, properties } of await subscriber.messages(2)) assert.deepEqual([topic, properties?.topicAlias], [room.topic(`t${alias}`), undefined])
      }
    }
  },
  {
    clause: '3.3.2.3.4',
    title: 'an alias can be given to another topic',
    async check (room) {
      const { publisher } = await publisherOf(room)
      const subscriber = await room.client()
      await subscriber.subscribe(room.topic('+'))
      for (const topic of ['a', 'b']) {
        await publisher.publish(room.topic(topic), 'named', aliased(1))
        await publisher.publish('', 'by alias', aliased(1))
      }
      assert.deepEqual((await subscriber.messages(4)).map(({ topic }) => topic), ['a', 'a', 'b', 'b'].map(name => room.topic(name)))
    }
  },
  {
    clause: '3.3.2.3.4',
    title: 'an alias stands for its topic with QoS 0 and 2 and in retained messages, too',
    async check (room) {
      const { publisher } = await publisherOf(room)
      await publisher.publish(room.topic(), 'zero', { properties: { topicAlias: 1 } })
      await publisher.publish('', 'two', { qos: 2, retain: true, properties: { topicAlias: 1 } })
      const subscriber = await room.client()
      await subscriber.subscribe(room.topic())
      const { topic, payload } = await subscriber.message()
      assert.deepEqual([topic, String(payload)], [room.topic(), 'two'])
    }
  },
  {
    clause: 'MQTT-3.3.2-7',
    title: 'an alias ends with its connection',
    async check (room) {
      const first = await room.kept('publisher')
      assert.ok((first.connack.properties?.topicAliasMaximum ?? 0) > 0, 'CONNACK offers topic aliases')
      await first.publish(room.topic(), 'named', aliased(1))
      await first.end()
      const second = await room.kept('publisher')
      second.write(publishBytes('', { qos: 1, own: properties([0x23, 0, 1]) }))
      assertCode(await second.hungUp(), 0x82, 0x94)
    }
  },
  {
    clause: '3.3.2.3.4',
    title: 'an alias is its own connection\'s',
    async check (room) {
      const { publisher } = await publisherOf(room)
      await publisher.publish(room.topic(), 'named', aliased(1))
      const other = await room.client()
      other.write(publishBytes('', { qos: 1, own: properties([0x23, 0, 1]) }))
      assertCode(await other.hungUp(), 0x82, 0x94)
    }
  },
  { clause: 'MQTT-3.3.2-8', title: 'alias 0 ends the connection', check: room => isRefused(room, () => 0, room.topic()) },
  { clause: 'MQTT-3.3.2-9', title: 'an alias beyond the maximum ends the connection', check: room => isRefused(room, most => Math.min(most + 1, 65_535), room.topic()) },
  { clause: '3.3.2.3.4', title: 'an alias that was not given a topic ends the connection', check: room => isRefused(room, () => 1, '') },
  {
    clause: 'MQTT-3.1.2-27',
    title: 'who allows no aliases is sent none',
    async check (room) {
      for (const own of [{}, { topicAliasMaximum: 0 }]) {
        const subscriber = await room.client('', { properties: own })
        await subscriber.subscribe(room.topic())
        for (let i = 0; i < 3; i++) await subscriber.publish(room.topic(), 'x', { qos: 1 })
        for (const { topic, properties } of await subscriber.messages(3)) assert.deepEqual([topic, properties?.topicAlias], [room.topic(), undefined])
      }
    }
  },
  {
    clause: 'MQTT-3.1.2-26',
    title: 'who allows one is sent no other, and can tell every topic',
    async check (room) {
      const [subscriber, publisher] = [await room.client('', { properties: { topicAliasMaximum: 1 } }), await room.client()]
      await subscriber.subscribe(room.topic('#'))
      const topics = ['a', 'b', 'a', 'a', 'c', 'b', 'a', 'b/c', 'a'].map(name => room.topic(name))
      for (const [i, topic] of topics.entries()) await publisher.publish(topic, 'x', { qos: i % 3 as 0 | 1 | 2 })
      assert.deepEqual(topicsOf(await subscriber.messages(topics.length), 1), topics)
    }
  },
  {
    clause: '3.3.2.3.4',
    title: 'the aliases of the two directions are different ones',
    async check (room) {
      const peer = await room.client('both', { properties: { topicAliasMaximum: 10 } })
      assert.ok((peer.connack.properties?.topicAliasMaximum ?? 0) > 0, 'CONNACK offers topic aliases')
      await peer.subscribe(room.topic('#'))
      const other = await room.client()
      await other.publish(room.topic('from other'), '1', { qos: 1 })
      await peer.publish(room.topic('own'), '2', aliased(1))
      await other.publish(room.topic('from other'), '3', { qos: 1 })
      await peer.publish('', '4', aliased(1))
      assert.deepEqual(topicsOf(await peer.messages(4), 10), ['from other', 'own', 'from other', 'own'].map(name => room.topic(name)))
    }
  },
  {
    clause: 'MQTT-3.3.2-7',
    title: 'what is sent again on a new connection, and what waited, comes with its topic',
    async check (room) {
      const options = { properties: { topicAliasMaximum: 5 } }
      const first = await room.kept('reader', options)
      await first.subscribe(room.topic())
      const publisher = await room.client()
      for (const payload of ['1', '2']) await publisher.publish(room.topic(), payload, { qos: 1 })
      await first.messages(2)
      first.cut()
      await publisher.publish(room.topic(), '3', { qos: 1 })
      const again = await (await room.kept('reader', options)).messages(3)
      assert.deepEqual([payloads(again), topicsOf(again, 5)], [['1', '2', '3'], Array(3).fill(room.topic())])
    }
  }
]
