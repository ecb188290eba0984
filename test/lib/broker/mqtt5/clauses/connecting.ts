import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { connectBytes, four, packet, properties, publishBytes, text, two, userProperty } from '../../../../helpers/wire.ts'
import { assertCode, type Clause, type Room } from './clause.ts'

/** Write a CONNECT that is not as it should be: it is refused, and the connection closed. @param codes what a CONNACK may say */
async function isRefused (room: Room, bytes: Buffer, ...codes: number[]): Promise<void> {
  const peer = await room.socket()
  peer.write(bytes)
  assertCode(await peer.hungUp())
  for (const heard of peer.heard) {
    assert.equal(heard.cmd, 'connack') // [MQTT-3.14.0-1]
    if (heard.cmd === 'connack') assert.ok(codes.includes(heard.reasonCode!), `CONNACK 0x${heard.reasonCode?.toString(16)}`)
  }
}

const refusals: Array<[clause: string, title: string, bytes: (clientId: string) => Buffer, ...codes: number[]]> = [
  ['MQTT-3.1.2-3', 'a CONNECT with the reserved flag is malformed', id => connectBytes(id, { flags: 3 }), 0x81],
  ['MQTT-3.1.2-11', 'a CONNECT with a will QoS and no will is malformed', id => connectBytes(id, { flags: 0x0a }), 0x81],
  ['MQTT-3.1.2-13', 'a CONNECT with a will to be retained and no will is malformed', id => connectBytes(id, { flags: 0x22 }), 0x81],
  ['MQTT-3.1.3-4', 'a client id that is no UTF-8 is refused', () => packet(0x10, text('MQTT'), [5, 2, 0, 0], properties(), text([0xc3, 0x28])), 0x81, 0x85],
  ['3.1.2.11.2', 'a Session Expiry Interval given twice is a protocol error', id => connectBytes(id, { own: properties([0x11, ...four(1), 0x11, ...four(1)]) }), 0x82, 0x81],
  ['3.1.2.11.3', 'a Receive Maximum of 0 is a protocol error', id => connectBytes(id, { own: properties([0x21, 0, 0]) }), 0x82],
  ['3.1.2.11.4', 'a Maximum Packet Size of 0 is a protocol error', id => connectBytes(id, { own: properties([0x27, ...four(0)]) }), 0x82],
  ['3.1.2.11.7', 'a Request Problem Information of 2 is a protocol error', id => connectBytes(id, { own: properties([0x17, 2]) }), 0x82, 0x81],
  ['3.1.2.11.6', 'a Request Response Information of 2 is a protocol error', id => connectBytes(id, { own: properties([0x19, 2]) }), 0x82, 0x81],
  ['3.1.2.11.10', 'Authentication Data without a method is a protocol error', id => connectBytes(id, { own: properties([0x16], text('x')) }), 0x82],
  ['2.2.2.2', 'a property of another packet makes CONNECT malformed', id => connectBytes(id, { own: properties([0x23, 0, 1]) }), 0x81, 0x82],
  ['2.2.2.2', 'a property that does not exist makes CONNECT malformed', id => connectBytes(id, { own: properties([0x04, 0]) }), 0x81],
  ['2.2.2.1', 'properties that are longer than the packet are malformed', id => connectBytes(id, { own: [100] }), 0x81],
  ['MQTT-1.5.4-2', 'a user property with U+0000 is malformed', id => connectBytes(id, { own: properties(userProperty('a', '\0')) }), 0x81, 0x82]
]

