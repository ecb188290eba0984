import assert from 'node:assert/strict'
import { packet, properties, subscribeBytes, text, two } from '../../../../helpers/wire.ts'
import { payloads, type Clause } from './clause.ts'

export const codes: Clause[] = [
  {
    clause: 'MQTT-3.9.3-1',
    title: 'SUBACK tells the granted QoS of each filter, in order',
    async check (room) {
      const granted = await (await room.client()).subscribe(([1, 0, 2] as const).map(qos => ({ topic: room.topic(`${qos}`), qos })))
      assert.deepEqual(granted, [1, 0, 2])
    }
  },
  {
    clause: 'MQTT-3.8.4-6',
    title: 'also of a filter that comes twice',
    async check (room) {
      const subscriber = await room.client()
      assert.deepEqual(await subscriber.subscribe([{ topic: room.topic(), qos: 2 }, { topic: room.topic(), qos: 0 }]), [2, 0])
      await subscriber.publish(room.topic(), 'x', { qos: 1 })
      assert.deepEqual((await subscriber.settled()).map(({ qos }) => qos), [0]) // [MQTT-3.8.4-5]
    }
  },
  ...([['MQTT-4.7.1-1', '#/a'], ['MQTT-4.7.1-1', 'a#'], ['MQTT-4.7.1-2', 'a+/b'], ['MQTT-4.7.3-1', '']] as const).map(([clause, filter]): Clause => ({
    clause,
    title: `the filter "${filter}" is refused`,
    async check (room) {
      const peer = await room.client()
      peer.write(subscribeBytes(1, [[filter, 0]]))
      const granted = await peer.next('suback').then(({ granted }) => granted, () => undefined)
      if (granted !== undefined) return assert.ok(granted[0] === 0x8f || granted[0] === 0x80, `SUBACK ${granted}`)
      const code = await peer.hungUp()
      assert.ok([0x8f, 0x81, 0x82, undefined].includes(code), `DISCONNECT 0x${code?.toString(16)}`)
    }
  })),
  {
    clause: 'MQTT-3.11.3-1',
    title: 'UNSUBACK tells of each filter, in order, whether there was a subscription: 0x00 or 0x11',
    async check (room) {
      const peer = await room.client()
      await peer.subscribe(room.topic('b'))
      assert.deepEqual(await peer.unsubscribe(room.topic('a'), room.topic('b'), room.topic('b')), [0x11, 0, 0x11])
    }
  },
  {
    clause: 'MQTT-3.10.4-2',
    title: 'after UNSUBSCRIBE no more messages come',
    async check (room) {
      const peer = await room.client()
      await peer.subscribe(room.topic())
      await peer.unsubscribe(room.topic())
      await peer.publish(room.topic(), 'x', { qos: 1 })
      assert.deepEqual(await peer.settled(), [])
    }
  },
  {
    clause: 'MQTT-3.10.4-3',
    title: 'a QoS 2 message that was on its way at UNSUBSCRIBE is completed',
    async check (room) {
      const peer = await room.client()
      await peer.subscribe(room.topic())
      await peer.publish(room.topic(), 'x', { qos: 2 })
      const message = await peer.message()
      await peer.unsubscribe(room.topic())
      await peer.acknowledge(message)
    }
  },
  ...([[1, 'PUBACK'], [2, 'PUBREC']] as const).map(([qos, name]): Clause => ({
    clause: qos === 1 ? '3.4.2.1' : '3.5.2.1',
    title: `${name} of a message that someone subscribed to: 0x00; that nobody did: 0x10 or 0x00`,
    async check (room) {
      const [publisher, subscriber] = [await room.client(), await room.client()]
      assert.ok([0, 0x10].includes(await publisher.publish(room.topic(), 'x', { qos })))
      await subscriber.subscribe(room.topic('+'))
      assert.equal(await publisher.publish(room.topic(), 'x', { qos }), 0)
    }
  })),
  {
    clause: '3.7.2.1 (should)',
    title: 'PUBCOMP of an unknown packet id says 0x92',
    async check (room) {
      const peer = await room.client()
      peer.send({ cmd: 'pubrel', messageId: 1234 })
      assert.equal((await peer.next('pubcomp', 1234)).reasonCode, 0x92)
    }
  },
  {
    clause: 'MQTT-4.3.3-11',
    title: 'a PUBREL that comes again is answered again',
    async check (room) {
      const peer = await room.client()
      await peer.publish(room.topic(), 'x', { qos: 2, messageId: 5 })
      peer.send({ cmd: 'pubrel', messageId: 5 })
      assert.ok([0, 0x92].includes((await peer.next('pubcomp', 5)).reasonCode ?? 0))
    }
  },
  {
    clause: '3.6.2.1',
    title: 'a PUBREC of an unknown packet id ends nothing',
    async check (room) {
      const peer = await room.client()
      peer.send({ cmd: 'pubrec', messageId: 1234 })
      await peer.settled()
    }
  },
  {
    clause: '3.4',
    title: 'a PUBACK or PUBCOMP of an unknown packet id ends nothing',
    async check (room) {
      const peer = await room.client()
      for (const cmd of ['puback', 'pubcomp'] as const) peer.send({ cmd, messageId: 1234 })
      await peer.settled()
    }
  },
  {
    clause: 'MQTT-3.14.1-1',
    title: 'DISCONNECT with flags is malformed, and the will is published',
    async check (room) {
      const witness = await room.client()
      await witness.subscribe(room.topic())
      const peer = await room.client('mortal', { will: { topic: room.topic(), payload: Buffer.from('will') } })
      peer.write(packet(0xe1, [0], properties()))
      const code = await peer.hungUp()
      assert.ok(code === undefined || code === 0x81)
      assert.deepEqual(payloads(await witness.messages(1)), ['will'])
    }
  },
  {
    clause: '3.14.2.1',
    title: 'DISCONNECT without a reason code is a normal one',
    async check (room) {
      const witness = await room.client()
      await witness.subscribe(room.topic())
      const peer = await room.client('mortal', { will: { topic: room.topic(), payload: Buffer.from('will') } })
      peer.write(packet(0xe0))
      await peer.hungUp()
      await witness.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await witness.through('last'), [])
    }
  },
  {
    clause: 'MQTT-3.14.2-2',
    title: 'DISCONNECT of the broker tells no Session Expiry Interval',
    async check (room) {
      const first = await room.kept('twice')
      await room.kept('twice')
      await first.hungUp()
      for (const packet of first.heard) if (packet.cmd === 'disconnect') assert.equal(packet.properties?.sessionExpiryInterval, undefined)
    }
  },
  {
    clause: 'MQTT-2.2.1-6',
    title: 'SUBACK and UNSUBACK have the packet id of what they answer',
    async check (room) {
      const peer = await room.client()
      for (const messageId of [1, 65_535]) {
        peer.write(subscribeBytes(messageId, [[room.topic(), 0]]))
        await peer.next('suback', messageId)
        peer.write(packet(0xa2, two(messageId), properties(), text(room.topic())))
        await peer.next('unsuback', messageId)
      }
    }
  }
]
