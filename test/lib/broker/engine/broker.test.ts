import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect, createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test, type TestContext } from 'node:test'
import { generate, parser, type Packet } from 'mqtt-packet'
import type { ListenerState } from '../../../../lib/broker/broker.ts'
import { attachBroker, closeAllBrokers, closeOrphanBrokers, detachBroker, findBroker, flowsStarting, flowsStopped } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, removeBroker, type TestOptions } from '../../../helpers/broker.ts'
import { closing, once, until, waitFor } from '../../../helpers/events.ts'
import { publishPacket, rawSocket } from '../../../helpers/raw-client.ts'

const loopback = brokerOptions()

async function firstState (t: { after (fn: () => unknown): void }, options: TestOptions = {}) {
  const id = randomUUID()
  const place = findBroker(id)
  t.after(() => removeBroker(id))
  const state = waitFor<ListenerState>(place, 'listener', ({ state }) => state !== 'starting')
  await attachBroker(id, brokerOptions(options))
  return { id, place, state: await state }
}

function portIsFree (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer().once('error', () => { resolve(false) })
    server.listen(port, '127.0.0.1', () => server.close(() => { resolve(true) }))
  })
}

test('clients publish and subscribe, and each step is reported as plain data', async t => {
  const broker = await openBroker(t)
  const client = await broker.client({ clientId: 'c1', username: 'u1' })
  await client.subscribeAsync('a/#', { qos: 1 })
  const message = once(client, 'message')
  await client.publishAsync('a/b', 'hello', { qos: 1 })
  assert.equal((await message)[1].toString(), 'hello')
  await client.unsubscribeAsync('a/#')
  await client.endAsync()
  await until(() => broker.events.length, n => n === 4)
  assert.deepEqual(JSON.parse(JSON.stringify(broker.events)), [
    { event: 'connected', clientId: 'c1', username: 'u1', address: '127.0.0.1', clean: true, version: '3.1.1' },
    { event: 'subscribed', clientId: 'c1', subscriptions: [{ topic: 'a/#', qos: 1 }] },
    { event: 'unsubscribed', clientId: 'c1', topics: ['a/#'] },
    { event: 'disconnected', clientId: 'c1', username: 'u1', address: '127.0.0.1', reason: 'the client disconnected' }
  ])
  const { connections, received, delivered, clients } = broker.place.statistics()
  assert.deepEqual({ connections, received, delivered, clients }, { connections: 1, received: 1, delivered: 1, clients: 0 })
})

test('clients are counted by the version of MQTT that they speak', async t => {
  const broker = await openBroker(t)
  await broker.client({ clientId: 'old', protocolVersion: 3, protocolId: 'MQIsdp' })
  const left = await broker.client({ clientId: 'left' })
  await broker.client({ clientId: 'usual' })
  await broker.client({ clientId: 'new', protocolVersion: 5 })
  await left.endAsync()
  await until(() => broker.events.length, n => n === 5)
  const expected = { '3.1': 1, '3.1.1': 1, '5': 1 }
  assert.deepEqual(broker.place.statistics().clientsByVersion, expected)
  assert.deepEqual(broker.place.snapshot()?.clients.byVersion, expected)
  assert.deepEqual(broker.place.clients().map(({ clientId, version }) => [clientId, version]), [['old', '3.1'], ['usual', '3.1.1'], ['new', '5']])
  assert.deepEqual(broker.events.flatMap(event => event.event === 'connected' ? [event.version] : []), ['3.1', '3.1.1', '3.1.1', '5'])
})

test('a client that is taken over is reported with the reason', async t => {
  const broker = await openBroker(t)
  const old = await broker.client({ clientId: 'same' })
  const closed = closing(old)
  await broker.client({ clientId: 'same' })
  await closed
  await until(() => broker.events.find(({ event }) => event === 'disconnected'), event => event?.event === 'disconnected' && /took over/.test(event.reason))
})

