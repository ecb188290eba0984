import assert from 'node:assert/strict'
import { execFile, fork, type ChildProcess } from 'node:child_process'
import { rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect as connectLater, connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import mqttPacket, { type Packet } from 'mqtt-packet'
import sqlite3 from 'sqlite3'
import { openPersistence } from '../../../../lib/broker/persistence/persistence.ts'
import { openPersistentBroker, type Options, type PersistentBroker } from '../../../fixtures/persistent-broker.ts'
import { once, until, waitFor } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'

const limits = { retainedMessages: 1_000, offlineMessages: 1_000, offlineBytes: 1_000_000, retainedBytes: 0, offlineTotalBytes: 0, sessionExpiry: 0 }
const program = fileURLToPath(new URL('../../../fixtures/persistent-broker.ts', import.meta.url))

async function openBroker (t: TestContext, options: Options): Promise<PersistentBroker> {
  const broker = await openPersistentBroker(options)
  t.after(() => broker.close())
  return broker
}

/** A broker in a process of its own, to be killed. */
async function forkBroker (t: TestContext, options: Options): Promise<{ process: ChildProcess, port: number, refused?: string, kill: () => Promise<void> }> {
  const child = fork(program, [JSON.stringify(options)])
  const exit = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exit
  }
  t.after(kill)
  return { process: child, kill, ...await waitFor<{ port: number, refused?: string }>(child, 'message') }
}

async function connect (t: TestContext, port: number, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

/** The topics that have a retained message, with its bytes. */
async function retainedTopics (t: TestContext, { port, persistence }: PersistentBroker): Promise<Array<[string, number]>> {
  const { client, got } = await receive(t, port, {})
  await client.subscribeAsync('+')
  await until(() => got.length, count => count === persistence.counters.retained)
  await client.endAsync()
  return got.map(({ topic, payload }): [string, number] => [topic, payload.length]).sort()
}

type Got = { topic: string, payload: string, qos: number, retain: boolean, dup: boolean }

/** Connects, and keeps what comes from the first packet on. */
async function receive (t: TestContext, port: number, options: IClientOptions): Promise<{ client: MqttClient, got: Got[] }> {
  const got: Got[] = []
  const client = connectLater(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options })
  t.after(() => { client.end(true) })
  client.on('message', (topic, payload, { qos, retain, dup }) => got.push({ topic, payload: payload.toString(), qos, retain, dup }))
  await once(client, 'connect')
  return { client, got }
}

/** A client that answers nothing by itself. */
async function speak (t: TestContext, port: number, clientId: string, will?: { topic: string, payload: Buffer }) {
  const socket = connectSocket(port, '127.0.0.1')
  t.after(() => { socket.destroy() })
  const packets: Packet[] = []
  const parser = mqttPacket.parser().on('packet', packet => { packets.push(packet) })
  socket.on('error', () => undefined).on('data', data => { parser.parse(data) })
  const send = (packet: Packet): void => { socket.write(mqttPacket.generate(packet)) }
  /** The next packet of the kind. */
  const next = async (cmd: string): Promise<Packet & { messageId?: number }> => {
    await until(() => packets.map(packet => packet.cmd), cmds => cmds.some(one => one === cmd))
    return packets.splice(packets.findIndex(packet => packet.cmd === cmd), 1)[0]!
  }
  send({ cmd: 'connect', clientId, clean: false, keepalive: 0, protocolId: 'MQTT', protocolVersion: 4, ...will === undefined ? {} : { will: { qos: 1, retain: false, ...will } } })
  await next('connack')
  return { socket, packets, send, next }
}

/** Subscribes as a client that wants its session to be kept, and goes. */
async function leaveSession (t: TestContext, port: number, clientId: string, filters: string | string[], qos: 0 | 1 | 2): Promise<void> {
  const client = await connect(t, port, { clientId, clean: false })
  await client.subscribeAsync(filters, { qos })
  await client.endAsync()
}

const payloads = (got: Got[]): string[] => got.map(({ payload }) => payload)

