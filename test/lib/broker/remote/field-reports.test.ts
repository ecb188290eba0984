import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { connectAsync } from 'mqtt'
import { claimDelivery } from '../../../../lib/intake/pending-deliveries.ts'
import { openIntake, removeBroker, type Heard } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { openRemote, remoteOptions, type RemoteBroker } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker, type Peer, type ScriptedBroker } from '../../../helpers/scripted-broker.ts'

// What went wrong with other clients that acknowledge late, or share subscriptions.

const first = 1_700_000_000_000
const message = (messageId: number, time: number, more: object = {}): object => {
  return { cmd: 'publish', topic: 'agent/message', payload: reading('a', { timestamp: first + time }), qos: 1, messageId, dup: false, retain: false, ...more }
}
const timesOf = (heard: Heard[]): number[] => heard.map(({ incoming }) => (incoming?.payload as { timestamp: number }).timestamp - first)
const acknowledged = (peer: Peer | undefined): number[] => (peer?.got ?? []).flatMap(packet => packet.cmd === 'puback' ? [packet.messageId ?? -1] : [])

async function worker (t: TestContext, broker: ScriptedBroker, options: Parameters<typeof remoteOptions>[1] = {}): Promise<{ remote: RemoteBroker, heard: Heard[] }> {
  const remote = await openRemote(t, remoteOptions(broker.url, { version: '3.1.1', ...options }))
  return { remote, heard: openIntake(t, remote.id).heard }
}