test('$SYS/ belongs to the broker: what a client publishes there goes nowhere, and what it tells of clients stays inside', async t => {
  const broker = await openBroker(t)
  const client = await broker.client()
  const heard: string[] = []
  client.on('message', topic => { heard.push(topic) })
  await client.subscribeAsync(['$SYS/#', '$SYS/+/new/clients', 'end'])
  await client.publishAsync('$SYS/x', 'y', { qos: 1, retain: true })
  await broker.client({ clientId: 'another' })
  await client.publishAsync('end', '')
  await until(() => heard.includes('end'), Boolean)
  assert.deepEqual(heard, ['end'])
  assert.equal(broker.place.statistics().droppedBy['rules'], 1)
})

test('publish reaches subscribers, also as retained message', async t => {
  const broker = await openBroker(t)
  await broker.place.publish({ topic: 'a', payload: 'kept', qos: 1, retain: true })
  const client = await broker.client()
  const message = once(client, 'message')
  await client.subscribeAsync('a')
  assert.equal((await message)[1].toString(), 'kept')
})

test('publishing to a broker that is not there is an error', async () => {
  await assert.rejects(findBroker('nowhere').publish({ topic: 'a', payload: '', qos: 0, retain: false }), /BROKER_MISSING/)
})

test('a taken port is reported once it is found, and opened once it is free', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const { place, state } = await firstState(t, { port })
  assert.match(state.state === 'failed' ? state.error.message : '', /BROKER_PORT_TAKEN: Port \d+ is taken\./)
  const listening = waitFor<ListenerState>(place, 'listener', ({ state }) => state === 'listening')
  other.close()
  await listening
})

const outside = Object.values(networkInterfaces()).flat().find(address => address?.family === 'IPv4' && !address.internal)?.address ?? '192.0.2.1'
for (const [name, options, code] of [
  ['an unknown host', { host: 'no.such.host.invalid' }, /BROKER_HOST_INVALID/],
  ['an address of another machine', { host: '192.0.2.1', anonymous: true }, /BROKER_HOST_INVALID/],
  ['a network address without users', { host: outside }, /BROKER_NETWORK_CLOSED/],
  ['every address without users', { host: '0.0.0.0' }, /BROKER_NETWORK_CLOSED/],
  ['a port above 65535', { port: 70_000 }, /BROKER_PORT_INVALID/],
  ['a port that is no number', { port: Number.NaN }, /BROKER_PORT_INVALID/]
] as const) {
  test(`${name} is a clear error`, async t => {
    const { state } = await firstState(t, options)
    assert.match(state.state === 'failed' ? state.error.message : '', code)
  })
}

test('without users only this machine may connect; with the box ticked, the network may', async t => {
  const closed = await firstState(t)
  assert.equal(closed.state.state === 'listening' && closed.state.host, '127.0.0.1')
  const open = await firstState(t, { anonymous: true })
  assert.match(open.state.state === 'listening' ? open.state.host : '', /^(::|0\.0\.0\.0)$/)
  const named = await firstState(t, { host: 'localhost' })
  assert.equal(named.state.state, 'listening')
})

test('a deploy with the same properties keeps every client', async t => {
  const broker = await openBroker(t)
  const client = await broker.client()
  detachBroker(broker.id)
  flowsStopped(() => { void closeOrphanBrokers() })
  flowsStarting()
  await attachBroker(broker.id, loopback)
  await closeOrphanBrokers()
  await client.publishAsync('a', 'still here', { qos: 1 })
  assert.deepEqual(broker.events.map(({ event }) => event), ['connected'])
})

test('a changed listener hangs up, and the new one has the port', async t => {
  const broker = await openBroker(t)
  const client = await broker.client()
  const closed = closing(client)
  const listening = waitFor<ListenerState>(broker.place, 'listener', ({ state }) => state === 'listening')
  await attachBroker(broker.id, brokerOptions({ host: 'localhost', port: broker.port }))
  await closed
  assert.equal((await listening as { port: number }).port, broker.port)
})

