import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { generate, parser, type IPublishPacket, type Packet } from 'mqtt-packet'
import type { ClientEvent } from '../../../../lib/broker/broker.ts'
import { openBroker, type TestBroker } from '../../../helpers/broker.ts'
import { until, waitFor } from '../../../helpers/events.ts'
import { publishPacket, rawClient, rawSocket } from '../../../helpers/raw-client.ts'
import { binary, frame, rawWebSocket } from '../../../helpers/raw-web-socket.ts'

// What clients in the field did to other brokers, done to this one. Each test names the report.

/** The packets that a client gets from now on. */
function packetsTo (socket: Socket): Packet[] {
  const packets: Packet[] = []
  const parse = parser()
  parse.on('packet', packet => { packets.push(packet) })
  socket.on('data', bytes => { parse.parse(bytes) })
  return packets
}

function messagesIn (packets: Packet[]): IPublishPacket[] {
  return packets.filter(packet => packet.cmd === 'publish')
}

function flagsOf ({ messageId, dup, retain }: IPublishPacket) {
  return { messageId, dup, retain }
}

/** Reads a chunk every few ms, as over a slow line. */
function readSlowly (socket: Socket): void {
  socket.on('data', () => {
    socket.pause()
    setTimeout(() => { socket.resume() }, 2)
  })
}

function subscribePacket (topic: string, qos: 0 | 1 | 2): Buffer {
  return generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos }] } as Packet)
}

function subscribe (socket: Socket, topic: string, qos: 0 | 1 | 2): void {
  socket.write(subscribePacket(topic, qos))
}

function connectPacket (clientId: string, more: object = {}): Buffer {
  return generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, keepalive: 0, clean: true, ...more } as Packet)
}

/** Connects to a session and gets what comes, CONNACK included. */
async function resume (t: TestContext, { port }: TestBroker, clientId: string): Promise<{ socket: Socket, packets: Packet[] }> {
  const socket = await rawSocket(t, port)
  const packets = packetsTo(socket)
  socket.write(connectPacket(clientId, { clean: false }))
  return { socket, packets }
}

/** Hangs up, and waits until the broker knows. */
async function hangUp ({ events }: TestBroker, socket: Socket): Promise<void> {
  const before = events.length
  socket.destroy()
  await until(() => events.slice(before).some(({ event }) => event === 'disconnected'), gone => gone)
}

function reasonsIn ({ events }: TestBroker): string[] {
  return events.flatMap(each => each.event === 'disconnected' ? [each.reason] : [])
}

/** What was dropped, and who was cut off. */
function troubles (broker: TestBroker): string[] {
  return [...Object.keys(broker.place.statistics()?.droppedBy ?? {}), ...reasonsIn(broker).filter(reason => reason !== 'the connection was lost')]
}

const megabyte = Buffer.alloc(1_000_000, 'x')
/** Megabytes: more than a broker may keep for a client that does not read, with what systems buffer. */
const many = 25

// https://github.com/eclipse-mosquitto/mosquitto/issues/2887: a slow subscriber gets some of the retained messages, and nobody tells it.
// https://github.com/emqx/emqx/issues/1282: … or is disconnected on the way, each time it comes.
test('a client that reads slowly gets all retained messages, at any QoS', async t => {
  const broker = await openBroker(t, { limits: { retainedBytes: 0 } })
  for (let i = 0; i < many; i++) await broker.place.publish({ topic: `t/${i}`, payload: megabyte, qos: 1, retain: true })
  for (const qos of [0, 1] as const) {
    const socket = await rawClient(t, broker.port, `slow ${qos}`)
    readSlowly(socket)
    const packets = packetsTo(socket)
    subscribe(socket, 't/+', qos)
    await until(() => messagesIn(packets).length, count => count === many || troubles(broker).length > 0)
    assert.deepEqual(troubles(broker), [])
    await hangUp(broker, socket)
  }
})