// What every persistence of aedes has to do.
const abstractTests = createRequire(createRequire(import.meta.url).resolve('aedes'))('aedes-persistence/abstract.js') as (options: object) => void
for (const kept of ['in memory', 'on disk']) {
  test(`${kept} it does what aedes asks of a persistence`, async t => {
    const running: Array<Promise<void>> = []
    abstractTests({
      test: (name: string, run: (t: TestContext) => Promise<void>) => running.push(t.test(name, run)),
      testAsync: true,
      persistence: async () => openPersistence({ folder: kept === 'on disk' ? await temporaryFolder(t) : undefined, limits })
    })
    await Promise.all(running)
  })
}

test('what was acknowledged is there after each of five kills in the middle of a load, once and in order', async t => {
  const folder = await temporaryFolder(t)
  let broker = await forkBroker(t, { folder })
  const { port } = broker
  await leaveSession(t, port, 'away', 'load/#', 2)
  // It goes on after each kill, and sends again what was not acknowledged: with QoS 2 it comes exactly once.
  const lasting = await connect(t, port, { clientId: 'lasting', clean: false, reconnectPeriod: 20 })
  const acknowledged: Record<string, number[]> = { lasting: [] }
  const sent: Record<string, number> = { lasting: 0 }
  let loading = true
  const publish = (client: MqttClient, name: string, qos: 0 | 1 | 2): void => {
    const number = sent[name]!++
    client.publish(`load/${name}`, String(number), { qos, retain: number % 10 === 0 }, error => {
      if (!error) acknowledged[name]!.push(number)
      if (loading && !error) publish(client, name, qos)
    })
  }
  for (let i = 0; i < 20; i++) publish(lasting, 'lasting', 2)
  for (let run = 1; run <= 5; run++) {
    const passing: string[] = []
    for (const qos of [1, 1, 2] as const) {
      const name = `run${run}-${passing.length}-qos${qos}`
      passing.push(name)
      acknowledged[name] = []
      sent[name] = 0
      const client = await connect(t, port, { clientId: name })
      for (let i = 0; i < 20; i++) publish(client, name, qos)
    }
    const before = acknowledged.lasting!.length
    await until(() => [acknowledged.lasting!.length - before, ...passing.map(name => acknowledged[name]!.length)], counts => counts.every(count => count > 50))
    await broker.kill()
    broker = await forkBroker(t, { folder, port })
  }
  loading = false
  await until(() => acknowledged.lasting!.length, count => count === sent.lasting)

  await broker.kill()

  const { persistence } = await openBroker(t, { folder, port })
  const { got } = await receive(t, port, { clientId: 'away', clean: false })
  await until(() => persistence.counters.offline, count => count === 0, 30_000)
  for (const [name, numbers] of Object.entries(acknowledged)) {
    const received = got.filter(({ topic }) => topic === `load/${name}`).map(({ payload }) => Number(payload))
    const there = new Set(received)
    assert.deepEqual(numbers.filter(number => !there.has(number)), [], `${name}: everything acknowledged`)
    assert.equal(received.length, there.size, `${name}: nothing twice`)
    if (name !== 'lasting') assert.deepEqual(received, [...received].sort((a, b) => a - b), `${name}: in order`)
  }
  assert.equal(got.filter(({ topic }) => topic === 'load/lasting').length, sent.lasting)
  const { got: retained, client } = await receive(t, port, { clientId: 'reader' })
  await client.subscribeAsync('load/lasting')
  await until(() => retained.length, count => count === 1)
  assert.ok(retained[0]!.retain)
})

test('subscriptions, retained messages and their removal survive a kill', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  await leaveSession(t, first.port, 'away', ['a/+', 'b/#'], 1)
  const left = await connect(t, first.port, { clientId: 'left', clean: false })
  await left.subscribeAsync(['c', 'd'], { qos: 1 })
  await left.unsubscribeAsync('c')
  const publisher = await connect(t, first.port)
  await publisher.publishAsync('kept', 'old', { qos: 1, retain: true })
  await publisher.publishAsync('kept', Buffer.from([0, 255, 10]), { qos: 1, retain: true })
  await publisher.publishAsync('cleared', 'x', { qos: 1, retain: true })
  await publisher.publishAsync('cleared', '', { qos: 1, retain: true })
  await first.kill()

  const { port, persistence } = await openBroker(t, { folder })
  assert.equal(persistence.counters.sessions, 2)
  assert.equal(persistence.counters.retained, 1)
  assert.equal(persistence.counters.retainedBytes, 7)
  const subscriptions = await Promise.all(['away', 'left'].map(id => persistence.subscriptionsByClient({ id })))
  assert.deepEqual(subscriptions.map(ofOne => ofOne.map(({ topic }) => topic)), [['a/+', 'b/#'], ['d']])
  const { client } = await receive(t, port, { clientId: 'reader' })
  const message = once(client, 'message')
  await client.subscribeAsync('#')
  assert.deepEqual((await message)[1], Buffer.from([0, 255, 10]))
  await (await connect(t, port)).publishAsync('b/c', 'new', { qos: 1 })
  assert.deepEqual(payloads((await receive(t, port, { clientId: 'away', clean: false }).then(async away => { await until(() => away.got.length, count => count === 1); return away })).got), ['new'])
})

