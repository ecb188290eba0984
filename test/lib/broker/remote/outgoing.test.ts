import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { parser, type IConnackPacket, type IPublishPacket, type Packet } from 'mqtt-packet'
import { encodeProperties } from '../../../../lib/mqtt/message-properties.ts'
import { Outgoing } from '../../../../lib/broker/remote/outgoing.ts'
import { publishPackets, sizeOf, type Outbound } from '../../../../lib/mqtt/link/publish-packet.ts'
import { Sender } from '../../../../lib/broker/remote/sender.ts'
import { resolveRemoteOptions } from '../../../../lib/broker/remote/settings.ts'
import { Problems } from '../../../../lib/problems.ts'
import { until } from '../../../helpers/events.ts'
import { remoteOptions } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker, type Peer } from '../../../helpers/scripted-broker.ts'

/** Lets the client in, and does nothing else. */
function welcome (peer: Peer, properties: object = {}): void {
  peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0, ...peer.version === 5 ? { properties } : {} })
}

function sender (t: TestContext, url: string, version: '5' | '3.1.1' = '5'): Sender {
  const sender = new Sender(resolveRemoteOptions(remoteOptions(url, { version })), new Problems(() => undefined), () => undefined)
  t.after(() => sender.close())
  return sender
}

const publish = (to: Sender, i: number | string, more: { topic?: string, qos?: 0 | 1 | 2, retain?: boolean } = {}): Promise<void> => to.publish({ topic: 'out', payload: String(i), qos: 1, retain: false, ...more })
const publishes = (peer: Peer | undefined): IPublishPacket[] => (peer?.got ?? []).filter(packet => packet.cmd === 'publish')
const payloads = (peer: Peer | undefined): string[] => publishes(peer).map(({ payload }) => String(payload))
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

test('packets are what mqtt-packet reads, at every length of their length', () => {
  for (const version of [4, 5] as const) {
    for (const length of [0, 1, 100, 127, 128, 16_370, 16_384, 2_097_140, 2_097_152]) {
      for (const payload of ['x'.repeat(length), Buffer.alloc(length, 'y'), 'ñ'.repeat(Math.floor(length / 2))]) {
        const message = (i: 0 | 1 | 2): Outbound => ({ topic: 'tópico/a', payload, qos: i, retain: i === 1, topicBytes: 9, payloadBytes: Buffer.byteLength(payload), packetId: 60_000 - i, again: i === 2 })
        const messages = ([0, 1, 2] as const).map(message)
        const read: Packet[] = []
        const packets = parser({ protocolVersion: version })
        packets.on('packet', packet => { read.push(packet) })
        packets.parse(publishPackets(messages, messages.reduce((sum, each) => sum + sizeOf(each, version), 0), version))
        assert.equal(read.length, 3)
        read.forEach((packet, i) => {
          assert.ok(packet.cmd === 'publish')
          assert.deepEqual([packet.topic, packet.qos, packet.retain, packet.dup, packet.messageId], ['tópico/a', i, i === 1, i === 2, i === 0 ? undefined : 60_000 - i])
          assert.ok(Buffer.from(payload).equals(packet.payload as Buffer))
        })
      }
    }
  }
})

test('properties are what mqtt-packet reads, at every length of their length, and 3.1.1 has none', () => {
  for (const length of [1, 90, 200, 16_500]) {
    const given = { contentType: 'text/plain', responseTopic: 'ñ', userProperties: [['a', 'x'.repeat(length)], ['a', '2']] as Array<[string, string]> }
    const message: Outbound = { topic: 'a', payload: 'b', qos: 1, retain: false, topicBytes: 1, payloadBytes: 1, properties: encodeProperties(given), expiry: 60, packetId: 7, again: false }
    for (const version of [4, 5] as const) {
      const read: Packet[] = []
      const packets = parser({ protocolVersion: version })
      packets.on('packet', packet => { read.push(packet) })
      packets.parse(publishPackets([message, message], 2 * sizeOf(message, version), version))
      assert.equal(read.length, 2)
      for (const packet of read) {
        assert.ok(packet.cmd === 'publish')
        assert.deepEqual([packet.topic, packet.payload.toString(), packet.messageId], ['a', 'b', 7])
        const { userProperties, ...others } = packet.properties ?? {}
        assert.deepEqual(others, version === 5 ? { contentType: 'text/plain', responseTopic: 'ñ', messageExpiryInterval: 60 } : {})
        assert.deepEqual({ ...userProperties }, version === 5 ? { a: ['x'.repeat(length), '2'] } : {})
      }
    }
  }
})