export const connecting: Clause[] = [
  {
    clause: 'MQTT-3.1.4-5',
    title: 'CONNECT is answered with the CONNACK of MQTT 5, before anything else',
    async check (room) {
      const { heard } = await room.client()
      assert.equal(heard[0]!.cmd, 'connack') // [MQTT-3.2.0-1]
      assert.ok(heard[0]!.raw.length >= 5, 'with properties')
    }
  },
  {
    clause: 'MQTT-3.1.0-1',
    title: 'another first packet than CONNECT ends the connection',
    async check (room) {
      const peer = await room.socket()
      peer.send({ cmd: 'pingreq' })
      await peer.hungUp()
      assert.deepEqual(peer.heard, []) // [MQTT-3.14.0-1]
    }
  },
  {
    clause: 'MQTT-3.1.0-2',
    title: 'a second CONNECT ends the connection',
    async check (room) {
      const peer = await room.client()
      peer.write(connectBytes(room.clientId('again')))
      assertCode(await peer.hungUp(), 0x82)
    }
  },
  {
    clause: '4.13.1 (should)',
    title: 'a protocol error is told before the end, 0x82',
    async check (room) {
      const peer = await room.client()
      peer.write(connectBytes(room.clientId('again')))
      assert.equal(await peer.hungUp(), 0x82)
    }
  },
  {
    clause: '4.13.1 (should)',
    title: 'a malformed packet is told before the end, 0x81',
    async check (room) {
      const peer = await room.client()
      peer.write(publishBytes(room.topic(), { qos: 3 }))
      assert.equal(await peer.hungUp(), 0x81)
    }
  },
  {
    clause: 'MQTT-3.1.2-2',
    title: 'an unknown version is refused',
    async check (room) {
      const peer = await room.socket()
      peer.write(connectBytes(room.clientId('six'), { level: 6 }))
      await peer.hungUp()
      assert.ok(peer.heard.every(({ raw }) => raw[0] === 0x20 && (raw[3] === 0x84 || raw[3] === 1)))
    }
  },
  ...refusals.map(([clause, title, bytes, ...codes]): Clause => ({ clause, title, check: room => isRefused(room, bytes(room.clientId('refused')), ...codes) })),
  {
    clause: 'MQTT-3.1.3-6',
    title: 'a client without an id is given one, and no other client has it',
    async check (room) {
      const ids = [(await room.client('', { clientId: '' })).connack, (await room.client('', { clientId: '' })).connack].map(({ properties }) => properties?.assignedClientIdentifier)
      assert.ok(ids.every(id => typeof id === 'string' && id.length > 0), String(ids))
      assert.notEqual(ids[0], ids[1]) // [MQTT-3.2.2-16]
    }
  },
  {
    clause: 'MQTT-3.1.3-7',
    title: 'the id that was given is as if the client had come with it',
    async check (room) {
      const first = await room.client('', { clientId: '', properties: { sessionExpiryInterval: 60 } })
      const clientId = first.connack.properties!.assignedClientIdentifier!
      await first.subscribe(room.topic())
      await first.end()
      const again = await room.client('', { clientId, clean: false })
      assert.equal(again.connack.sessionPresent, true)
      assert.equal(again.connack.properties?.assignedClientIdentifier, undefined)
    }
  },
  {
    clause: 'MQTT-3.1.3-5',
    title: 'a client id of 23 letters and digits is allowed',
    check: async room => { await room.client('', { clientId: room.clientId('0123456789abcdefghijklm').slice(-23) }) }
  },
  {
    clause: '3.1.2.9',
    title: 'a password without a user name is well-formed',
    async check (room) {
      const peer = await room.socket()
      peer.write(packet(0x10, text('MQTT'), [5, 0x42, 0, 0], properties(), text(room.clientId('p')), text('secret')))
      assert.ok([0, 0x86, 0x87].includes((await peer.next('connack')).reasonCode!))
    }
  },
  {
    clause: 'MQTT-4.12.0-1',
    title: 'an authentication method that is not supported is refused with 0x8C',
    async check (room) {
      const peer = await room.socket()
      const { reasonCode, sessionPresent } = await peer.connect(room.clientId('sasl'), { properties: { authenticationMethod: 'NO-SUCH-METHOD' } })
      assert.ok(reasonCode === 0x8c || reasonCode === 0x87, `0x${reasonCode?.toString(16)}`)
      assert.equal(sessionPresent, false) // [MQTT-3.2.2-6]
      await peer.hungUp() // [MQTT-3.2.2-7]
    }
  },
  {
    clause: 'MQTT-4.12.0-7',
    title: 'AUTH from a client that named no method is a protocol error',
    async check (room) {
      const peer = await room.client()
      peer.write(packet(0xf0, [0x19], properties([0x15], text('x'))))
      assertCode(await peer.hungUp(), 0x82)
    }
  },
  {
    clause: 'MQTT-3.1.2-22',
    title: 'a client that is silent for one and a half times its keepalive is disconnected, and no earlier',
    async check (room) {
      const start = performance.now()
      const peer = await room.client('silent', { keepalive: 1 })
      const seconds = peer.connack.properties?.serverKeepAlive ?? 1
      assertCode(await peer.hungUp(), 0x8d)
      assert.ok(performance.now() - start >= seconds * 1_450)
    }
  },
  {
    clause: '4.13.1 (should)',
    title: 'a client is told that its keepalive ran out, 0x8D',
    check: async room => { assert.equal(await (await room.client('silent', { keepalive: 1 })).hungUp(), 0x8d) }
  },
  {
    clause: 'MQTT-3.2.2-22',
    title: 'a client that pings within its keepalive stays',
    async check (room) {
      const peer = await room.client('pings', { keepalive: 1 })
      for (let i = 0; i < 4; i++) {
        await pause(900)
        await peer.settled() // [MQTT-3.12.4-1]
      }
    }
  },
  {
    clause: 'MQTT-3.1.2-28',
    title: 'who does not ask for response information is given none',
    check: async room => { assert.equal((await room.client('', { properties: { requestResponseInformation: false } })).connack.properties?.responseInformation, undefined) }
  },
  {
    clause: 'MQTT-3.1.2-29',
    title: 'who wants no problem information is told codes alone',
    async check (room) {
      const peer = await room.client('terse', { properties: { requestProblemInformation: false } })
      peer.write(packet(0xa2, two(1), properties(), text(room.topic('none'))))
      peer.send({ cmd: 'publish', topic: room.topic('nobody'), payload: 'x', qos: 1, messageId: 2, dup: false, retain: false })
      peer.send({ cmd: 'pubrel', messageId: 77 })
      for (const cmd of ['unsuback', 'puback', 'pubcomp'] as const) assert.equal((await peer.next(cmd)).properties, undefined, cmd)
    }
  }
]