test('the will of a client that a killed broker had is published after the restart, unless it comes back', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  for (const clientId of ['gone', 'back']) await speak(t, first.port, clientId, { topic: 'wills', payload: Buffer.from(clientId) })
  await leaveSession(t, first.port, 'away', 'wills', 1)
  await first.kill()
  // aedes looks for wills after four heartbeats.
  const { port, persistence } = await openBroker(t, { folder, heartbeatInterval: 100 })
  await connect(t, port, { clientId: 'back', clean: false })
  await until(() => persistence.counters.offline, count => count === 1)
  const { got } = await receive(t, port, { clientId: 'away', clean: false })
  await until(() => got.length, count => count === 1)
  assert.deepEqual(payloads(got), ['gone'])
})

test('a client that takes a client id over keeps its own last will through a kill', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  await leaveSession(t, first.port, 'away', 'wills', 1)
  for (const payload of ['first', 'second']) await speak(t, first.port, 'device', { topic: 'wills', payload: Buffer.from(payload) })
  // When theirs are on the disk, so is what became of the first one's.
  const { client, got } = await receive(t, first.port, { clientId: 'away', clean: false })
  await until(() => got.length, count => count === 1)
  await client.endAsync()
  for (const clientId of ['a', 'b']) await speak(t, first.port, clientId, { topic: 'other', payload: Buffer.from('x') })
  await first.kill()
  const { port, persistence } = await openBroker(t, { folder, heartbeatInterval: 100 })
  await until(() => persistence.counters.offline, count => count === 1)
  const after = await receive(t, port, { clientId: 'away', clean: false })
  await until(() => after.got.length, count => count === 1)
  assert.deepEqual([payloads(got), payloads(after.got)], [['first'], ['second']])
})

test('a clock that leaps publishes no last will of a client that is here', async t => {
  const { port } = await openBroker(t, { folder: undefined, heartbeatInterval: 20 })
  const [{ got, client }] = await Promise.all([receive(t, port, { clientId: 'reader' }), speak(t, port, 'here', { topic: 'wills', payload: Buffer.from('gone') })])
  await client.subscribeAsync(['wills', 'end'])
  const { now } = Date
  let hours = 0
  t.mock.method(Date, 'now', () => now() + 3_600_000 * hours++)
  // aedes looks for wills after four heartbeats.
  await setTimeout(200)
  await client.publishAsync('end', 'end', { qos: 1 })
  await until(() => got.length, count => count > 0)
  assert.deepEqual(payloads(got), ['end'])
})

test('a QoS 2 message that is sent again after a kill is not published again', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  await leaveSession(t, first.port, 'away', 'two', 2)
  const message = { cmd: 'publish', topic: 'two', payload: 'x', qos: 2, messageId: 7, dup: false, retain: false } as const
  const before = await speak(t, first.port, 'sender')
  before.send(message)
  await before.next('pubrec')
  await first.kill()

  const second = await openBroker(t, { folder })
  const after = await speak(t, second.port, 'sender')
  after.send({ ...message, dup: true })
  await after.next('pubrec')
  assert.equal(second.persistence.counters.offline, 1)
  after.send({ cmd: 'pubrel', messageId: 7 })
  await after.next('pubcomp')
  // The id is free again.
  after.send(message)
  await after.next('pubrec')
  assert.equal(second.persistence.counters.offline, 2)
})

