import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import { openBroker } from '../../../helpers/broker.ts'
import { closing, once } from '../../../helpers/events.ts'
import { rawClient, rawSocket } from '../../../helpers/raw-client.ts'

for (const version of [4, 5]) {
  test(`a subscriber of MQTT ${version === 5 ? '5' : '3.1.1'} that sends nothing but PUBACK is no silent one`, async t => {
    const broker = await openBroker(t)
    const publisher = await broker.client()
    const socket = await rawClient(t, broker.port, 'quiet', { keepalive: 1, version })
    const packet = { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 1 }] } as Packet
    socket.write(generate(packet, { protocolVersion: version }))
    await once(socket, 'data')
    let got = 0
    // Each read is one PUBLISH: the next one is published once this is acknowledged.
    for (const begun = Date.now(); Date.now() - begun < 3_500;) {
      const [[bytes]] = await Promise.all([once(socket, 'data') as Promise<[Buffer]>, publisher.publishAsync('t', 'x', { qos: 1 })])
      got++
      socket.write(Buffer.from([0x40, 2, bytes[5]!, bytes[6]!]))
      await pause(300)
    }
    assert.ok(got >= 8, `${got} messages`)
    assert.equal(socket.readableEnded, false)
    assert.deepEqual(broker.events.filter(({ event }) => event === 'disconnected'), [])
  })
}

test('a PUBACK before CONNACK, and one behind DISCONNECT, end nothing but the connection', async t => {
  const broker = await openBroker(t)
  const puback = Buffer.from([0x40, 2, 0, 1])
  for (const protocolVersion of [4, 5]) {
    const connect = generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion, clientId: 'hasty', keepalive: 0, clean: true } as Packet)
    const socket = await rawSocket(t, broker.port)
    socket.resume().write(Buffer.concat([connect, puback, Buffer.from([0xe0, 0]), puback]))
    await closing(socket)
  }
  const client = await broker.client()
  await client.publishAsync('t', 'x', { qos: 1 })
})