test('a broker without a node after a deploy is closed, and its port is free', async t => {
  const broker = await openBroker(t)
  await removeBroker(broker.id)
  assert.ok(await portIsFree(broker.port))
})

test('flows that stop for good close the broker', async t => {
  const broker = await openBroker(t)
  detachBroker(broker.id)
  flowsStopped(() => { void closeOrphanBrokers() })
  await until(() => portIsFree(broker.port), Boolean)
})

test('a removed broker frees its port within a second, also with clients that say nothing', async t => {
  const broker = await openBroker(t)
  const silent = connect(broker.port, '127.0.0.1')
  silent.on('error', () => undefined)
  await once(silent, 'connect')
  const client = await broker.client()
  const closed = closing(client)
  const started = performance.now()
  await removeBroker(broker.id)
  assert.ok(await portIsFree(broker.port))
  assert.ok(performance.now() - started < 1000)
  await closed
})

test('another broker may take the port of one that a deploy left behind', async t => {
  const broker = await openBroker(t)
  detachBroker(broker.id)
  const { state } = await firstState(t, { port: broker.port })
  assert.equal(state.state, 'listening')
})

test('a subscriber that stops reading is cut off and keeps nobody else waiting', async t => {
  const broker = await openBroker(t)
  const slow = await broker.client({ clientId: 'slow' })
  await slow.subscribeAsync('flood', { qos: 1 })
  slow.stream.pause()
  const received = { count: 0 }
  const quick = await broker.client({ clientId: 'quick' })
  quick.on('message', () => { received.count++ })
  await quick.subscribeAsync('flood', { qos: 1 })
  const payload = Buffer.alloc(32 * 1024)
  const started = performance.now()
  for (let i = 0; i < 400; i++) await broker.place.publish({ topic: 'flood', payload, qos: 1, retain: false })
  await until(() => received.count, n => n === 400)
  assert.ok(performance.now() - started < 5000, 'the quick one had to wait')
  await until(() => broker.events.find(event => event.event === 'disconnected' && event.clientId === 'slow'), event => event?.event === 'disconnected' && /too slowly/.test(event.reason))
  assert.equal(broker.place.statistics().cutOff, 1)
})

test('closing everything may be done at any time', async t => {
  const broker = await openBroker(t)
  const client = await broker.client()
  await Promise.all([closing(client), closeAllBrokers()])
  await closeAllBrokers()
  assert.ok(await portIsFree(broker.port))
})

test('this process hears what is published, also by a broker that was made anew, with who published it', async t => {
  const broker = await openBroker(t)
  const heard: string[] = []
  const end = broker.place.subscribe('+/b', ({ topic, payload, clientId, origin }) => { heard.push(`${topic} ${payload} ${clientId ?? '-'} ${origin ?? '-'}`) })
  const client = await broker.client({ clientId: 'c1' })
  await client.publishAsync('a/b', 'one', { qos: 1 })
  await broker.place.publish({ topic: 'a/b', payload: 'two', qos: 0, retain: false }, 'a bridge')
  await broker.place.publish({ topic: '$a/b', payload: 'hidden', qos: 0, retain: false })
  await removeBroker(broker.id)
  const listening = waitFor<ListenerState>(broker.place, 'listener', ({ state }) => state === 'listening')
  await attachBroker(broker.id, loopback)
  await listening
  await broker.place.publish({ topic: 'a/b', payload: 'three', qos: 1, retain: false })
  end()
  await broker.place.publish({ topic: 'a/b', payload: 'four', qos: 1, retain: false })
  assert.deepEqual(heard, ['a/b one c1 -', 'a/b two - a bridge', 'a/b three - -'])
})

