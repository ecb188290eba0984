import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import type { IPublishPacket } from 'mqtt-packet'
import { Sender } from '../../../../lib/broker/remote/sender.ts'
import { resolveRemoteOptions } from '../../../../lib/broker/remote/settings.ts'
import type { Delivered, OutgoingPublication } from '../../../../lib/broker/publication.ts'
import { Problems } from '../../../../lib/problems.ts'
import { until } from '../../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { remoteOptions } from '../../../helpers/remote-broker.ts'
import { scriptedBroker, type Peer } from '../../../helpers/scripted-broker.ts'
import { tcpProxy } from '../../../helpers/tcp-proxy.ts'

type Shown = [topic: string, alias: number | undefined, payload: string]

function open (t: TestContext, url: string, version: '5' | '3.1.1' = '5'): Sender {
  const sender = new Sender(resolveRemoteOptions(remoteOptions(url, { version })), new Problems(() => undefined), () => undefined)
  t.after(() => sender.close())
  return sender
}

/** @param silent whether it acknowledges nothing */
function welcome (peer: Peer, properties: object, silent = false): void {
  peer.on(({ cmd, messageId }) => {
    if (silent) return
    if (cmd === 'publish') peer.send({ cmd: 'puback', messageId, reasonCode: 0 })
  })
  peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0, ...peer.version === 5 ? { properties } : {} })
}

const out = (topic: string, payload: string, more: Partial<OutgoingPublication> = {}): OutgoingPublication => ({ topic, payload, qos: 1, retain: false, ...more })
const shown = (peer: Peer | undefined): Shown[] => (peer?.got ?? [])
  .filter((packet): packet is IPublishPacket => packet.cmd === 'publish')
  .map(({ topic, payload, properties }) => [topic, properties?.topicAlias, payload.toString()])

suite('topic aliases at a broker elsewhere', { concurrency: true }, () => {
  test('the first topics get as many as the broker understands, and a message that wants none has its whole topic', async t => {
    const broker = await scriptedBroker(t, () => undefined, peer => { welcome(peer, { topicAliasMaximum: 2 }) })
    const to = open(t, broker.url)
    await Promise.all([out('a', '1'), out('a', '2', { noAlias: true }), out('b', '3', { noAlias: true }), out('c', '4'), out('d', '5'), out('a', '6'), out('c', '7'), out('d', '8')].map(each => to.publish(each)))
    assert.deepEqual(shown(broker.senders[0]), [['a', 1, '1'], ['a', undefined, '2'], ['b', undefined, '3'], ['c', 2, '4'], ['d', undefined, '5'], ['', 1, '6'], ['', 2, '7'], ['d', undefined, '8']])
  })

  for (const { what, properties, version } of [
    { what: 'a broker that allows none', properties: {}, version: '5' },
    { what: 'MQTT 3.1.1', properties: { topicAliasMaximum: 2 }, version: '3.1.1' }
  ] as const) {
    test(`there are none with ${what}`, async t => {
      const broker = await scriptedBroker(t, () => undefined, peer => { welcome(peer, properties) })
      const to = open(t, broker.url, version)
      await Promise.all([to.publish(out('a', '1')), to.publish(out('a', '2'))])
      assert.deepEqual(shown(broker.senders[0]), [['a', undefined, '1'], ['a', undefined, '2']])
    })
  }

  test('a new connection knows none, and what is sent again has its topic', async t => {
    const broker = await scriptedBroker(t, () => undefined, (peer, before) => { welcome(peer, { topicAliasMaximum: 5 }, before === 0) })
    const to = open(t, broker.url)
    const published = [out('a', '1'), out('b', '2'), out('b', '3')].map(each => to.publish(each))
    await until(() => shown(broker.senders[0]).length, length => length === 3)
    broker.senders[0]?.socket.destroy()
    await Promise.all([...published, to.publish(out('b', '4'))])
    assert.deepEqual(shown(broker.senders[0]), [['a', 1, '1'], ['b', 2, '2'], ['', 2, '3']])
    assert.deepEqual(shown(broker.senders[1]), [['a', 1, '1'], ['b', 2, '2'], ['', 2, '3'], ['', 2, '4']])
  })

  test('none makes a packet larger than the broker takes, and whether a message fits does not depend on those before it', async t => {
    const broker = await scriptedBroker(t, () => undefined, peer => { welcome(peer, { topicAliasMaximum: 5, maximumPacketSize: 40 }) })
    const to = open(t, broker.url)
    // A topic of 10 bytes, and 7 bytes beside it and the payload.
    const topic = 'x'.repeat(10)
    const full = 'y'.repeat(23)
    await to.publish(out(topic, full))
    await to.publish(out(topic, 'short'))
    await to.publish(out(topic, 'short'))
    await assert.rejects(to.publish(out(topic, `${full}y`)), { code: 'PUBLISH_FAILED', message: /packets of up to 40 bytes, and this one has 41/ })
    assert.deepEqual(shown(broker.senders[0]), [[topic, undefined, full], [topic, 1, 'short'], ['', 1, 'short']])
  })

  test('Mosquitto gives the messages to its subscribers on their topics, with every QoS, and fewer bytes pass', { skip: withoutMosquitto }, async t => {
    const mosquitto = await openMosquitto(t)
    const proxy = await tcpProxy(t, mosquitto.port)
    let bytes = 0
    proxy.request = (chunk, server) => {
      bytes += chunk.length
      server.write(chunk)
    }
    const reader = open(t, `mqtt://127.0.0.1:${mosquitto.port}`)
    const got: Delivered[] = []
    reader.subscribe('out/#', delivered => { got.push(delivered) })
    await until(async () => {
      await reader.publish(out('out/first', ''))
      return got.length
    }, length => length > 0)
    const to = open(t, `mqtt://127.0.0.1:${proxy.port}`)
    const topics = ['a', 'b', 'c'].map(name => `out/${name.repeat(200)}`)
    const sent: Record<string, number> = {}
    for (const noAlias of [true, false]) {
      got.length = bytes = 0
      const messages = topics.flatMap(topic => ([0, 1, 2] as const).flatMap(qos => [1, 2, 3].map(i => out(topic, `${qos} ${i}`, { qos, noAlias }))))
      await Promise.all(messages.map(each => to.publish(each)))
      await until(() => got.length, length => length === messages.length)
      for (const topic of topics) {
        const of = (from: Array<{ topic: string, payload: string | Buffer }>): string[] => from.filter(each => each.topic === topic).map(({ payload }) => payload.toString()).sort()
        assert.deepEqual(of(got), of(messages))
      }
      sent[String(noAlias)] = bytes
    }
    assert.ok((sent['false'] as number) < (sent['true'] as number) / 3, JSON.stringify(sent))
  })
})