test('after a kill a delivery of QoS 2 goes on where it was, under the same message id', async t => {
  const folder = await temporaryFolder(t)
  const first = await forkBroker(t, { folder })
  await leaveSession(t, first.port, 'reader', 'two', 2)
  const publisher = await connect(t, first.port)
  for (const payload of ['released', 'sent']) await publisher.publishAsync('two', payload, { qos: 2 })
  const before = await speak(t, first.port, 'reader')
  const [released, sent] = [await before.next('publish'), await before.next('publish')]
  before.send({ cmd: 'pubrec', messageId: released.messageId! })
  await before.next('pubrel')
  await first.kill()

  const second = await openBroker(t, { folder })
  const after = await speak(t, second.port, 'reader')
  assert.equal((await after.next('pubrel')).messageId, released.messageId)
  const again = await after.next('publish') as Packet & { dup: boolean, payload: Buffer }
  assert.deepEqual([again.messageId, again.dup, again.payload.toString()], [sent.messageId, true, 'sent']) // [MQTT-4.4.0-1], [MQTT-3.3.1-1]
  after.send({ cmd: 'pubcomp', messageId: released.messageId! })
  after.send({ cmd: 'pubrec', messageId: again.messageId! })
  await after.next('pubrel')
  after.send({ cmd: 'pubcomp', messageId: again.messageId! })
  await until(() => second.persistence.counters, ({ offline, offlineBytes }) => offline === 0 && offlineBytes === 0)
})

