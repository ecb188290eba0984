import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { connectAsync } from 'mqtt'
import type { Delivered } from '../../../../lib/broker/publication.ts'
import { attachBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, openIntake } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker } from '../../../helpers/scripted-broker.ts'

suite('publishing at a broker elsewhere, and receiving', { skip: withoutMosquitto }, () => {
  for (const version of ['5', '3.1.1'] as const) {
    test(`a thousand messages at once, MQTT ${version}`, async t => {
      const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version }))
      await remote.connected()
      const got: Delivered[] = []
      const end = remote.place.subscribe('out/#', delivered => { got.push(delivered) })
      await until(async () => {
        await remote.place.publish({ topic: 'out/first', payload: 'x', qos: 0, retain: false })
        return got.length
      }, length => length > 0)
      got.length = 0
      await Promise.all(Array.from({ length: 1000 }, (_, i) => remote.place.publish({ topic: 'out/all', payload: String(i), qos: 1, retain: false })))
      await until(() => got.filter(({ topic }) => topic === 'out/all').length, count => count === 1000)
      assert.deepEqual(remote.problems, [])
      end()
      await remote.place.publish({ topic: 'out/last', payload: '', qos: 1, retain: false })
      assert.ok(!got.some(({ topic }) => topic === 'out/last'))
    })
  }

  test('with MQTT 5 each subscriber of this process gets a message once, whatever others subscribe to, and what was retained not again', async t => {
    const { port } = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version: '5' }))
    await remote.connected()
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
    t.after(() => { client.end(true) })
    const got: Record<string, string[]> = {}
    const listen = async (filter: string): Promise<void> => {
      const heard = got[filter] = [] as string[]
      t.after(remote.place.subscribe(filter, ({ payload }) => { heard.push(payload.toString()) }))
      await until(() => heard.length, length => length > 0)
    }
    await client.publishAsync('a/b', 'retained', { qos: 1, retain: true })
    for (const filter of ['a/+', 'a/b', '#']) await listen(filter)
    for (const payload of ['1', '2']) await client.publishAsync('a/b', payload, { qos: 1 })
    await until(() => Object.values(got), all => all.every(heard => heard.includes('2')))
    await client.publishAsync('a/b', '3', { qos: 1 })
    await until(() => Object.values(got), all => all.every(heard => heard.includes('3')))
    for (const heard of Object.values(got)) assert.deepEqual(heard, ['retained', '1', '2', '3'])
  })

  test('what is published while the broker is away arrives when it is back, and too much is refused', async t => {
    const mosquitto = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`))
    await remote.connected()
    await mosquitto.stop()
    await until(() => remote.place.listener.state, state => state === 'failed')
    const waiting = remote.place.publish({ topic: 'out/kept', payload: 'kept', qos: 1, retain: true })
    await assert.rejects(remote.place.publish({ topic: 'out/large', payload: Buffer.alloc(17_000_000), qos: 1, retain: false }), { code: 'PUBLISH_FAILED' })
    await mosquitto.start()
    await waiting
    const retained: Delivered[] = []
    for await (const delivered of remote.place.retained(['out/#'], AbortSignal.timeout(10_000))) retained.push(delivered)
    assert.deepEqual(retained.map(({ topic, payload }) => [topic, payload.toString()]), [['out/kept', 'kept']])
  })

  test('what is published before a deploy that needs another connection arrives', async t => {
    const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
    const options = remoteOptions(`mqtt://127.0.0.1:${port}`)
    const remote = await openRemote(t, options)
    await remote.connected()
    const published = Array.from({ length: 500 }, (_, i) => remote.place.publish({ topic: 'out/all', payload: String(i), qos: 1, retain: false }))
    await attachBroker(remote.id, { ...options, keepalive: 30 })
    await Promise.all(published)
  })

  test('a subscriber that is slow holds up neither the acknowledgements nor the taking', async t => {
    const { port } = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`))
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    let release = (): void => undefined
    let got = 0
    remote.place.subscribe('agent/#', () => {
      got++
      return new Promise(resolve => { release = resolve })
    })
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
    t.after(() => { client.end(true) })
    await until(async () => {
      await client.publishAsync('agent/x/y', 'x', { qos: 1 })
      return got
    }, count => count > 0)
    for (let i = 0; i < 50; i++) await client.publishAsync('agent/message', reading(), { qos: 1 })
    await until(() => heard.length, length => length === 50)
    heard.forEach(one => { claim(one).settle() })
    await until(() => remote.place.statistics().received, received => received === 50)
    assert.equal(got, 1)
    release()
  })

  test('a topic that the broker does not let this worker read is said, and the worker tries again until it may', async t => {
    // Another broker of this package, which answers a subscription that its rules forbid with 0x80.
    const other = await openBroker(t, { rules: [{ subject: 'everyone', access: 'deny', topic: 'agent/#' }] })
    const remote = await openRemote(t, remoteOptions(other.url))
    const { heard } = openIntake(t, remote.id)
    await until(() => remote.problems.map(({ code }) => code), codes => codes.includes('BROKER_SUBSCRIPTION_REFUSED'))
    await attachBroker(other.id, brokerOptions({ port: other.port }))
    await remote.connected()
    const client = await other.client()
    await client.publishAsync('agent/message', reading(), { qos: 1 })
    await until(() => heard.length, length => length === 1)
    claim(heard[0]).settle()
  })
})

for (const version of ['5', '3.1.1'] as const) {
  test(`what is published while an earlier connection's messages are sent again is not lost when that is cut short, MQTT ${version}`, async t => {
    let isSilent = true
    const broker = await scriptedBroker(t, peer => { answers(peer) }, peer => {
      if (!isSilent) return answers(peer)
      peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0, ...peer.version === 5 ? { properties: {} } : {} })
    })
    const remote = await openRemote(t, remoteOptions(broker.url, { version }))
    const published: Array<Promise<void>> = []
    const publish = (topic: string): void => { for (let i = 0; i < 5; i++) published.push(remote.place.publish({ topic, payload: String(i), qos: 1, retain: false })) }
    const untilSent = async (connection: number, topic: string): Promise<void> => {
      await until(() => broker.senders[connection]?.got.some(packet => packet.cmd === 'publish' && packet.topic === topic), is => is === true)
    }
    publish('out/first')
    await untilSent(0, 'out/first')
    broker.senders[0]?.socket.destroy()
    await untilSent(1, 'out/first')
    publish('out/second')
    remote.place.subscribe('in/#', () => undefined)
    isSilent = false
    broker.senders[1]?.socket.destroy()
    await Promise.all(published)
    const arrived = broker.senders[2]?.got.flatMap(packet => packet.cmd === 'publish' ? [`${packet.topic} ${String(packet.payload)}`] : [])
    assert.deepEqual(arrived, ['out/first', 'out/second'].flatMap(topic => [0, 1, 2, 3, 4].map(i => `${topic} ${i}`)))
    await until(() => broker.senders[2]?.got.flatMap(packet => packet.cmd === 'subscribe' ? packet.subscriptions.map(({ topic }) => topic) : []), filters => filters?.join() === 'in/#')
    assert.ok(!remote.problems.some(({ code }) => code === 'BROKER_SUBSCRIPTION_REFUSED'))
  })
}