test('while the broker is away, the time goes by for which a message is worth delivering', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  const outgoing = new Outgoing()
  const add = (payload: string, messageExpiry: number): Promise<void> => outgoing.add({ topic: 'a', payload, qos: 1, retain: false, properties: { messageExpiry } })
  const [short, long, unsent] = [add('short', 10), add('long', 60), add('unsent', 60)]
  const lost = Promise.all([short, unsent].map(each => assert.rejects(each, /It expired before the broker could be given it\./)))
  const connect = async (properties: object): Promise<Array<[payload: string, expiry: number | undefined]>> => {
    const read: Array<[string, number | undefined]> = []
    const packets = parser({ protocolVersion: 5 })
    packets.on('packet', packet => { if (packet.cmd === 'publish') read.push([packet.payload.toString(), packet.properties?.messageExpiryInterval]) })
    outgoing.connected({ write: bytes => packets.parse(bytes) === 0, release: () => undefined }, 5, { cmd: 'connack', sessionPresent: false, properties } as IConnackPacket)
    await until(() => read.length, length => length > 0)
    return read
  }
  t.mock.timers.tick(10_500)
  assert.deepEqual(await connect({ receiveMaximum: 1 }), [['long', 50]])
  outgoing.disconnected(false)
  t.mock.timers.tick(50_000)
  assert.deepEqual(await connect({}), [['long', 1]], 'what the broker may have taken has to come to its end')
  outgoing.acknowledged(1)
  await Promise.all([long, lost])
  outgoing.close()
})

