import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { payloads, type Clause, type Room } from './clause.ts'

/** Leave a session with one subscription and this expiry, then come back. @returns whether it is still there */
async function survives (room: Room, sessionExpiryInterval: number | undefined, ms: number, atDisconnect?: number): Promise<boolean> {
  const first = await room.client('session', { properties: { ...sessionExpiryInterval !== undefined && { sessionExpiryInterval } } })
  await first.subscribe(room.topic())
  await first.end(0, atDisconnect === undefined ? undefined : { sessionExpiryInterval: atDisconnect })
  await pause(ms)
  return (await room.client('session', { clean: false })).connack.sessionPresent
}

export const sessions: Clause[] = [
  {
    clause: 'MQTT-3.2.2-3',
    title: 'Clean Start 0 without a session: session present 0, and a new one',
    async check (room) {
      const peer = await room.client('new', { clean: false })
      assert.equal(peer.connack.sessionPresent, false)
    }
  },
  {
    clause: 'MQTT-3.1.2-5',
    title: 'Clean Start 0 resumes a session with its subscriptions and what waited',
    async check (room) {
      const first = await room.kept('away')
      await first.subscribe({ topic: room.topic(), qos: 1 })
      await first.end()
      const publisher = await room.client()
      for (const payload of ['one', 'two']) await publisher.publish(room.topic(), payload, { qos: 1 })
      const again = await room.kept('away')
      assert.equal(again.connack.sessionPresent, true)
      await publisher.publish(room.topic(), 'three', { qos: 1 })
      assert.deepEqual(payloads(await again.messages(3)), ['one', 'two', 'three'])
    }
  },
  {
    clause: 'MQTT-3.1.2-4',
    title: 'Clean Start 1 ends a session that there is',
    async check (room) {
      const first = await room.kept('away')
      await first.subscribe(room.topic())
      await first.end()
      const publisher = await room.client()
      await publisher.publish(room.topic(), 'waited', { qos: 1 })
      const again = await room.client('away')
      assert.equal(again.connack.sessionPresent, false) // [MQTT-3.2.2-2]
      await publisher.publish(room.topic(), 'new', { qos: 1 })
      assert.deepEqual(await again.settled(), [])
    }
  },
  {
    clause: '3.1.2.11.2',
    title: 'without a Session Expiry Interval a session ends with its connection',
    check: async room => { assert.equal(await survives(room, undefined, 100), false) }
  },
  {
    clause: 'MQTT-3.1.2-23',
    title: 'a session with a Session Expiry Interval outlives its connection',
    check: async room => { assert.equal(await survives(room, 30, 500), true) }
  },
  {
    clause: 'MQTT-4.1.0-2',
    title: 'a session ends when its Session Expiry Interval has passed',
    check: async room => { assert.equal(await survives(room, 1, 2_500), false) }
  },
  {
    clause: 'MQTT-4.1.0-1',
    title: 'a session does not expire while its client is connected',
    async check (room) {
      const peer = await room.client('long', { properties: { sessionExpiryInterval: 1 } })
      await peer.subscribe(room.topic())
      await pause(2_500)
      await peer.publish(room.topic(), 'still', { qos: 1 })
      assert.deepEqual(payloads(await peer.settled()), ['still'])
    }
  },
  {
    clause: '3.1.2.11.2',
    title: 'a Session Expiry Interval of 0xFFFFFFFF is the longest that there is',
    async check (room) {
      const peer = await room.client('for ever', { properties: { sessionExpiryInterval: 0xffffffff } })
      assert.notEqual(peer.connack.properties?.sessionExpiryInterval, 0)
      await peer.subscribe(room.topic())
      await peer.end()
      assert.equal((await room.client('for ever', { clean: false })).connack.sessionPresent, true)
    }
  },
  {
    clause: '3.14.2.2.2',
    title: 'DISCONNECT may make the Session Expiry Interval longer',
    check: async room => { assert.equal(await survives(room, 1, 2_500, 30), true) }
  },
  {
    clause: '3.14.2.2.2',
    title: 'DISCONNECT may end a session that was to be kept',
    check: async room => { assert.equal(await survives(room, 30, 100, 0), false) }
  },
  {
    clause: '3.14.2.2.2',
    title: 'DISCONNECT may not keep a session that was to end: 0x82, and it is no DISCONNECT',
    async check (room) {
      const witness = await room.client()
      await witness.subscribe(room.topic('will'))
      const peer = await room.client('changes', { will: { topic: room.topic('will'), payload: Buffer.from('gone') } })
      peer.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 60 } })
      assert.equal(await peer.hungUp(), 0x82)
      assert.equal(String((await witness.message()).payload), 'gone')
      assert.equal((await room.client('changes', { clean: false })).connack.sessionPresent, false)
    }
  },
  {
    clause: 'MQTT-3.1.4-3',
    title: 'a client that is taken over is told so, 0x8E',
    async check (room) {
      const first = await room.client('twice')
      await room.client('twice')
      assert.equal(await first.hungUp(), 0x8e)
    }
  },
  {
    clause: 'MQTT-3.1.4-3',
    title: 'who takes over a session gets what the first did not acknowledge',
    async check (room) {
      const first = await room.kept('twice')
      await first.subscribe({ topic: room.topic(), qos: 1 })
      const publisher = await room.client()
      await publisher.publish(room.topic(), 'open', { qos: 1 })
      const { messageId } = await first.message()
      const second = await room.kept('twice')
      assert.equal(second.connack.sessionPresent, true)
      const again = await second.message()
      assert.deepEqual([again.messageId, again.dup, String(again.payload)], [messageId, true, 'open']) // [MQTT-4.4.0-1]
    }
  },
  {
    clause: 'MQTT-4.4.0-1',
    title: 'PUBLISH and PUBREL that were not acknowledged are sent again on return, with their ids',
    async check (room) {
      const first = await room.kept('returns')
      await first.subscribe(room.topic())
      const publisher = await room.client()
      for (const payload of ['released', 'sent']) await publisher.publish(room.topic(), payload, { qos: 2 })
      const [released, sent] = await first.messages(2)
      first.send({ cmd: 'pubrec', messageId: released!.messageId! })
      await first.next('pubrel')
      first.cut()
      const second = await room.kept('returns')
      assert.equal((await second.next('pubrel')).messageId, released!.messageId)
      const again = await second.message()
      assert.deepEqual([again.messageId, again.dup, String(again.payload)], [sent!.messageId, true, 'sent'])
    }
  },
  {
    clause: 'MQTT-4.4.0-1',
    title: 'nothing is sent again while the connection lasts',
    async check (room) {
      const peer = await room.kept('slow')
      await peer.subscribe(room.topic())
      await (await room.client()).publish(room.topic(), 'once', { qos: 1 })
      await peer.message()
      await pause(2_000)
      assert.deepEqual(await peer.settled(), [])
    }
  },
  ...([[1, 'puback'], [2, 'pubrec']] as const).map(([qos, cmd]): Clause => ({
    clause: 'MQTT-4.4.0-2',
    title: `${cmd.toUpperCase()} with an error is an acknowledgement: the message does not come again`,
    async check (room) {
      const first = await room.kept('refuses')
      await first.subscribe(room.topic())
      await (await room.client()).publish(room.topic(), 'unwanted', { qos })
      first.send({ cmd, messageId: (await first.message()).messageId!, reasonCode: 0x83 })
      await first.settled()
      assert.ok(first.heard.every(({ cmd }) => cmd !== 'pubrel')) // [MQTT-4.3.3-4]
      first.cut()
      const second = await room.kept('refuses')
      assert.deepEqual([second.connack.sessionPresent, payloads(await second.settled())], [true, []])
    }
  }))
]