/** A device that says CONNECT and then what it is told to, with what the broker answers. */
async function device (t: TestContext, port: number, connect: object = {}) {
  const socket = await rawSocket(t, port)
  const answers: Packet[] = []
  const parsing = parser().on('packet', packet => { answers.push(packet) })
  socket.on('data', bytes => { parsing.parse(bytes) })
  socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'device', keepalive: 0, clean: true, ...connect } as Packet))
  await until(() => answers.length, count => count > 0)
  return { socket, answers }
}

// https://github.com/eclipse-paho/paho.mqtt.c/issues/775 and https://github.com/Yakifo/amqtt/issues/154: Mosquitto and others refused such clients.
test('a last will without a payload is published as one', async t => {
  const broker = await openBroker(t)
  const wills: string[] = []
  broker.place.subscribe('lwt', ({ topic, payload }) => { wills.push(`${topic} ${payload.length}`) })
  const { socket, answers } = await device(t, broker.port, { will: { topic: 'lwt', payload: Buffer.alloc(0), qos: 1, retain: true } })
  assert.deepEqual(answers.map(answer => answer.cmd === 'connack' && answer.returnCode), [0])
  socket.destroy()
  assert.deepEqual(await until(() => wills, wills => wills.length > 0), ['lwt 0'])
})

// https://github.com/256dpi/arduino-mqtt/issues/90 and https://github.com/espressif/esp-mqtt/pull/183: half of a login.
test('where nobody has to log in, half of a login is no reason to refuse a device', async t => {
  const broker = await openBroker(t)
  for (const login of [{ username: 'ana' }, { username: 'ana', password: Buffer.alloc(0) }, { username: '', password: Buffer.from('secret') }]) {
    const { answers } = await device(t, broker.port, login)
    assert.deepEqual(answers.map(answer => answer.cmd === 'connack' && answer.returnCode), [0])
  }
})

for (const clean of [true, false]) {
  // https://github.com/ioBroker/ioBroker.mqtt/pull/586: a device repeated its PUBREC until it got a PUBREL, and nothing else went on.
  test(`acknowledgements of messages that the broker knows no more are answered, ${clean ? 'without' : 'with'} a session`, async t => {
    const broker = await openBroker(t)
    const { socket, answers } = await device(t, broker.port, { clean })
    for (const [i, cmd] of (['pubrec', 'pubrel', 'puback', 'pubcomp'] as const).entries()) socket.write(generate({ cmd, messageId: i + 1 } as Packet))
    socket.write(generate({ cmd: 'pingreq' }))
    await until(() => answers, answers => answers.length === 4)
    assert.deepEqual(answers.map(({ cmd, messageId }) => `${cmd} ${messageId ?? ''}`).sort(), ['connack ', 'pingresp ', 'pubcomp 2', 'pubrel 1'])
  })
}

const overhanging = publishPacket('agent/message', '{"agent":{"uuid":"a"},"metrics":[{"type":"°C","value":1}]}', 0)
overhanging.writeUInt8(overhanging.readUInt8(1) - 1, 1)
const unnumbered = publishPacket('agent/message', '{}', 1, 1)
unnumbered.writeUInt16BE(0, 2 + 2 + 'agent/message'.length)
for (const [what, packet, reason] of [
  // https://github.com/peterhinch/micropython-mqtt/issues/115, issues/157 and issues/66: the first `°` had a device reconnect for ever.
  ['counts characters for bytes', overhanging, 'JSON that goes on behind its PUBLISH, whose length has to count bytes rather than characters'],
  // https://github.com/eclipse-mosquitto/mosquitto/issues/2681: an inverter numbers from 0, and its owner looked for days.
  ['numbers its messages from 0', unnumbered, 'packet id 0']
] as const) {
  test(`a device that ${what} is told why its connection ends`, async t => {
    const broker = await openBroker(t)
    const { socket } = await device(t, broker.port)
    socket.write(packet)
    await closing(socket)
    const gone = await until(() => broker.events.find(({ event }) => event === 'disconnected'), event => event !== undefined)
    assert.equal(gone?.event === 'disconnected' && gone.reason, reason)
  })
}