// https://github.com/emqx/emqx/issues/1282
test('a client that reads slowly gets all that waited for it', async t => {
  const broker = await openBroker(t, { limits: { offlineBytes: 0, offlineTotalBytes: 0 } })
  const first = await rawClient(t, broker.port, 'slow', { clean: false })
  const answers = packetsTo(first)
  subscribe(first, 't/+', 1)
  await until(() => answers.length, count => count === 1)
  await hangUp(broker, first)
  for (let i = 0; i < many; i++) await broker.place.publish({ topic: `t/${i}`, payload: megabyte, qos: 1, retain: false })
  const { socket, packets } = await resume(t, broker, 'slow')
  readSlowly(socket)
  await until(() => messagesIn(packets).length, count => count === many || troubles(broker).length > 0)
  assert.deepEqual(troubles(broker), [])
  assert.deepEqual(messagesIn(packets).map(({ topic }) => topic), Array.from({ length: many }, (_, i) => `t/${i}`))
})

// https://github.com/emqx/emqx/issues/15176
test('a retained message does not come after a newer message of its topic', async t => {
  const broker = await openBroker(t)
  const count = 90
  const publishAll = (payload: string): void => { for (let i = 0; i < count; i++) void broker.place.publish({ topic: `t/${i}`, payload, qos: 0, retain: true }) }
  publishAll('old')
  const socket = await rawClient(t, broker.port, 'late')
  const packets = packetsTo(socket)
  const subscribed = waitFor<ClientEvent>(broker.place, 'client', ({ event }) => event === 'subscribed')
  subscribe(socket, 't/+', 0)
  await subscribed
  // Until aedes has looked at the first retained messages, and has not sent them all.
  for (let turns = 0; turns < 10; turns++) await nextTurn()
  publishAll('new')
  await until(() => messagesIn(packets).length, got => got === 2 * count)
  const last = new Map(messagesIn(packets).map(({ topic, payload }) => [topic, String(payload)]))
  assert.deepEqual([...last.values()], Array.from({ length: count }, () => 'new'))
})

// https://github.com/Yakifo/amqtt/issues/401
test('a retained message that a client with a session did not acknowledge comes again', async t => {
  const broker = await openBroker(t)
  await broker.place.publish({ topic: 't', payload: 'x', qos: 2, retain: true })
  for (const qos of [1, 2] as const) {
    const clientId = `kept ${qos}`
    const first = await rawClient(t, broker.port, clientId, { clean: false })
    const packets = packetsTo(first)
    subscribe(first, 't', qos)
    await until(() => messagesIn(packets).length, count => count === 1)
    await hangUp(broker, first)
    const second = await resume(t, broker, clientId)
    await until(() => messagesIn(second.packets).length, count => count === 1)
    const { messageId } = messagesIn(packets)[0]!
    assert.deepEqual(messagesIn(second.packets).map(flagsOf), [{ messageId, dup: true, retain: true }])
    second.socket.write(generate({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId } as Packet))
    if (qos === 2) {
      await until(() => second.packets.some(({ cmd }) => cmd === 'pubrel'), came => came)
      second.socket.write(generate({ cmd: 'pubcomp', messageId } as Packet))
    }
    await broker.place.publish({ topic: 't', payload: 'x', qos: 1, retain: false })
    await until(() => messagesIn(second.packets).length, count => count === 2)
    await hangUp(broker, second.socket)
    const third = await resume(t, broker, clientId)
    await until(() => messagesIn(third.packets).length, count => count === 1)
    assert.equal(messagesIn(third.packets)[0]!.retain, false)
  }
})

// https://github.com/eclipse-mosquitto/mosquitto/issues/3598
test('no message gets the id of another one that the client has not acknowledged', async t => {
  const broker = await openBroker(t)
  // aedes begins each connection's ids at random: here at the same one.
  t.mock.method(Math, 'random', () => 0.5)
  const first = await rawClient(t, broker.port, 'ids', { clean: false })
  const packets = packetsTo(first)
  subscribe(first, 't', 2)
  await until(() => packets.length, count => count === 1)
  await broker.place.publish({ topic: 't', payload: 'one', qos: 2, retain: false })
  await until(() => messagesIn(packets).length, count => count === 1)
  await hangUp(broker, first)
  const second = await resume(t, broker, 'ids')
  await until(() => messagesIn(second.packets).length, count => count === 1)
  for (const payload of ['two', 'three']) await broker.place.publish({ topic: 't', payload, qos: 2, retain: false })
  await until(() => messagesIn(second.packets).length, count => count === 3)
  const { messageId = 0 } = messagesIn(packets)[0]!
  assert.deepEqual(messagesIn(second.packets).map(({ payload, messageId, dup }) => [String(payload), messageId, dup]), [
    ['one', messageId, true], ['two', messageId + 1, false], ['three', messageId + 2, false]
  ])
})