for (const folder of [false, true]) {
  const where = folder ? 'on disk' : 'in memory'
  const place = async (t: TestContext): Promise<string | undefined> => folder ? temporaryFolder(t) : undefined

  test(`a queue that is full takes no further message and counts them, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t), limits: { offlineMessages: 3, offlineBytes: 100 } })
    await leaveSession(t, port, 'count', 'small', 1)
    await leaveSession(t, port, 'bytes', 'large', 1)
    const publisher = await connect(t, port)
    for (let i = 0; i < 5; i++) await publisher.publishAsync('small', String(i), { qos: 1 })
    for (let i = 0; i < 3; i++) await publisher.publishAsync('large', String(i).repeat(45), { qos: 1 })
    const { offline, offlineBytes, droppedOffline, sessions } = persistence.counters
    assert.deepEqual({ offline, offlineBytes, droppedOffline, sessions }, { offline: 5, offlineBytes: 118, droppedOffline: 3, sessions: 2 })
    const { got } = await receive(t, port, { clientId: 'count', clean: false })
    await until(() => got.length, count => count === 3)
    assert.deepEqual(payloads(got), ['0', '1', '2'])
    await until(() => persistence.counters.offline, count => count === 2)
    await publisher.publishAsync('small', 'room', { qos: 1 })
    await until(() => got.at(-1)?.payload, payload => payload === 'room')
  })

  test(`the queues of all sessions together are bounded in bytes, and a message in many of them counts once, ${where}`, async t => {
    const folder = await place(t)
    const limits = { offlineTotalBytes: 10_000 }
    const first = await openBroker(t, { folder, limits })
    for (const id of ['1', '2', '3']) {
      await leaveSession(t, first.port, `own ${id}`, id, 1)
      await leaveSession(t, first.port, `all ${id}`, 'all', 1)
    }
    const publisher = await connect(t, first.port)
    await publisher.publishAsync('all', Buffer.alloc(4_000), { qos: 1 })
    await publisher.publishAsync('1', Buffer.alloc(3_500), { qos: 1 })
    await publisher.publishAsync('2', Buffer.alloc(3_500), { qos: 1 })
    const { offline, droppedOffline } = first.persistence.counters
    assert.deepEqual({ offline, droppedOffline }, { offline: 4, droppedOffline: 1 })
    let now = first
    if (folder !== undefined) {
      await first.close()
      now = await openBroker(t, { folder, limits })
    }
    const again = await connect(t, now.port)
    await again.publishAsync('3', Buffer.alloc(3_500), { qos: 1 })
    assert.equal(now.persistence.counters.offline, 4)
    const { got } = await receive(t, now.port, { clientId: 'own 1', clean: false })
    await until(() => [got.length, now.persistence.counters.offline], ([count, offline]) => count === 1 && offline === 3)
    await again.publishAsync('3', Buffer.alloc(3_500), { qos: 1 })
    assert.equal(now.persistence.counters.offline, 4)
    // No room, but within its share: one of seven.
    await leaveSession(t, now.port, 'own 4', '4', 1)
    await again.publishAsync('4', Buffer.alloc(500), { qos: 1 })
    assert.equal(now.persistence.counters.offline, 5)
  })

  test(`shares of the room for all queues count places as well, and take no more than the room once again, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t), limits: { offlineTotalBytes: 100_000 } })
    const publisher = await connect(t, port)
    for (let i = 0; i < 20; i++) {
      await leaveSession(t, port, `own ${i}`, `own/${i}`, 1)
      await Promise.all(Array.from({ length: 300 }, () => publisher.publishAsync(`own/${i}`, 'x', { qos: 1 })))
    }
    const { offline, droppedOffline } = persistence.counters
    assert.equal(offline + droppedOffline, 20 * 300)
    assert.ok(offline * 512 > 100_000 && offline * 512 <= 200_000, `${offline} places`)
  })

  test(`a client that is connected gets also what its full queue does not take, ${where}`, async t => {
    const { port, persistence, errors } = await openBroker(t, { folder: await place(t), limits: { offlineMessages: 1 } })
    const reader = await speak(t, port, 'reader')
    reader.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2 }] })
    await reader.next('suback')
    const publisher = await connect(t, port)
    for (const payload of ['1', '2']) await publisher.publishAsync('a', payload, { qos: 2 })
    const messages = [await reader.next('publish'), await reader.next('publish')]
    for (const { messageId } of messages) {
      reader.send({ cmd: 'pubrec', messageId: messageId! })
      await reader.next('pubrel')
      reader.send({ cmd: 'pubcomp', messageId: messageId! })
    }
    await until(() => persistence.counters, ({ offline, droppedOffline }) => offline === 0 && droppedOffline === 1)
    assert.deepEqual(errors, [])
  })

  test(`beyond the limit no further topic is retained; what is there is replaced and cleared, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t), limits: { retainedMessages: 2 } })
    const publisher = await connect(t, port)
    for (const topic of ['a', 'b', 'c', 'c']) await publisher.publishAsync(topic, 'first', { qos: 1, retain: true })
    await publisher.publishAsync('a', 'second', { qos: 0, retain: true })
    await until(() => persistence.counters, ({ retained, refusedRetained, retainedBytes }) => retained === 2 && refusedRetained === 2 && retainedBytes === 13)
    assert.equal(await persistence.clearRetained('b'), true)
    assert.equal(await persistence.clearRetained('b'), false)
    await publisher.publishAsync('d', 'first', { qos: 1, retain: true })
    const { client, got } = await receive(t, port, {})
    await client.subscribeAsync('+')
    await until(() => got.length, count => count === 2)
    assert.deepEqual(got.map(({ topic, payload }) => [topic, payload]).sort(), [['a', 'second'], ['d', 'first']])
  })

  test(`what is retained is bounded in bytes; a topic whose new message does not fit has none, ${where}`, async t => {
    const folder = await place(t)
    // A level of a topic counts as 256.
    const retainedBytes = 3 * 256 + 100
    const first = await openBroker(t, { folder, limits: { retainedBytes } })
    const publisher = await connect(t, first.port)
    const retain = (topic: string, bytes: number): Promise<unknown> => publisher.publishAsync(topic, Buffer.alloc(bytes), { qos: 1, retain: true })
    for (const [topic, bytes] of [['a', 30], ['b', 30], ['c', 40], ['b', 10], ['c', 50], ['a', 60]] as const) await retain(topic, bytes)
    assert.deepEqual(await retainedTopics(t, first), [['b', 10], ['c', 50]])
    assert.deepEqual(first.persistence.dropped, { offlineLimit: 0, retainedLimit: 1 })
    if (folder === undefined) return
    await first.close()
    const second = await openBroker(t, { folder, limits: { retainedBytes } })
    const again = await connect(t, second.port)
    await again.publishAsync('d', Buffer.alloc(400), { qos: 1, retain: true })
    await again.publishAsync('e', Buffer.alloc(30), { qos: 1, retain: true })
    assert.deepEqual(await retainedTopics(t, second), [['b', 10], ['c', 50], ['e', 30]])
    assert.equal(second.persistence.dropped.retainedLimit, 1)
  })

  test(`a session whose client stays away too long ends with its queue, ${where}`, async t => {
    let now = 1_000_000
    const { port, persistence } = await openBroker(t, { folder: await place(t), limits: { sessionExpiry: 1 }, now: () => now })
    await leaveSession(t, port, 'away', 'a', 1)
    const here = await receive(t, port, { clientId: 'here', clean: false })
    await here.client.subscribeAsync('a', { qos: 1 })
    await (await connect(t, port)).publishAsync('a', 'x', { qos: 1 })
    await until(() => persistence.counters, ({ sessions, offline }) => sessions === 2 && offline === 1)
    now += 1_001
    await until(() => persistence.counters, ({ sessions, offline, expiredSessions }) => sessions === 1 && offline === 0 && expiredSessions === 1)
    const { client, got } = await receive(t, port, { clientId: 'away', clean: false })
    await (await connect(t, port)).publishAsync('a', 'y', { qos: 1 })
    await until(() => here.got.length, count => count === 2)
    assert.deepEqual(got, [])
    await client.endAsync()
  })

  test(`QoS 0 between messages of QoS 1 and 2 loses none of them, nor their order, ${where}`, async t => {
    const { port, persistence, errors } = await openBroker(t, { folder: await place(t) })
    const { client, got } = await receive(t, port, { clientId: 'reader', clean: false })
    await client.subscribeAsync('a/#', { qos: 2 })
    const publisher = await connect(t, port)
    const all = Array.from({ length: 1_500 }, (_, i) => publisher.publishAsync(`a/${i % 3}`, String(i), { qos: i % 3 as 0 | 1 | 2, retain: i % 7 === 0 }))
    await Promise.all(all)
    await until(() => got.length, count => count >= 1_500)
    for (const qos of [0, 1, 2]) assert.deepEqual(payloads(got.filter(message => message.qos === qos)), Array.from({ length: 500 }, (_, i) => String(3 * i + qos)))
    await until(() => persistence.counters.offline, count => count === 0)
    assert.deepEqual(errors, [])
  })

  test(`a message that several filters of a session match waits once, at the highest of their QoS, ${where}`, async t => {
    const { port } = await openBroker(t, { folder: await place(t) })
    const client = await connect(t, port, { clientId: 'away', clean: false })
    await client.subscribeAsync({ 'a/b': { qos: 0 }, 'a/#': { qos: 1 }, '+/b': { qos: 1 }, '+/x': { qos: 1 } })
    await client.endAsync()
    const publisher = await connect(t, port)
    await publisher.publishAsync('a/b', '1', { qos: 2 })
    await publisher.publishAsync('/x', '2', { qos: 1 }) // [MQTT-4.7.1-3]
    await publisher.publishAsync('$a/b', '3', { qos: 1 }) // [MQTT-4.7.2-1]
    const { got } = await receive(t, port, { clientId: 'away', clean: false })
    await until(() => got.length, count => count === 2)
    assert.deepEqual(got.map(({ payload, qos }) => [payload, qos]), [['1', 1], ['2', 1]])
  })

  test(`what may not be delivered does not stay in the queue of a client that is here, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t), authorizeForward: (_client, packet) => packet.topic === 'a/no' ? null : packet })
    const { client, got } = await receive(t, port, { clientId: 'reader', clean: false })
    await client.subscribeAsync('a/#', { qos: 1 })
    const publisher = await connect(t, port)
    for (const topic of ['a/no', 'a/yes', 'a/no']) await publisher.publishAsync(topic, topic, { qos: 1 })
    await until(() => [got.length, persistence.counters.offline], ([count, offline]) => count === 1 && offline === 0)
  })

  test(`a retained message of QoS 2 does not cut off a client with a session, ${where}`, async t => {
    const { port, errors } = await openBroker(t, { folder: await place(t) })
    await (await connect(t, port)).publishAsync('a', 'kept', { qos: 2, retain: true })
    const reader = await speak(t, port, 'reader')
    reader.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2 }] })
    const { messageId } = await reader.next('publish')
    reader.send({ cmd: 'pubrec', messageId: messageId! })
    await reader.next('pubrel')
    assert.deepEqual(errors, [])
  })

  test(`a clean session ends the one that was, its queue included, ${where}`, async t => {
    const { port, persistence } = await openBroker(t, { folder: await place(t) })
    await leaveSession(t, port, 'c', 'a', 1)
    await (await connect(t, port)).publishAsync('a', 'x', { qos: 1 })
    assert.equal(persistence.counters.offline, 1)
    await connect(t, port, { clientId: 'c', clean: true })
    const { sessions, offline, offlineBytes } = persistence.counters
    assert.deepEqual({ sessions, offline, offlineBytes }, { sessions: 0, offline: 0, offlineBytes: 0 })
  })
}