suite('field reports', { concurrency: true }, () => {
  test('messages of a kept session come before SUBACK, and are neither lost nor acknowledged unseen: hivemq/hivemq-mqtt-client#521, mqttjs/MQTT.js#1124, k00mi/mqtt-hs#5', async t => {
    const broker = await scriptedBroker(t, peer => {
      answers(peer)
      for (let i = 1; i <= 3; i++) peer.send(message(i, i, { dup: true }))
    })
    const { heard } = await worker(t, broker)
    await until(() => heard.length, length => length === 3)
    assert.deepEqual(acknowledged(broker.consumers[0]), [])
    heard.forEach(one => { claim(one).settle() })
    await until(() => acknowledged(broker.consumers[0]), ids => ids.length === 3)
  })

  test('no acknowledgement of an earlier connection goes to the next one: bytebeamio/rumqtt#849, eclipse/paho.mqtt.golang#400', async t => {
    const broker = await scriptedBroker(t, (peer, before) => {
      answers(peer, { sessionPresent: false })
      peer.on(({ cmd }) => { if (cmd === 'subscribe' && before === 0) peer.send(message(1, 1)) })
    })
    const { remote, heard } = await worker(t, broker)
    await until(() => heard.length, length => length === 1)
    broker.consumers[0]?.socket.destroy()
    await until(() => remote.place.statistics().connections, connections => connections === 2)
    await remote.connected()
    claim(heard[0]).settle()
    await until(() => remote.place.statistics().received, received => received === 1)
    // Under this id the new session has another message.
    broker.consumers[1]?.send(message(1, 2))
    await until(() => heard.length, length => length === 2)
    assert.deepEqual(acknowledged(broker.consumers[1]), [])
    claim(heard[1]).settle()
    await until(() => acknowledged(broker.consumers[1]), ids => ids.length === 1)
  })

  test('a message that comes again on the same connection neither ends it nor comes twice: hivemq/hivemq-mqtt-client#557, emqx/emqx#9188', async t => {
    const broker = await scriptedBroker(t, peer => {
      answers(peer)
      peer.on(({ cmd }) => {
        if (cmd !== 'subscribe') return
        for (let i = 0; i < 3; i++) peer.send(message(1, 1, { dup: i > 0 }))
        peer.send(message(2, 2))
      })
    })
    const { heard } = await worker(t, broker)
    // Behind the copies, which came while the first one was held.
    await until(() => timesOf(heard), times => times.includes(2))
    heard.forEach(one => { claim(one).settle() })
    await until(() => acknowledged(broker.consumers[0]), ids => ids.includes(2))
    assert.deepEqual([timesOf(heard), acknowledged(broker.consumers[0]), broker.consumers.length], [[1, 2], [1, 2], 1])
  })

  test('messages that cannot be read fill no window: influxdata/telegraf#13476, #13922, #14685', async t => {
    const broker = await scriptedBroker(t, peer => {
      answers(peer)
      peer.on(({ cmd }) => { if (cmd === 'subscribe') for (let i = 1; i <= 100; i++) peer.send(message(i, i, { payload: i % 2 === 0 ? '{' : '{"value":"a text"}' })) })
    })
    await worker(t, broker, { receiveMaximum: 10 })
    await until(() => acknowledged(broker.consumers[0]), ids => ids.length === 100)
  })

  test('messages that were subscribed to once, and that nobody wants now, are acknowledged: monstrenyatko/ArduinoMqtt#33, eclipse/paho.mqtt.golang#637', async t => {
    const broker = await scriptedBroker(t, peer => {
      answers(peer)
      for (let i = 1; i <= 20; i++) peer.send(message(i, i, { topic: `other/${i}` }))
      peer.on(({ cmd }) => { if (cmd === 'subscribe') peer.send(message(21, 21)) })
    })
    const { heard } = await worker(t, broker, { receiveMaximum: 20 })
    await until(() => heard.length, length => length === 1)
    claim(heard[0]).settle()
    await until(() => acknowledged(broker.consumers[0]), ids => ids.length === 21)
  })

  test('a session that is said to be there may be without its subscription, so it is made again: vectordotdev/vector#25785, influxdata/telegraf#9703', async t => {
    const broker = await scriptedBroker(t, peer => { answers(peer, { sessionPresent: true }) })
    const { remote } = await worker(t, broker)
    await remote.connected()
    broker.consumers[0]?.socket.destroy()
    await until(() => broker.consumers[1]?.got.filter(({ cmd }) => cmd === 'subscribe').length, count => count === 1)
  })

  test('a subscription that is refused is said, and tried again with pauses: mqttjs/MQTT.js#855, knolleary/pubsubclient#341', async t => {
    const broker = await scriptedBroker(t, (peer, before) => {
      if (before > 0) return answers(peer)
      peer.on(packet => { if (packet.cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: packet.messageId, granted: [0x80] }) })
      peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0 })
    })
    const { remote } = await worker(t, broker)
    await until(() => remote.problems.map(({ code }) => code), codes => codes.includes('BROKER_SUBSCRIPTION_REFUSED'))
    assert.equal(broker.consumers.length, 1)
    await remote.connected()
  })

  test('what comes again under other packet ids is the same: cloudamqp/lavinmq#2233', async t => {
    const payloads = [1, 2, 3, 4, 5].map(i => reading('a', { timestamp: first + i }))
    const broker = await scriptedBroker(t, (peer, before) => {
      answers(peer)
      peer.on(({ cmd }) => { if (cmd === 'subscribe') payloads.forEach((payload, i) => { peer.send(message(i + 1 + before * 50, i, { payload, dup: before > 0 })) }) })
    })
    const { heard } = await worker(t, broker)
    await until(() => heard.length, length => length === 5)
    broker.consumers[0]?.socket.destroy()
    await until(() => broker.consumers.length, length => length === 2)
    heard.forEach(one => { claim(one).settle() })
    await until(() => acknowledged(broker.consumers[1]), ids => ids.length === 5)
    assert.deepEqual(acknowledged(broker.consumers[1]), [51, 52, 53, 54, 55])
    assert.deepEqual(timesOf(heard), [1, 2, 3, 4, 5])
  })

  test('what is held over several connections is acknowledged on the last one, and the window is free again: influxdata/telegraf#16293, eclipse-paho/paho.mqtt.python#24, redpanda-data/connect#717', async t => {
    const payloads = [1, 2, 3, 4, 5, 6].map(i => reading('a', { timestamp: first + i }))
    const broker = await scriptedBroker(t, (peer, before) => {
      answers(peer)
      peer.on(({ cmd }) => {
        if (cmd !== 'subscribe') return
        const isCut = before === 1
        for (let i = 1; i <= (isCut ? 4 : 5); i++) peer.send(message(i, i, { payload: payloads[i - 1], dup: before > 0 }))
        // In the middle of the fifth one, while the window is not full: a worker whose window is full reads no further, not even that this is the end.
        if (isCut) peer.socket.end(Buffer.from('32ff', 'hex'))
      })
    })
    const { heard } = await worker(t, broker, { receiveMaximum: 5 })
    await until(() => heard.length, length => length === 5)
    broker.consumers[0]?.socket.resetAndDestroy()
    await until(() => broker.consumers[2]?.got.length, count => count === 1)
    heard.forEach(one => { claim(one).settle() })
    // Of a worker that had no turn for long there is one more connection.
    const last = (): Peer | undefined => broker.consumers.at(-1)
    await until(() => acknowledged(last()), ids => ids.length === 5)
    last()?.send(message(1, 6, { payload: payloads[5] }))
    await until(() => heard.length, length => length === 6)
    claim(heard[5]).settle()
    await until(() => acknowledged(last()), ids => ids.length === 6)
    assert.deepEqual(timesOf(heard), [1, 2, 3, 4, 5, 6])
  })

  test('a message that expired at the broker while it was held is not waited for: emqx/emqx#14462, #17698, redboltz/async_mqtt#369', async t => {
    const payloads = [1, 2, 3].map(i => reading('a', { timestamp: first + i }))
    const give = (peer: Peer, ids: number[], dup: boolean): void => {
      for (const i of ids) peer.send(message(i, i, { payload: payloads[i - 1], dup, properties: { messageExpiryInterval: 1 } }))
    }
    const broker = await scriptedBroker(t, (peer, before) => {
      answers(peer)
      peer.on(({ cmd }) => { if (cmd === 'subscribe') give(peer, before === 0 ? [1, 2] : [2], before > 0) })
    })
    const { heard } = await worker(t, broker, { receiveMaximum: 2, version: '5' })
    await until(() => heard.length, length => length === 2)
    broker.consumers[0]?.socket.destroy()
    await until(() => broker.consumers[1]?.got.length, count => count === 1)
    heard.forEach(one => { claim(one).settle() })
    give(broker.consumers[1]!, [1, 3], false)
    await until(() => heard.length, length => length === 4)
    heard.slice(2).forEach(one => { claim(one).settle() })
    await until(() => acknowledged(broker.consumers[1]), ids => ids.length === 3)
    assert.deepEqual(acknowledged(broker.consumers[1]), [2, 1, 3])
  })

  test('more at one time than the receive maximum is taken all the same: eclipse-mosquitto/mosquitto#1822, #3587, emqx/emqtt#247', async t => {
    const broker = await scriptedBroker(t, peer => {
      answers(peer)
      peer.on(({ cmd }) => { if (cmd === 'subscribe') for (let i = 1; i <= 50; i++) peer.send(message(i, i)) })
    })
    const { heard } = await worker(t, broker, { receiveMaximum: 10, version: '5' })
    let settled = 0
    await until(() => {
      while (settled < heard.length) claim(heard[settled++]).settle()
      return acknowledged(broker.consumers[0])
    }, ids => ids.length === 50)
    assert.equal(broker.consumers.length, 1)
  })

  test('a message that the flow does not store keeps its place, and is given again: vectordotdev/vector#25770', async t => {
    const broker = await scriptedBroker(t, peer => {
      answers(peer)
      peer.on(({ cmd }) => { if (cmd === 'subscribe') for (let i = 1; i <= 10; i++) peer.send(message(i, i)) })
    })
    const { heard } = await worker(t, broker, { receiveMaximum: 5 })
    await until(() => heard.length, length => length >= 5)
    heard.slice(1).forEach(one => { claim(one).settle() })
    const isFirst = (one: Heard): boolean => one.incoming !== undefined && timesOf([one])[0] === 1
    claim(heard[0]).settle(new Error('not stored'))
    await until(() => heard.filter(isFirst).length, count => count === 2)
    assert.deepEqual(acknowledged(broker.consumers[0]), [])
    claim(heard.findLast(isFirst)).settle()
    await until(() => {
      heard.slice(6).forEach(one => { if (!isFirst(one)) claimDelivery(one.incoming?.delivery.id)?.settle() })
      return acknowledged(broker.consumers[0])
    }, ids => ids.length === 10)
  })

  test('of several subscriptions one is refused, and that one is named: eclipse-paho/paho.mqtt.golang#293, awslabs/aws-c-mqtt#170, eclipse-paho/paho.mqtt.c#910', async t => {
    const broker = await scriptedBroker(t, peer => {
      peer.on(packet => { if (packet.cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: packet.messageId, granted: [1, 0x80, 1] }) })
      peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0 })
    })
    const { remote } = await worker(t, broker, { group: '', shards: ['a', 'b', 'c'] })
    const [problem] = await until(() => remote.problems, problems => problems.length > 0)
    assert.deepEqual([problem?.code, problem?.detail], ['BROKER_SUBSCRIPTION_REFUSED', 'The broker refused: agent/b/+.'])
  })

  test('a broker that forgot the session gets the subscription again, and that it did is said: mqttjs/MQTT.js#895, smallrye/smallrye-reactive-messaging#1935, eclipse-mosquitto/mosquitto#2265', { skip: withoutMosquitto }, async t => {
    const mosquitto = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${mosquitto.port}`
    const remote = await openRemote(t, remoteOptions(url))
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    await mosquitto.stop()
    await until(() => remote.place.listener.state, state => state === 'failed')
    await mosquitto.start()
    await remote.connected()
    const client = await connectAsync(url)
    t.after(() => { client.end(true) })
    await client.publishAsync('agent/message', reading(), { qos: 1 })
    await until(() => heard.length, length => length === 1)
    claim(heard[0]).settle()
    assert.ok(remote.problems.some(({ code }) => code === 'BROKER_SESSION_LOST'))
  })

  for (const version of ['5', '3.1.1'] as const) {
    test(`what is retained is no news, however often a worker comes: emqx/emqx#6402, influxdata/telegraf#7177, home-assistant/core#88826 (MQTT ${version})`, { skip: withoutMosquitto }, async t => {
      const { port } = await openMosquitto(t)
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
      t.after(() => { client.end(true) })
      await client.publishAsync('agent/message', reading('old', { timestamp: undefined }), { qos: 1, retain: true })
      await client.publishAsync('agent/connected', JSON.stringify({ agent: { uuid: 'old' } }), { qos: 1, retain: true })
      const options = remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '' })
      for (const uuid of ['first', 'second']) {
        const remote = await openRemote(t, options)
        const { heard } = openIntake(t, remote.id)
        await remote.connected()
        await client.publishAsync('agent/message', reading(uuid, { timestamp: undefined }), { qos: 1, retain: true })
        await until(() => heard.length, length => length > 0)
        heard.forEach(one => { claim(one).settle() })
        assert.deepEqual(heard.map(({ incoming }) => incoming?.payload.agent.uuid), [uuid])
        await removeBroker(remote.id)
      }
    })

    test(`about as large as may be: each message comes or is dropped, and the next one comes: eclipse-mosquitto/mosquitto#3503, #1168 (MQTT ${version})`, { skip: withoutMosquitto }, async t => {
      const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version }))
      const { heard } = openIntake(t, remote.id)
      await remote.connected()
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
      t.after(() => { client.end(true) })
      for (let less = 26; less >= 12; less -= 2) await client.publishAsync('agent/message', Buffer.alloc(2 * 1024 * 1024 - less, 32), { qos: 1 })
      await client.publishAsync('agent/message', reading(), { qos: 1 })
      await until(() => heard.at(-1)?.kind, kind => kind === 'message')
      claim(heard.at(-1)).settle()
      assert.equal(heard.length - 1, version === '5' ? 3 : 5)
      assert.deepEqual([remote.place.statistics().connections, remote.place.statistics().droppedBy], [1, version === '5' ? {} : { packetBytes: 3 }])
    })
  }

  test('a worker that is away with a kept session gets its share later, nothing goes astray: eclipse/mosquitto#2662, #1747, emqx/emqx#3243', { skip: withoutMosquitto }, async t => {
    const { port } = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${port}`
    const options = ['5', '5'].map(() => remoteOptions(url))
    const one = await openRemote(t, options[0]!)
    const { heard } = openIntake(t, one.id)
    const other = await openRemote(t, options[1]!)
    openIntake(t, other.id)
    await Promise.all([one.connected(), other.connected()])
    await removeBroker(other.id)
    const client = await connectAsync(url)
    t.after(() => { client.end(true) })
    for (let i = 0; i < 20; i++) await client.publishAsync('agent/message', reading('a', { timestamp: first + i }), { qos: 1 })
    const again = await openRemote(t, options[1]!)
    const later = openIntake(t, again.id).heard
    await until(() => heard.length + later.length, count => count === 20)
    for (const each of [...heard, ...later]) claim(each).settle()
    assert.deepEqual([...timesOf(heard), ...timesOf(later)].sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i))
  })
})