// https://github.com/vert-x3/vertx-mqtt/issues/121: a client does not wait for the answers.
for (const clean of [true, false]) {
  test(`a client hears what it publishes right behind its CONNECT and SUBSCRIBE, ${clean ? 'without' : 'with'} a session`, async t => {
    const broker = await openBroker(t)
    const socket = await rawSocket(t, broker.port)
    const packets = packetsTo(socket)
    const messages = ([0, 1, 2] as const).map(qos => publishPacket('t', String(qos), qos, 2 + qos))
    socket.write(Buffer.concat([connectPacket('hasty', { clean }), subscribePacket('t', 2), ...messages, generate({ cmd: 'pingreq' })]))
    await until(() => packets.filter(({ cmd }) => cmd === 'pingresp' || cmd === 'puback' || cmd === 'pubrec').length, count => count === 3)
    assert.deepEqual(messagesIn(packets).map(({ payload, qos }) => [String(payload), qos]).sort(), [['0', 0], ['1', 1], ['2', 2]])
  })
}

test('what a client with a session publishes behind a SUBSCRIBE that is refused is acknowledged', async t => {
  const broker = await openBroker(t, { rules: [{ subject: 'anonymous', access: 'write', topic: '#' }] })
  const socket = await rawSocket(t, broker.port)
  const packets = packetsTo(socket)
  socket.write(Buffer.concat([connectPacket('refused', { clean: false }), subscribePacket('t', 1), publishPacket('t', 'x', 1, 2)]))
  await until(() => packets.map(({ cmd }) => cmd), commands => commands.includes('puback'))
  assert.deepEqual(packets.map(packet => packet.cmd === 'suback' ? packet.granted : packet.cmd), ['connack', [128], 'puback'])
})

// https://github.com/eclipse-paho/paho.mqtt.c/issues/52: MQTT 3.1 has it so, and 3.1.1 does not.
test('a client of MQTT 3.1 may mark what it sends again as a copy', async t => {
  const broker = await openBroker(t)
  const socket = await rawSocket(t, broker.port)
  const packets = packetsTo(socket)
  const dup = (packet: Buffer): Buffer => Buffer.concat([Buffer.from([packet[0]! | 8]), packet.subarray(1)])
  socket.write(connectPacket('old', { protocolId: 'MQIsdp', protocolVersion: 3 }))
  socket.write(Buffer.concat([publishPacket('t', 'x', 2, 7), dup(publishPacket('t', 'x', 2, 7))]))
  socket.write(Buffer.concat([
    dup(generate({ cmd: 'pubrel', messageId: 7 } as Packet)),
    dup(subscribePacket('t', 0)),
    dup(generate({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['t'] } as Packet))
  ]))
  await until(() => packets.length + reasonsIn(broker).length, count => count === 6)
  assert.deepEqual(packets.map(({ cmd }) => cmd).sort(), ['connack', 'pubcomp', 'pubrec', 'pubrec', 'suback', 'unsuback'])
})

// https://github.com/eclipse-mosquitto/mosquitto/pull/2092
test('a message of QoS 1 with the id of one of QoS 2 that waits for PUBREL is a message of QoS 1', async t => {
  const broker = await openBroker(t)
  const all = await rawClient(t, broker.port, 'all')
  const heard = packetsTo(all)
  subscribe(all, 't', 0)
  await until(() => heard.length, count => count === 1)
  const socket = await rawClient(t, broker.port, 'bridge', { clean: false })
  const packets = packetsTo(socket)
  socket.write(publishPacket('t', 'same', 2, 7))
  await until(() => packets.length, count => count === 1)
  await hangUp(broker, socket)
  const second = await resume(t, broker, 'bridge')
  second.socket.write(publishPacket('t', 'same', 1, 7))
  await until(() => second.packets.length, count => count === 2)
  second.socket.write(generate({ cmd: 'pubrel', messageId: 7 } as Packet))
  await until(() => second.packets.length, count => count === 3)
  assert.deepEqual(second.packets.map(({ cmd }) => cmd), ['connack', 'puback', 'pubcomp'])
  await until(() => messagesIn(heard).length, count => count === 2)
  assert.deepEqual(messagesIn(heard).map(({ payload }) => String(payload)), ['same', 'same'])
})