test('how long a client has been away is known after a restart', async t => {
  const folder = await temporaryFolder(t)
  let now = 1_000_000
  const options = { folder, limits: { ...limits, sessionExpiry: 3_600 }, now: () => now }
  const first = await openPersistence(options)
  for (const id of ['leaves', 'stays']) {
    first.clientCame(id, false)
    await first.addSubscriptions({ id }, [{ topic: 'a', qos: 1 }])
  }
  first.clientWent('leaves')
  await first.close()
  now += 2_000_000
  const second = await openPersistence(options)
  assert.equal(second.counters.sessions, 2)
  await second.close()
  now += 2_000_000
  // "stays" was there until the first close; what is away since is counted from the restart.
  const third = await openPersistence(options)
  assert.deepEqual([third.counters.sessions, third.counters.expiredSessions], [1, 1])
  third.clientCame('stays', false)
  now += 9_000_000
  third.limits = { ...options.limits }
  assert.equal(third.counters.sessions, 1)
  await third.close()
})

test('a filter that is refused is not stored, although another of the same packet is granted', async t => {
  const { port, persistence } = await openBroker(t, { folder: undefined, forbidden: ['secret'] })
  const client = await connect(t, port, { clientId: 'c', clean: false })
  await assert.rejects(client.subscribeAsync(['open', 'secret', 'public'], { qos: 1 }))
  await client.endAsync()
  const publisher = await connect(t, port)
  for (const topic of ['open', 'secret', 'public']) await publisher.publishAsync(topic, 'x', { qos: 1 })
  assert.equal(persistence.counters.offline, 2)
})