// mqttjs/MQTT.js#768, LabOverWire/mqtt-lib#103, node-red/node-red#3367: whoever sent such a message sent it at each connection again, and nothing else.
suite('a message that is too large for the broker is refused, and those behind it go', { skip: withoutMosquitto, concurrency: true }, () => {
  for (const [limit, version] of [['max_packet_size', '5'], ['max_packet_size', '3.1.1'], ['message_size_limit', '5']] as const) {
    test(`${limit}, MQTT ${version}`, async t => {
      const { port } = await openMosquitto(t, `allow_anonymous true\n${limit} 1000`)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version }))
      await remote.connected()
      const large = assert.rejects(remote.place.publish({ topic: 'out/large', payload: Buffer.alloc(5_000), qos: 1, retain: false }), { code: 'PUBLISH_FAILED' })
      await remote.place.publish({ topic: 'out/small', payload: 'x', qos: 1, retain: false })
      await large
    })
  }
})

// nanomq/nanomq#2040, eclipse-paho/paho.mqtt.java#479: a subscriber crashed.
test('a topic alias that nobody allowed harms neither the process nor what is published later', async t => {
  const broker = await scriptedBroker(t, peer => { answers(peer) }, (peer, before) => {
    answers(peer)
    for (const topic of ['', 'x']) if (before === 0) peer.send({ cmd: 'publish', topic, payload: '', qos: 0, dup: false, retain: false, properties: { topicAlias: 3 } })
  })
  const remote = await openRemote(t, remoteOptions(broker.url, { version: '5' }))
  await until(() => broker.senders.length, count => count > 0)
  await remote.place.publish({ topic: 'out/x', payload: 'x', qos: 1, retain: false })
})