// https://github.com/emqx/emqx/issues/10551: no last will at a takeover.
// https://github.com/HarperFast/harper/issues/1604: … or that of the connection that is there.
for (const qos of [0, 1, 2] as const) {
  test(`a client that takes over from its own half-open connection is online in the end: QoS ${qos}`, async t => {
    const broker = await openBroker(t)
    const watcher = await rawClient(t, broker.port, 'watcher')
    const seen = packetsTo(watcher)
    subscribe(watcher, 'status', qos)
    await until(() => seen.length, count => count === 1)
    for (const payload of ['online', 'online again']) {
      const socket = await rawSocket(t, broker.port)
      const birth = generate({ cmd: 'publish', topic: 'status', payload, qos, messageId: 1, retain: true, dup: false } as Packet)
      socket.write(Buffer.concat([connectPacket('device', { will: { topic: 'status', payload: Buffer.from('offline'), qos, retain: true } }), birth]))
      await until(() => messagesIn(seen).map(({ payload }) => String(payload)), got => got.includes(payload))
    }
    assert.deepEqual(messagesIn(seen).map(({ payload }) => String(payload)), ['online', 'offline', 'online again'])
    const late = await rawClient(t, broker.port, 'late')
    const retained = packetsTo(late)
    subscribe(late, 'status', 0)
    await until(() => retained.length, count => count === 2)
    assert.deepEqual(messagesIn(retained).map(({ payload }) => String(payload)), ['online again'])
  })
}

// https://github.com/eclipse-mosquitto/mosquitto/issues/3704: an empty frame ends the session.
// https://github.com/eclipse-mosquitto/mosquitto/pull/3721: … and so does a header that comes in pieces.
// https://github.com/sclausen/ngx-mqtt/issues/232: the first byte of CONNECT has a message for itself.
test('WebSocket frames may be empty, and come in pieces of any size', async t => {
  const broker = await openBroker(t, { listeners: [{ transport: 'ws', host: '', port: 0 }] })
  const { socket } = await rawWebSocket(t, broker.port)
  const connect = connectPacket('page')
  const large = publishPacket('t', Buffer.alloc(70_000), 1, 1)
  const bytes = Buffer.concat([frame(binary), frame(binary, connect.subarray(0, 1)), frame(binary), frame(binary, connect.subarray(1)), frame(binary, large), frame(binary)])
  let answers = Buffer.alloc(0)
  socket.on('data', (answer: Buffer) => { answers = Buffer.concat([answers, answer]) })
  // Byte by byte where there are headers.
  for (let at = 0; at < bytes.length;) {
    const size = at < 80 || bytes.length - at < 10 ? 1 : 30_000
    const end = Math.min(at + size, Math.max(at + 1, bytes.length - 9))
    await new Promise<void>(resolve => { socket.write(bytes.subarray(at, end), () => { setImmediate(resolve) }) })
    at = end
  }
  const connackAndPuback = Buffer.concat([Buffer.from([0x82, 4, 0x20, 2, 0, 0]), Buffer.from([0x82, 4, 0x40, 2, 0, 1])])
  await until(() => answers.length, length => length >= connackAndPuback.length)
  assert.deepEqual(answers, connackAndPuback)
})

// https://github.com/marvinroger/async-mqtt-client/issues/64
test('a large message that takes longer than the keepalive arrives', async t => {
  const broker = await openBroker(t)
  const socket = await rawClient(t, broker.port, 'camera', { keepalive: 1 })
  const packets = packetsTo(socket)
  const packet = publishPacket('t', megabyte, 1)
  const piece = Math.ceil(packet.length / 5)
  for (let at = 0; at < packet.length; at += piece) {
    await pause(at === 0 ? 0 : 500)
    socket.write(packet.subarray(at, at + piece))
  }
  await until(() => packets.length + reasonsIn(broker).length, count => count === 1)
  assert.deepEqual([packets.map(({ cmd }) => cmd), reasonsIn(broker)], [['puback'], []])
})
