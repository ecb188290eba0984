import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import type { MqttClient } from 'mqtt'
import { WebSocketServer } from 'ws'
import { connectGuarded } from '../../../../lib/mqtt/link/mqtt-guard.ts'
import type { Oversized } from '../../../../lib/mqtt/link/packet-limit.ts'
import { once, until } from '../../../helpers/events.ts'
import { answers, scriptedBroker, type Peer } from '../../../helpers/scripted-broker.ts'

const largest = 100_000

interface Guarded { client: MqttClient, errors: Error[], got: string[], steppedOver: Oversized[] }

function guarded (t: TestContext, url: string): Guarded {
  const steppedOver: Oversized[] = []
  const client = connectGuarded(url, { reconnectPeriod: 100 }, { largest, steppedOver: packet => { steppedOver.push(packet) } })
  t.after(() => { client.end(true) })
  const errors: Error[] = []
  const got: string[] = []
  client.on('error', error => { errors.push(error) }).on('message', (topic, payload) => { got.push(`${topic} ${payload.length}`) })
  return { client, errors, got, steppedOver }
}

const message = (messageId: number, length: number, qos: 0 | 1 | 2 = 1): object => ({ cmd: 'publish', topic: 'a', payload: Buffer.alloc(length), qos, messageId, dup: false, retain: false })
const acknowledged = (peer: Peer | undefined): string[] => (peer?.got ?? []).flatMap(({ cmd, messageId }) => ['puback', 'pubrec', 'pubcomp'].includes(cmd) ? [`${cmd} ${messageId}`] : [])

suite('MQTT.js with a broker that sends too much', { concurrency: true }, () => {
  test('a message that is too large is stepped over and acknowledged in every quality, on later connections too, and those around it arrive', async t => {
    const broker = await scriptedBroker(t, peer => {
      answers(peer)
      peer.on(({ cmd, messageId }) => { if (cmd === 'pubrec') peer.send({ cmd: 'pubrel', messageId }) })
      for (const [id, length, qos] of [[1, 1, 1], [2, 200_000, 1], [3, 2, 1], [4, 200_000, 2], [5, 200_000, 0], [6, 3, 2]] as const) peer.send(message(id, length, qos))
    })
    const { client, errors, got, steppedOver } = guarded(t, broker.url)
    const all = ['puback 1', 'puback 2', 'puback 3', 'pubcomp 4', 'pubcomp 6', 'pubrec 4', 'pubrec 6']
    for (const connection of [0, 1]) {
      await until(() => acknowledged(broker.consumers[connection]), each => each.length === all.length)
      assert.deepEqual(acknowledged(broker.consumers[connection]).sort(), all)
      if (connection === 0) broker.consumers[0]?.socket.destroy()
    }
    assert.deepEqual(got, ['a 1', 'a 2', 'a 3', 'a 1', 'a 2', 'a 3'])
    assert.deepEqual(steppedOver.slice(0, 3), [[2, 1], [4, 2], [0, 0]].map(([packetId, qos]) => ({ topic: 'a', qos, packetId, bytes: qos === 0 ? 200_007 : 200_009 })))
    assert.equal(client.connected, true)
    assert.deepEqual(errors, [])
  })

  test('a message of QoS 0 that there was no room for when the connection broke waits for ever no longer', async t => {
    const broker = await scriptedBroker(t, (peer, before) => {
      answers(peer)
      if (before === 0) peer.socket.pause()
    })
    const { client } = guarded(t, broker.url)
    await until(() => client.connected, Boolean)
    const sent = Promise.all(Array.from({ length: 10 }, () => client.publishAsync('a', Buffer.alloc(1_000_000), { qos: 0 })))
    broker.consumers[0]?.socket.destroy()
    await sent
  })

  for (const [what, bytes] of [['a SUBACK of 256 MB', '90ffffff7f'], ['a length that never ends', '30ffffffffff']] as const) {
    test(`${what} ends the connection before it is gathered, and says so`, async t => {
      const broker = await scriptedBroker(t, (peer, before) => {
        answers(peer)
        if (before === 0) peer.socket.write(Buffer.from(bytes, 'hex'))
      })
      const { client, errors } = guarded(t, broker.url)
      await until(() => broker.consumers.length === 2 && client.connected, is => is)
      assert.match(errors[0]?.message ?? '', /^the broker sent /)
    })
  }

  test('what is left without PUBREL is bounded', async t => {
    const broker = await scriptedBroker(t, (peer, before) => {
      answers(peer, { sessionPresent: false })
      if (before === 0) for (let i = 1; i <= 2_000; i++) peer.send(message(i, 10, 2))
    })
    const { client, errors, got } = guarded(t, broker.url)
    await until(() => broker.consumers.length === 2 && client.connected, is => is)
    assert.equal(errors[0]?.message, 'the broker sends messages of QoS 2 and never releases them')
    assert.deepEqual(got, [])
  })

  test('a WebSocket gathers no frame that is far larger than a packet, and unfolds none', async t => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true })
    t.after(() => {
      for (const socket of server.clients) socket.terminate()
      server.close()
    })
    await once(server, 'listening')
    const extensions: string[] = []
    server.on('connection', socket => {
      extensions.push(socket.extensions)
      socket.on('error', () => undefined)
      socket.once('message', () => {
        socket.send(Buffer.from('20020000', 'hex'))
        if (extensions.length === 1) socket.send(Buffer.alloc(largest * 8 + 1))
      })
    })
    const { client, errors } = guarded(t, `ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    await until(() => extensions.length === 2 && client.connected, is => is)
    assert.match(errors[0]?.message ?? '', /Max payload size exceeded/)
    assert.deepEqual(extensions, ['', ''])
  })
})