suite('what is published at a broker elsewhere', { concurrency: true }, () => {
  for (const version of ['5', '3.1.1'] as const) {
    test(`properties go out with MQTT 5, and not with 3.1.1: ${version}`, async t => {
      const broker = await scriptedBroker(t, () => undefined, peer => {
        peer.on(packet => { if (packet.cmd === 'publish') peer.send({ cmd: 'puback', messageId: packet.messageId, reasonCode: 0 }) })
        welcome(peer)
      })
      const to = sender(t, broker.url, version)
      await to.publish({ topic: 'out', payload: '{}', qos: 1, retain: false, properties: { contentType: 'application/json', isText: true, messageExpiry: 30, correlationData: Buffer.of(1, 2) } })
      const [packet] = publishes(broker.senders[0])
      assert.deepEqual({ ...packet?.properties }, version === '5'
        ? { contentType: 'application/json', payloadFormatIndicator: true, messageExpiryInterval: 30, correlationData: Buffer.of(1, 2) }
        : {})
    })
  }

  test('no more is unacknowledged than the broker wants, and the order is kept', async t => {
    let most = 0
    const broker = await scriptedBroker(t, () => undefined, peer => {
      let open: number[] = []
      peer.on(packet => {
        if (packet.cmd !== 'publish') return
        open.push(packet.messageId as number)
        most = Math.max(most, open.length)
        if (open.length < 3 && packet.payload.toString() !== '19') return
        // Whatever comes while these wait would be too much.
        setTimeout(() => {
          for (const messageId of open.splice(0)) peer.send({ cmd: 'puback', messageId, reasonCode: 0 })
        }, 20)
        open = [...open]
      })
      welcome(peer, { receiveMaximum: 3 })
    })
    const to = sender(t, broker.url)
    await Promise.all(upTo(20).map(i => publish(to, i)))
    assert.equal(most, 3)
    assert.deepEqual(payloads(broker.senders[0]), upTo(20).map(String))
  })

  test('what a broker would hang up on is not sent, and what is behind it is', async t => {
    const broker = await scriptedBroker(t, () => undefined, peer => {
      peer.on(packet => { if (packet.cmd === 'publish') peer.send({ cmd: 'puback', messageId: packet.messageId, reasonCode: packet.topic === 'quota' ? 0x97 : 0x10 }) })
      welcome(peer, { maximumPacketSize: 100, maximumQoS: 1, retainAvailable: false })
    })
    const to = sender(t, broker.url)
    const failing: Array<[Promise<void>, RegExp]> = [
      [publish(to, 'x'.repeat(101)), /The broker takes packets of up to 100 bytes, and this one has 111\./],
      [publish(to, 'x', { qos: 2 }), /The broker takes no more than QoS 1\./],
      [publish(to, 'x', { retain: true }), /The broker retains no messages\./],
      [publish(to, 'x', { topic: 'quota' }), /The broker did not take it, with code 151\./],
      [publish(to, 'x', { topic: 'x'.repeat(65_536) }), /A topic has 1 to 65,535 bytes, and not 65536\./],
      [publish(to, 'x', { topic: '' }), /A topic has 1 to 65,535 bytes, and not 0\./]
    ]
    await Promise.all([...failing.map(([published, message]) => assert.rejects(published, { code: 'PUBLISH_FAILED', message })), publish(to, 'fine')])
    assert.deepEqual(payloads(broker.senders[0]), ['x', 'fine'])
    assert.equal(to.counters.delivered, 1)
  })

  for (const version of ['5', '3.1.1'] as const) {
    test(`what was not acknowledged comes again on the next connection, as such and before all others, MQTT ${version}`, async t => {
      const broker = await scriptedBroker(t, () => undefined, (peer, before) => {
        if (before > 0) {
          answers(peer)
          peer.on(({ cmd, messageId }) => { if (cmd === 'pubrel') peer.send({ cmd: 'pubcomp', messageId, reasonCode: version === '5' ? 0x92 : 0 }) })
          return
        }
        peer.on(({ cmd, messageId }) => {
          if (cmd === 'publish' && messageId === 2) peer.send({ cmd: 'pubrec', messageId, reasonCode: 0 })
          if (cmd === 'pubrel') peer.socket.destroy()
        })
        welcome(peer)
      })
      const to = sender(t, broker.url, version)
      const first = [publish(to, 'a'), publish(to, 'b', { qos: 2 }), publish(to, 'c')]
      await until(() => broker.senders.length, length => length === 2)
      await Promise.all([...first, publish(to, 'd')])
      const second = broker.senders[1]?.got.flatMap(packet => packet.cmd === 'publish' ? [`${String(packet.payload)} ${packet.messageId} ${packet.dup}`] : packet.cmd === 'pubrel' ? [`pubrel ${packet.messageId}`] : [])
      assert.deepEqual(second, ['a 1 true', 'pubrel 2', 'c 3 true', 'd 4 false'])
    })

    test(`a message that the broker hangs up on is given up, and those around it arrive once, MQTT ${version}`, async t => {
      const taken: string[] = []
      const broker = await scriptedBroker(t, () => undefined, peer => {
        let isOver = false
        peer.on(packet => {
          if (packet.cmd !== 'publish' || isOver) return
          isOver = packet.topic === 'bad'
          // DISCONNECT: topic name invalid; MQTT 3.1.1 has no word for it.
          if (isOver) return void peer.socket.end(Buffer.from(version === '5' ? 'e0029000' : '', 'hex'))
          taken.push(String(packet.payload))
          peer.send({ cmd: 'puback', messageId: packet.messageId, reasonCode: 0 })
        })
        welcome(peer)
      })
      const to = sender(t, broker.url, version)
      const bad = assert.rejects(publish(to, 'x', { topic: 'bad' }), { code: 'PUBLISH_FAILED', message: /each time that it was given a message on "bad"/ })
      await Promise.all([bad, ...upTo(10).map(i => publish(to, i))])
      assert.deepEqual(taken, upTo(10).map(String))
      assert.equal(broker.senders.length, 5)
    })
  }

  test('QoS 0 is not counted against the window, and QoS 2 is taken once', async t => {
    const broker = await scriptedBroker(t, () => undefined, peer => {
      peer.on(({ cmd, messageId }) => {
        if (cmd === 'pubrel') peer.send({ cmd: 'pubcomp', messageId })
        // Twice, as if it had not heard the answer.
        if (cmd === 'publish' && messageId !== undefined) for (let i = 0; i < 2; i++) peer.send({ cmd: 'pubrec', messageId, reasonCode: 0 })
      })
      welcome(peer, { receiveMaximum: 1 })
    })
    const to = sender(t, broker.url)
    await Promise.all([publish(to, 0, { qos: 2 }), publish(to, 1, { qos: 0 }), publish(to, 2, { qos: 0 }), publish(to, 3, { qos: 2 })])
    assert.deepEqual(payloads(broker.senders[0]), ['0', '1', '2', '3'])
    assert.equal(to.counters.delivered, 4)
  })

  test('too much is refused, and what is left at the end failed', async t => {
    const broker = await scriptedBroker(t, () => undefined, peer => { welcome(peer, { receiveMaximum: 10 }) })
    const to = sender(t, broker.url)
    const ends = Promise.allSettled(upTo(10_000).map(i => publish(to, i)))
    await assert.rejects(publish(to, 'x'), { code: 'PUBLISH_FAILED', message: /10000 messages wait for the broker already/ })
    await until(() => publishes(broker.senders[0]).length, length => length === 10)
    await to.close()
    assert.deepEqual(new Set((await ends).map(({ status }) => status)), new Set(['rejected']))
    await assert.rejects(publish(to, 'x'), { code: 'PUBLISH_FAILED', message: /The broker is closed/ })
    assert.equal(publishes(broker.senders[0]).length, 10)
  })

  test('a broker that does not read is not written to without end, and gets all of it once it reads', async t => {
    const broker = await scriptedBroker(t, () => undefined, peer => {
      answers(peer)
      peer.socket.pause()
    })
    const to = sender(t, broker.url)
    await until(() => broker.senders.length, length => length === 1)
    const ends = Promise.all(upTo(15).map(i => publish(to, `${i} ${'x'.repeat(1_000_000)}`)))
    broker.senders[0]?.socket.resume()
    await ends
    assert.deepEqual(payloads(broker.senders[0]).map(payload => parseInt(payload)), upTo(15))
  })
})

