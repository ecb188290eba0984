import assert from 'node:assert/strict'
import type { Message, Peer } from '../../../../helpers/peer.ts'
import { assertCode, payloads, type Clause, type Room } from './clause.ts'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)

/** The filter of a group. */
const group = (room: Room, name = 'g', topic = 'a'): string => `$share/${name}/${room.topic(topic)}`

async function publish (publisher: Peer, topic: string, messages: string[]): Promise<void> {
  for (const payload of messages) await publisher.publish(topic, payload, { qos: 1 })
}

/** What each member has got once all of it has come, acknowledged. */
async function come (members: Peer[], count: number): Promise<Message[][]> {
  const came: Message[][] = members.map(() => [])
  const end = performance.now() + 10_000
  while (came.flat().length < count && performance.now() < end) {
    for (const [i, member] of members.entries()) {
      for (const message of await member.settled()) {
        came[i]!.push(message)
        await member.acknowledge(message)
      }
    }
  }
  return came
}

const sorted = (messages: Message[]): string[] => payloads(messages).sort((a, b) => Number(a) - Number(b))

export const shared: Clause[] = [
  {
    clause: '4.8.2',
    title: 'each message goes to one member of the group, and each member gets some',
    async check (room) {
      const members = [await room.client(), await room.client(), await room.client()]
      for (const member of members) assert.deepEqual(await member.subscribe(group(room)), [2])
      await publish(await room.client(), room.topic(), numbers(30))
      const came = await come(members, 30)
      assert.deepEqual(sorted(came.flat()), numbers(30))
    }
  },
  {
    clause: '4.8.2',
    title: 'each group gets each message, and so does who has the filter alone',
    async check (room) {
      const [one, other, alone] = [await room.client(), await room.client(), await room.client()]
      await one.subscribe(group(room, 'one'))
      await other.subscribe(group(room, 'other'))
      await alone.subscribe(room.topic())
      await publish(await room.client(), room.topic(), numbers(6))
      assert.deepEqual((await come([one, other, alone], 18)).map(payloads), [numbers(6), numbers(6), numbers(6)])
    }
  },
  {
    clause: '4.8.2',
    title: 'a client with the filter alone and in a group gets the message for each of them',
    async check (room) {
      const [both, publisher] = [await room.client(), await room.client()]
      await both.subscribe(room.topic(), 1)
      await both.subscribe(group(room), 2)
      await publisher.publish(room.topic(), 'x', { qos: 1 })
      assert.deepEqual((await both.settled()).flatMap(({ properties }) => properties?.subscriptionIdentifier).sort(), [1, 2])
    }
  },
  {
    clause: '4.8.2',
    title: 'a group brings no retained messages',
    async check (room) {
      const [member, publisher] = [await room.client(), await room.client()]
      await publisher.publish(room.topic(), 'retained', { qos: 1, retain: true })
      await member.subscribe(group(room))
      await publisher.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await member.through('last'), [])
    }
  },
  {
    clause: 'MQTT-4.8.2-3',
    title: 'a member gets its messages at its own QoS',
    async check (room) {
      const [zero, one, publisher] = [await room.client(), await room.client(), await room.client()]
      await zero.subscribe({ topic: group(room), qos: 0 })
      await one.subscribe({ topic: group(room), qos: 1 })
      for (const payload of numbers(20)) await publisher.publish(room.topic(), payload, { qos: 2 })
      const [ofZero, ofOne] = await come([zero, one], 20)
      assert.ok(ofZero!.every(({ qos }) => qos === 0) && ofOne!.every(({ qos }) => qos === 1))
      assert.deepEqual(sorted([...ofZero!, ...ofOne!]), numbers(20))
    }
  },
  ...([['MQTT-4.8.2-1', 'without a name', '$share//a'], ['MQTT-4.8.2-2', 'with a wildcard in its name', '$share/g+/a'], ['MQTT-4.8.2-2', 'without a filter', '$share/g'], ['MQTT-4.8.2-2', 'with an empty filter', '$share/g/']] as const)
    .map(([clause, what, filter]): Clause => ({
      clause,
      title: `a group ${what} is refused`,
      async check (room) {
        const peer = await room.client()
        const codes = await peer.subscribe(filter).catch(() => undefined)
        if (codes === undefined) assertCode(await peer.hungUp(), 0x8f, 0x81, 0x82)
        else assert.ok(codes[0]! >= 0x80, `SUBACK ${codes}`)
      }
    })),
  {
    clause: '4.8.2',
    title: 'a member that leaves gets no more; the others get all',
    async check (room) {
      const [stays, leaves, publisher] = [await room.client(), await room.client(), await room.client()]
      for (const member of [stays, leaves]) await member.subscribe(group(room))
      await leaves.end()
      await publish(publisher, room.topic(), numbers(10))
      assert.deepEqual((await come([stays], 10)).map(payloads), [numbers(10)])
    }
  },
  {
    clause: 'MQTT-3.10.4-1',
    title: 'UNSUBSCRIBE with the filter of the group ends it, with that of the topic it does not',
    async check (room) {
      const [member, publisher] = [await room.client(), await room.client()]
      await member.subscribe(group(room))
      assert.deepEqual(await member.unsubscribe(room.topic(), group(room, 'other')), [0x11, 0x11])
      await publish(publisher, room.topic(), ['one'])
      assert.deepEqual(payloads(await member.messages(1)), ['one'])
      assert.deepEqual(await member.unsubscribe(group(room)), [0])
      await publish(publisher, room.topic(), ['two'])
      assert.deepEqual(await member.settled(), [])
    }
  },
  {
    clause: 'MQTT-4.5.0-1',
    title: 'what comes while every member of kept sessions is away waits for them',
    async check (room) {
      for (const name of ['one', 'two']) {
        const member = await room.kept(name)
        await member.subscribe(group(room))
        await member.end()
      }
      await publish(await room.client(), room.topic(), numbers(10))
      const members = [await room.kept('one'), await room.kept('two')]
      assert.deepEqual(sorted((await come(members, 10)).flat()), numbers(10))
    }
  },
  {
    clause: 'MQTT-4.8.2-4',
    title: 'a QoS 2 message that a member did not acknowledge comes to it again, and to no other',
    async check (room) {
      const one = await room.kept('one')
      await one.subscribe(group(room))
      const publisher = await room.client()
      await publisher.publish(room.topic(), 'x', { qos: 2 })
      const { messageId } = await one.message()
      const other = await room.client()
      await other.subscribe(group(room))
      one.cut()
      const again = await (await room.kept('one')).message()
      assert.deepEqual([again.messageId, again.dup, String(again.payload)], [messageId, true, 'x'])
      assert.deepEqual(await other.settled(), [])
    }
  },
  ...([[1, 'puback'], [2, 'pubrec']] as const).map(([qos, cmd]): Clause => ({
    clause: 'MQTT-4.8.2-6',
    title: `a member that answers with an error (${cmd.toUpperCase()}) has the message discarded`,
    async check (room) {
      const one = await room.kept('one')
      await one.subscribe(group(room))
      await (await room.client()).publish(room.topic(), 'x', { qos })
      const { messageId } = await one.message()
      const other = await room.client()
      await other.subscribe(group(room))
      one.send({ cmd, messageId: messageId!, reasonCode: 0x83 })
      await one.settled()
      one.cut()
      assert.deepEqual([await other.settled(), await (await room.kept('one')).settled()], [[], []])
    }
  })),
  {
    clause: '4.8.2',
    title: 'clients of MQTT 3.1.1 and of MQTT 5 share a group',
    async check (room) {
      const members = [await room.client(), await room.older()]
      for (const member of members) await member.subscribe(group(room))
      await publish(await room.client(), room.topic(), numbers(20))
      const came = await come(members, 20)
      assert.deepEqual(sorted(came.flat()), numbers(20))
      assert.ok(came.every(ofOne => ofOne.length > 0))
    }
  },
  {
    clause: '4.8.2',
    title: 'a member with a full quota does not keep the others from theirs',
    async check (room) {
      const [slow, quick, publisher] = [await room.client('', { properties: { receiveMaximum: 1 } }), await room.client(), await room.client()]
      for (const member of [slow, quick]) await member.subscribe(group(room))
      await publish(publisher, room.topic(), numbers(10))
      const [ofQuick] = await come([quick], 5)
      assert.ok(ofQuick!.length >= 4, `${ofQuick!.length}`)
    }
  }
]
