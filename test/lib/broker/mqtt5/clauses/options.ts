import assert from 'node:assert/strict'
import { packet, properties, subscribeBytes, text, two } from '../../../../helpers/wire.ts'
import { assertCode, payloads, type Clause, type Room } from './clause.ts'

const option = (topic: string, more: { qos?: 0 | 1 | 2, nl?: boolean, rap?: boolean, rh?: 0 | 1 | 2 }) => ({ topic, qos: 1 as const, ...more })

async function withRetained (room: Room) {
  const [subscriber, publisher] = [await room.kept('reader'), await room.client()]
  await publisher.publish(room.topic(), 'retained', { qos: 1, retain: true })
  const again = async (rh: 0 | 1 | 2, reader = subscriber): Promise<string[]> => {
    await reader.subscribe(option(room.topic(), { rh }))
    return payloads(await reader.settled())
  }
  return { subscriber, publisher, again }
}

const faults: Array<[clause: string, title: string, bytes: (topic: string) => Buffer, ...codes: number[]]> = [
  ['MQTT-3.8.1-1', 'SUBSCRIBE with other flags', topic => packet(0x80, two(1), properties(), text(topic), [0]), 0x81, 0x82],
  ['MQTT-3.8.3-2', 'SUBSCRIBE without a filter', () => subscribeBytes(1, []), 0x82, 0x81],
  ['MQTT-3.8.3-5', 'subscription options with a reserved bit', topic => subscribeBytes(1, [[topic, 0x40]]), 0x81, 0x82],
  ['3.8.3.1', 'a granted QoS of 3', topic => subscribeBytes(1, [[topic, 3]]), 0x82, 0x81],
  ['3.8.3.1', 'a retain handling of 3', topic => subscribeBytes(1, [[topic, 0x30]]), 0x82, 0x81],
  ['MQTT-3.8.3-4', 'no local for a shared subscription', topic => subscribeBytes(1, [[`$share/g/${topic}`, 4]]), 0x82],
  ['3.8.2.1.2', 'subscription id 0', topic => subscribeBytes(1, [[topic, 0]], properties([0x0b, 0])), 0x82, 0x81],
  ['3.8.2.1.2', 'two subscription ids', topic => subscribeBytes(1, [[topic, 0]], properties([0x0b, 1, 0x0b, 2])), 0x82, 0x81],
  ['MQTT-2.2.1-3', 'SUBSCRIBE with packet id 0', topic => subscribeBytes(0, [[topic, 0]]), 0x82, 0x81],
  ['MQTT-3.10.1-1', 'UNSUBSCRIBE with other flags', topic => packet(0xa0, two(1), properties(), text(topic)), 0x81, 0x82],
  ['MQTT-3.10.3-2', 'UNSUBSCRIBE without a filter', () => packet(0xa2, two(1), properties()), 0x82, 0x81]
]