test('a broker that acknowledges nothing is left for the next address', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const silent = await scriptedBroker(t, () => undefined, peer => { welcome(peer) })
  const other = await scriptedBroker(t, () => undefined)
  const to = sender(t, `${silent.url} ${other.url}`)
  const published = publish(to, 'x')
  await until(() => publishes(silent.senders[0]).length, length => length === 1)
  t.mock.timers.tick(30_000)
  t.mock.timers.tick(30_000)
  await published
  assert.deepEqual(payloads(other.senders[0]), ['x'])
})

test('large messages to this process are stepped over and counted', async t => {
  const broker = await scriptedBroker(t, () => undefined, peer => {
    answers(peer)
    peer.on(({ cmd }) => {
      if (cmd !== 'subscribe') return
      for (const length of [2_200_000, 2]) peer.send({ cmd: 'publish', topic: 'in', payload: Buffer.alloc(length), qos: 1, messageId: length % 100 + 1, dup: false, retain: false, ...peer.version === 5 ? { properties: {} } : {} })
    })
  })
  const to = sender(t, broker.url)
  const got: number[] = []
  to.subscribe('in', ({ payload }) => { got.push(payload.length) })
  await until(() => (broker.senders[0]?.got ?? []).flatMap(packet => packet.cmd === 'puback' ? [packet.messageId] : []), ids => ids.length === 2)
  assert.deepEqual(got, [2])
  assert.equal(to.counters.tooLarge, 1)
})