test('a session that holds nothing is not kept', async t => {
  const { port, persistence } = await openBroker(t, { folder: undefined })
  const client = await connect(t, port, { clientId: 'c', clean: false })
  assert.equal(persistence.counters.sessions, 1)
  await client.endAsync()
  await until(() => persistence.counters.sessions, count => count === 0)
})

test('a message in many queues is on the disk once, and goes with the last', async t => {
  const folder = await temporaryFolder(t)
  const first = await openPersistentBroker({ folder })
  for (const id of ['one', 'two']) await leaveSession(t, first.port, id, 'a', 1)
  await (await connect(t, first.port)).publishAsync('a', 'x', { qos: 1 })
  await first.close()
  assert.deepEqual(await kinds(folder), { message: 1, queued: 2, session: 2, subscription: 2 })
  const second = await openPersistentBroker({ folder })
  const { got } = await receive(t, second.port, { clientId: 'one', clean: false })
  await until(() => [got.length, second.persistence.counters.offline], ([count, offline]) => count === 1 && offline === 1)
  await connect(t, second.port, { clientId: 'two', clean: true })
  await second.close()
  assert.deepEqual(await kinds(folder), { session: 1, subscription: 1 })
})

test('a folder that cannot be written is refused', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'file'), '')
  await assert.rejects(openPersistence({ folder: join(folder, 'file', 'sub'), limits }), { code: 'BROKER_FOLDER_UNWRITABLE' })
})

test('a folder in use by another broker is refused, in this process and in another, until that one ends', async t => {
  const folder = await temporaryFolder(t)
  const first = await openPersistence({ folder, limits })
  const [, other] = await Promise.all([
    assert.rejects(openPersistence({ folder, limits }), { code: 'BROKER_FOLDER_IN_USE' }),
    forkBroker(t, { folder })
  ])
  assert.equal(other.refused, 'BROKER_FOLDER_IN_USE')
  await first.close()
  const next = await forkBroker(t, { folder })
  assert.equal(next.refused, undefined)
  await next.kill()
  await (await openPersistence({ folder, limits })).close()
})

test('a broker that opens a folder while its predecessor closes waits for it', async t => {
  const folder = await temporaryFolder(t)
  const first = await openPersistence({ folder, limits })
  const second = openPersistence({ folder, limits })
  await first.close()
  await (await second).close()
})