export const options: Clause[] = [
  {
    clause: 'MQTT-3.8.3-3',
    title: 'no local: a client does not get what it published itself, others do',
    async check (room) {
      const [one, two] = [await room.client(), await room.client()]
      for (const client of [one, two]) await client.subscribe(option(room.topic(), { nl: true }))
      for (const qos of [0, 1, 2] as const) await one.publish(room.topic(), 'from one', { qos })
      await two.publish(room.topic(), 'from two', { qos: 1 })
      assert.deepEqual(payloads(await one.messages(1)), ['from two'])
      assert.deepEqual(payloads(await two.messages(3)), Array(3).fill('from one'))
      assert.deepEqual([await one.settled(), await two.settled()], [[], []])
    }
  },
  {
    clause: '3.8.3.1',
    title: 'without it a client gets what it published',
    async check (room) {
      const one = await room.client()
      await one.subscribe(option(room.topic(), {}))
      await one.publish(room.topic(), 'own', { qos: 1 })
      assert.deepEqual(payloads(await one.messages(1)), ['own'])
    }
  },
  {
    clause: 'MQTT-3.8.3-3',
    title: 'no local is kept with the session',
    async check (room) {
      const first = await room.kept('one')
      await first.subscribe(option(room.topic(), { nl: true }))
      await first.end()
      const [again, other] = [await room.kept('one'), await room.client()]
      await again.publish(room.topic(), 'own', { qos: 1 })
      await other.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await again.through('last'), [])
    }
  },
  ...[false, true].map((rap): Clause => ({
    clause: rap ? 'MQTT-3.3.1-13' : 'MQTT-3.3.1-12',
    title: rap ? 'retain as published: the flag comes as it was set' : 'without retain as published the flag does not come',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(option(room.topic(), { rap }))
      for (const [qos, retain] of [[0, true], [1, true], [1, false], [2, true]] as const) await publisher.publish(room.topic(), `${retain}`, { qos, retain })
      for (const { retain, payload } of await subscriber.messages(4)) assert.equal(retain, rap && String(payload) === 'true')
    }
  })),
  {
    clause: 'MQTT-3.3.1-13',
    title: 'retain as published goes for what waited for a session, too',
    async check (room) {
      const away = await room.kept('away')
      await away.subscribe(option(room.topic(), { rap: true }))
      await away.end()
      const publisher = await room.client()
      for (const retain of [true, false]) await publisher.publish(room.topic(), 'x', { qos: 1, retain })
      assert.deepEqual((await (await room.kept('away')).messages(2)).map(({ retain }) => retain), [true, false])
    }
  },
  {
    clause: '3.3.1.3',
    title: 'a retained message that comes for a new subscription has the flag, whatever its options',
    async check (room) {
      await (await room.client()).publish(room.topic(), 'x', { qos: 1, retain: true })
      for (const rap of [false, true]) {
        const subscriber = await room.client()
        await subscriber.subscribe(option(room.topic(), { rap }))
        assert.equal((await subscriber.message()).retain, true)
      }
    }
  },
  {
    clause: 'MQTT-3.3.1-9',
    title: 'retain handling 0: each SUBSCRIBE brings the retained messages',
    async check (room) {
      const { again } = await withRetained(room)
      assert.deepEqual([await again(0), await again(0)], [['retained'], ['retained']])
    }
  },
  {
    clause: 'MQTT-3.3.1-10',
    title: 'retain handling 1: only one for a subscription that there was not',
    async check (room) {
      const { again, subscriber } = await withRetained(room)
      assert.deepEqual([await again(1), await again(1)], [['retained'], []])
      await subscriber.unsubscribe(room.topic())
      assert.deepEqual(await again(1), ['retained'])
    }
  },
  {
    clause: 'MQTT-3.3.1-10',
    title: 'retain handling 1: a subscription of a kept session was there',
    async check (room) {
      const { again, subscriber } = await withRetained(room)
      await again(2)
      await subscriber.end()
      assert.deepEqual(await again(1, await room.kept('reader')), [])
    }
  },
  {
    clause: 'MQTT-3.3.1-11',
    title: 'retain handling 2: no SUBSCRIBE brings them',
    async check (room) {
      const { again, publisher, subscriber } = await withRetained(room)
      assert.deepEqual([await again(2), await again(2)], [[], []])
      await publisher.publish(room.topic(), 'new', { qos: 1, retain: true })
      assert.deepEqual(payloads(await subscriber.messages(1)), ['new'])
    }
  },
  ...faults.map(([clause, title, bytes, ...codes]): Clause => ({
    clause,
    title: `${title} ends the connection`,
    async check (room) {
      const peer = await room.client()
      peer.write(bytes(room.topic()))
      assertCode(await peer.hungUp(), ...codes)
      assert.ok(peer.heard.every(({ cmd }) => cmd === 'connack' || cmd === 'disconnect'))
    }
  })),
  {
    clause: 'MQTT-3.8.4-3',
    title: 'another SUBSCRIBE for the filter replaces the first, with its options',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe(option(room.topic(), { qos: 2, rap: true }))
      await subscriber.subscribe(option(room.topic(), { qos: 0, nl: true }))
      await subscriber.publish(room.topic(), 'own', { qos: 1 })
      await publisher.publish(room.topic(), 'other', { qos: 2, retain: true })
      await publisher.publish(room.topic(), 'last')
      assert.deepEqual((await subscriber.through('last')).map(({ payload, qos, retain }) => [String(payload), qos, retain]), [['other', 0, false]])
    }
  },
  {
    clause: 'MQTT-3.3.4-2',
    title: 'of overlapping filters the message comes at the highest QoS',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe([option(room.topic('#'), { qos: 0 }), option(room.topic('+'), { qos: 2 }), option(room.topic(), { qos: 1 })])
      await publisher.publish(room.topic(), 'x', { qos: 2 })
      await publisher.publish(room.topic(), 'last', { qos: 2 })
      // One copy, or one for each filter: either is allowed.
      const qos = (await subscriber.through('last')).map(message => message.qos)
      assert.equal(Math.max(...qos), 2)
      assert.ok(qos.length === 1 || qos.length === 3, `${qos.length} copies`)
    }
  },
  {
    clause: 'MQTT-4.7.2-1',
    title: 'a filter that begins with a wildcard does not match a topic that begins with $',
    async check (room) {
      const [subscriber, publisher] = [await room.client(), await room.client()]
      await subscriber.subscribe([option('#', { qos: 0 }), option(`+/${room.topic()}`, { qos: 0 })])
      await publisher.publish(`$${room.topic()}`, 'hidden', { qos: 0 })
      await publisher.publish(`$x/${room.topic()}`, 'hidden', { qos: 0 })
      await publisher.publish(room.topic(), room.topic('last'), { qos: 1 })
      for (const { topic } of await subscriber.through(room.topic('last'))) assert.ok(!topic.startsWith('$'))
    }
  }
]
