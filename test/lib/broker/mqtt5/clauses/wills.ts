import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { Peer } from '../../../../helpers/peer.ts'
import { packet, properties, text, userPropertiesOf, userProperty } from '../../../../helpers/wire.ts'
import type { Clause, ClientOptions, Room } from './clause.ts'

type WillProperties = NonNullable<NonNullable<ClientOptions['will']>['properties']>

const will = (room: Room, own: WillProperties = {}, more: object = {}) => ({ topic: room.topic(), payload: Buffer.from('will'), qos: 1 as const, retain: false, properties: own, ...more })

async function witnessOf (room: Room): Promise<Peer> {
  const witness = await room.client('witness')
  await witness.subscribe({ topic: room.topic(), qos: 2, rap: true })
  return witness
}

/** How long the will took, in ms, counted from now. */
async function timeOf (witness: Peer): Promise<number> {
  const start = performance.now()
  assert.equal(String((await witness.message()).payload), 'will')
  return performance.now() - start
}

export const wills: Clause[] = [
  {
    clause: 'MQTT-3.1.2-8',
    title: 'a client that is cut off has its will published',
    async check (room) {
      const witness = await witnessOf(room)
      const peer = await room.client('mortal', { will: will(room) })
      peer.cut()
      await timeOf(witness)
    }
  },
  {
    clause: 'MQTT-3.14.4-3',
    title: 'a client that says DISCONNECT has not',
    async check (room) {
      const witness = await witnessOf(room)
      await (await room.client('mortal', { will: will(room) })).end()
      await witness.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await witness.through('last'), [])
    }
  },
  {
    clause: '3.14.2.1',
    title: 'unless it says DISCONNECT 0x04',
    async check (room) {
      const witness = await witnessOf(room)
      await (await room.client('mortal', { will: will(room) })).end(4)
      await timeOf(witness)
    }
  },
  {
    clause: 'MQTT-3.1.2-8',
    title: 'a client whose keepalive ran out has its will published',
    async check (room) {
      const witness = await witnessOf(room)
      await room.client('mortal', { keepalive: 1, will: will(room) })
      await timeOf(witness)
    }
  },
  {
    clause: 'MQTT-3.1.2-8',
    title: 'a client that is cut off for a protocol error has its will published',
    async check (room) {
      const witness = await witnessOf(room)
      const peer = await room.client('mortal', { will: will(room) })
      peer.write(Buffer.from([0x10, 0]))
      await timeOf(witness)
    }
  },
  ...[false, true].map((retain): Clause => ({
    clause: retain ? 'MQTT-3.1.2-15' : 'MQTT-3.1.2-14',
    title: retain ? 'a will that is to be retained is' : 'a will that is not to be retained is not',
    async check (room) {
      const witness = await witnessOf(room)
      const peer = await room.client('mortal', { will: will(room, {}, { retain }) })
      peer.cut()
      assert.equal((await witness.message()).retain, retain)
      const late = await room.client()
      await late.subscribe(room.topic())
      assert.equal((await late.settled()).length, retain ? 1 : 0)
    }
  })),
  {
    clause: '3.1.3.2',
    title: 'the properties of a will are those of its message',
    async check (room) {
      const witness = await witnessOf(room)
      const own = { payloadFormatIndicator: true, contentType: 'text/plain', responseTopic: room.topic('answers'), correlationData: Buffer.from([0, 1, 255]) }
      const peer = await room.client('mortal', { will: will(room, { ...own, messageExpiryInterval: 100 }) })
      peer.cut()
      const { messageExpiryInterval, ...came } = (await witness.message()).properties!
      assert.deepEqual({ ...came }, own)
      assert.ok(messageExpiryInterval === 100 || messageExpiryInterval === 99)
    }
  },
  {
    clause: 'MQTT-3.1.3-10',
    title: 'the user properties of a will keep their order',
    async check (room) {
      const pairs = [['b', '1'], ['a', '2'], ['b', '3']] as const
      const witness = await witnessOf(room)
      const peer = await room.socket()
      peer.write(packet(0x10, text('MQTT'), [5, 0x06, 0, 0], properties(), text(room.clientId('mortal')), properties(...pairs.map(([name, value]) => userProperty(name, value))), text(room.topic()), text('will')))
      await peer.next('connack')
      peer.cut()
      assert.deepEqual(userPropertiesOf((await witness.message()).raw), pairs)
    }
  },
  {
    clause: '3.1.3.2.2',
    title: 'a will is published when its delay has passed, and no earlier',
    async check (room) {
      const witness = await witnessOf(room)
      const peer = await room.client('mortal', { properties: { sessionExpiryInterval: 60 }, will: will(room, { willDelayInterval: 2 }) })
      peer.cut()
      const ms = await timeOf(witness)
      assert.ok(ms > 1_900 && ms < 4_500, `${ms} ms`)
    }
  },
  {
    clause: '3.1.3.2.2',
    title: 'a will is published when the session ends, if that is earlier',
    async check (room) {
      const witness = await witnessOf(room)
      const peer = await room.client('mortal', { properties: { sessionExpiryInterval: 1 }, will: will(room, { willDelayInterval: 60 }) })
      peer.cut()
      const ms = await timeOf(witness)
      assert.ok(ms > 900 && ms < 4_500, `${ms} ms`)
    }
  },
  {
    clause: '3.1.3.2.2',
    title: 'a delay does not hold back the will of a session that ends with its connection',
    async check (room) {
      const witness = await witnessOf(room)
      const peer = await room.client('mortal', { will: will(room, { willDelayInterval: 60 }) })
      peer.cut()
      await timeOf(witness)
    }
  },
  {
    clause: 'MQTT-3.1.3-9',
    title: 'a client that is back within the delay has no will published',
    async check (room) {
      const witness = await witnessOf(room)
      const options = { clean: false, properties: { sessionExpiryInterval: 60 } }
      const peer = await room.client('mortal', { ...options, will: will(room, { willDelayInterval: 1 }) })
      peer.cut()
      const again = await room.client('mortal', options)
      await pause(2_500)
      await again.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await witness.through('last'), [])
    }
  },
  {
    clause: '3.1.4',
    title: 'a client that takes over with Clean Start 0 stops a delayed will',
    async check (room) {
      const witness = await witnessOf(room)
      const options = { clean: false, properties: { sessionExpiryInterval: 60 } }
      const first = await room.client('mortal', { ...options, will: will(room, { willDelayInterval: 1 }) })
      const second = await room.client('mortal', options)
      await first.hungUp()
      await pause(2_500)
      await second.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await witness.through('last'), [])
    }
  },
  {
    clause: '3.1.4',
    title: 'a client that takes over with Clean Start 1 ends the session, and so sends its will, whatever the delay',
    async check (room) {
      const witness = await witnessOf(room)
      await room.client('mortal', { clean: false, properties: { sessionExpiryInterval: 60 }, will: will(room, { willDelayInterval: 60 }) })
      await room.client('mortal')
      await timeOf(witness)
    }
  },
  {
    clause: '3.1.2.5',
    title: 'a client that comes back with Clean Start 1 within the delay ended the session, and so sends its will',
    async check (room) {
      const witness = await witnessOf(room)
      const first = await room.client('mortal', { clean: false, properties: { sessionExpiryInterval: 60 }, will: will(room, { willDelayInterval: 60 }) })
      first.cut()
      await pause(200)
      await room.client('mortal')
      await timeOf(witness)
    }
  },
  {
    clause: 'MQTT-3.1.2-10',
    title: 'a will is published once',
    async check (room) {
      const witness = await witnessOf(room)
      const first = await room.client('mortal', { will: will(room) })
      first.cut()
      await timeOf(witness)
      const second = await room.client('mortal')
      second.cut()
      const third = await room.client('mortal')
      await third.publish(room.topic(), 'last', { qos: 1 })
      assert.deepEqual(await witness.through('last'), [])
    }
  },
  {
    clause: 'MQTT-3.1.2-9',
    title: 'a will without its properties makes CONNECT malformed',
    async check (room) {
      const peer = await room.socket()
      peer.write(packet(0x10, text('MQTT'), [5, 0x06, 0, 0], properties(), text(room.clientId('mortal'))))
      await peer.hungUp()
      assert.ok(peer.heard.every(({ raw }) => raw[3]! >= 0x80))
    }
  }
]