test('a damaged file and one of a newer version are refused, and not touched', async t => {
  const garbage = await temporaryFolder(t)
  await writeFile(join(garbage, 'broker.sqlite'), 'no database at all, whatever its name says. '.repeat(100))
  await assert.rejects(openPersistence({ folder: garbage, limits }), { code: 'BROKER_FOLDER_DAMAGED' })
  assert.equal((await stat(join(garbage, 'broker.sqlite'))).size, 4_400)

  for (const [statement, code] of [
    ['pragma user_version = 99', 'BROKER_FOLDER_NEWER'],
    ['insert into records values (1, \'{"kind":\')', 'BROKER_FOLDER_DAMAGED'],
    ['insert into records values (1, \'{"kind":"unheard of"}\')', 'BROKER_FOLDER_DAMAGED'],
    ['insert into records values (1, \'{"kind":"queued","client":"nobody","qos":1}\')', 'BROKER_FOLDER_DAMAGED']
  ] as const) {
    const folder = await temporaryFolder(t)
    await (await openPersistence({ folder, limits })).close()
    await query(folder, statement)
    await assert.rejects(openPersistence({ folder, limits }), { code })
  }
})

test('publishers wait while the disk is full, and are acknowledged when it has room again', { skip: process.platform !== 'linux' }, async t => {
  const folder = await temporaryFolder(t)
  const broker = await forkBroker(t, { folder })
  const limitFiles = (bytes: string) => promisify(execFile)('prlimit', ['--pid', String(broker.process.pid), `--fsize=${bytes}:unlimited`])
  await leaveSession(t, broker.port, 'away', 'a', 1)
  const publisher = await connect(t, broker.port)
  const failure = waitFor<{ failure?: string | null }>(broker.process, 'message')
  await limitFiles(String((await stat(join(folder, 'broker.sqlite-wal'))).size))
  let acknowledged = false
  const publishing = publisher.publishAsync('a', 'x'.repeat(100_000), { qos: 1 }).then(() => { acknowledged = true })
  assert.equal((await failure).failure, 'BROKER_FOLDER_UNWRITABLE')
  assert.equal(acknowledged, false)
  const recovery = waitFor<{ failure?: string | null }>(broker.process, 'message')
  await limitFiles('unlimited')
  await publishing
  assert.equal((await recovery).failure, null)
  const { got } = await receive(t, broker.port, { clientId: 'away', clean: false })
  await until(() => got.length, count => count === 1)
})

test('nothing is promised after the end', async t => {
  const folder = await temporaryFolder(t)
  const persistence = await openPersistence({ folder, limits })
  await persistence.close()
  await persistence.close()
  await assert.rejects(persistence.addSubscriptions({ id: 'c' }, [{ topic: 'a', qos: 1 }]), /closed/)
})

function query (folder: string, sql: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const db = new sqlite3.Database(join(folder, 'broker.sqlite'))
    db.all(sql, (error, rows) => { db.close(() => { if (error === null) resolve(rows); else reject(error) }) })
  })
}

/** How many records of each kind are on the disk. */
async function kinds (folder: string): Promise<Record<string, number>> {
  const rows = await query(folder, "select value->>'kind' as kind, count(*) as n from records group by 1 order by 1") as Array<{ kind: string, n: number }>
  return Object.fromEntries(rows.map(({ kind, n }) => [kind, n]))
}

for (const [what, ends] of [['the file', ['']], ['the file with its log', ['', '-wal', '-shm']], ['the folder', undefined]] as const) {
  test(`where ${what} is removed while the broker runs, all that was kept is in a new one before anything more is acknowledged`, async t => {
    const folder = join(await temporaryFolder(t), 'kept')
    const broker = await openBroker(t, { folder, limits })
    const publisher = await connect(t, broker.port)
    await publisher.publishAsync('kept/before', 'a', { qos: 1, retain: true })
    if (ends === undefined) await rm(folder, { recursive: true })
    else for (const end of ends) await rm(join(folder, `broker.sqlite${end}`), { force: true })
    await publisher.publishAsync('kept/after', 'b', { qos: 1, retain: true })
    await broker.close()
    const again = await openBroker(t, { folder, limits })
    const { client, got } = await receive(t, again.port, {})
    await client.subscribeAsync('kept/#', { qos: 1 })
    await until(() => got.length, length => length === 2)
    assert.deepEqual(got.map(({ topic }) => topic).sort(), ['kept/after', 'kept/before'])
  })
}
