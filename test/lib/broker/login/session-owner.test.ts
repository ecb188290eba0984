import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect, connectAsync, type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt'
import { generate, parser, type Packet } from 'mqtt-packet'
import sqlite3 from 'sqlite3'
import { hashPassword } from '../../../../lib/broker/access/passwords.ts'
import { openPersistence } from '../../../../lib/broker/persistence/persistence.ts'
import { openBroker, removeBroker, type TestBroker, type TestOptions } from '../../../helpers/broker.ts'
import { once, until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { rawSocket } from '../../../helpers/raw-client.ts'

const users = await Promise.all(['ada', 'bob'].map(async username => ({ username, hash: await hashPassword(`${username}'s secret`) })))
const ada = { username: 'ada', password: "ada's secret" }
const bob = { username: 'bob', password: "bob's secret" }
const nobody = {}

/** Subscribes as a client that wants its session to be kept, and goes; then a message comes for it. */
async function leaveSession (broker: TestBroker, who: IClientOptions): Promise<void> {
  const client = await broker.client({ ...who, clientId: 'device', clean: false })
  await client.subscribeAsync('letters', { qos: 1 })
  await client.endAsync()
  await send(broker, 'private')
}

async function send (broker: TestBroker, letter: string): Promise<void> {
  const sender = await broker.client(ada)
  await sender.publishAsync('letters', letter, { qos: 1 })
  await sender.endAsync()
}

/** Comes for the session, and keeps what is in it. */
async function resume (t: TestContext, { url }: TestBroker, who: IClientOptions): Promise<{ client: MqttClient, present: boolean, got: string[] }> {
  const got: string[] = []
  const client = connect(url, { ...who, clientId: 'device', clean: false, reconnectPeriod: 0 })
  t.after(() => { client.end(true) })
  client.on('message', (_topic, payload) => got.push(payload.toString()))
  const [{ sessionPresent }] = await once(client, 'connect') as [IConnackPacket]
  return { client, present: sessionPresent, got }
}

async function assertRefused (broker: TestBroker, who: IClientOptions): Promise<void> {
  for (const clean of [false, true]) await assert.rejects(broker.client({ ...who, clientId: 'device', clean }), /Identifier rejected/i)
}

/** A broker, and one after a restart where the first is on disk. */
async function openTwice (t: TestContext, kept: string, use: (broker: TestBroker) => Promise<void>): Promise<TestBroker> {
  const options: TestOptions = { users, anonymous: true, folder: kept === 'on disk' ? await temporaryFolder(t) : undefined }
  const broker = await openBroker(t, options)
  await use(broker)
  if (kept === 'in memory') return broker
  await removeBroker(broker.id)
  return await openBroker(t, options)
}

for (const kept of ['in memory', 'on disk']) {
  test(`a user's session, ${kept}, is resumed and ended by that user only`, async t => {
    const broker = await openTwice(t, kept, first => leaveSession(first, ada))
    await assertRefused(broker, bob)
    await assertRefused(broker, nobody)
    assert.equal(broker.place.statistics().refusedBy['clientIdTaken'], 4)
    const refused = broker.events.find(({ event }) => event === 'refused')
    assert.equal(refused !== undefined && 'reason' in refused && refused.reason, 'another user has a session with the client id')

    const { client, present, got } = await resume(t, broker, ada)
    await until(() => got, ([letter]) => letter === 'private')
    assert.equal(present, true)
    await client.endAsync()
    await broker.client({ ...ada, clientId: 'device', clean: true }).then(client => client.endAsync())
    // Nothing is kept any more: the client id is anybody's.
    assert.deepEqual((await resume(t, broker, bob)).got, [])
  })

  test(`an anonymous client's session, ${kept}, is resumed by an anonymous client, and ends when a user comes for it`, async t => {
    const broker = await openTwice(t, kept, first => leaveSession(first, nobody))
    const anonymous = await resume(t, broker, nobody)
    await until(() => anonymous.got, ([letter]) => letter === 'private')
    assert.equal(anonymous.present, true)
    await anonymous.client.endAsync()

    await send(broker, 'also private')
    const user = await resume(t, broker, ada)
    assert.equal(user.present, false)
    await user.client.subscribeAsync('other', { qos: 1 })
    await send(broker, 'nobody subscribed to it')
    await user.client.publishAsync('other', 'mine', { qos: 1 })
    await until(() => user.got, ([letter]) => letter !== undefined)
    assert.deepEqual(user.got, ['mine'])
    await user.client.endAsync()
    await assertRefused(broker, nobody)
  })
}

test('a session that an earlier version kept belongs to the first who resumes it, for good', async t => {
  const options: TestOptions = { users, folder: await temporaryFolder(t) }
  const first = await openBroker(t, options)
  await leaveSession(first, ada)
  await removeBroker(first.id)
  await query(options.folder!, "update records set value = json_remove(value, '$.owner'); pragma user_version = 1")

  const second = await openBroker(t, options)
  const { client, got } = await resume(t, second, bob)
  await until(() => got, ([letter]) => letter === 'private')
  await client.endAsync()
  await assertRefused(second, ada)
  await removeBroker(second.id)

  const third = await openBroker(t, options)
  await assertRefused(third, ada)
  assert.equal((await resume(t, third, bob)).present, true)
  await removeBroker(third.id)
  assert.deepEqual(await query(options.folder!, 'pragma user_version'), [{ user_version: 2 }])
})

test('a username that nothing proves opens no session, and takes no client id over', async t => {
  const broker = await openBroker(t)
  // As a listener does with the common name of a certificate.
  const proves = createServer(socket => { broker.place.accept(socket, { address: '127.0.0.1', local: true, username: 'ada', socket }) }).listen(0, '127.0.0.1')
  t.after(() => { proves.close() })
  await once(proves, 'listening')
  for (const clean of [true, false]) {
    const client = await connectAsync({ port: (proves.address() as AddressInfo).port, host: '127.0.0.1', clientId: 'device', clean, reconnectPeriod: 0 })
    t.after(() => { client.end(true) })
    await client.subscribeAsync('letters', { qos: 1 })
    await assertRefused(broker, { username: 'ada' })
    await client.endAsync()
  }
  await assertRefused(broker, { username: 'ada' })
})

test('a client that is refused does not make the broker forget what the one with its id has sent', async t => {
  const broker = await openBroker(t, { users })
  const heard: string[] = []
  t.after(broker.place.subscribe('once', ({ payload }) => { heard.push(payload.toString()) }))
  const socket = await rawSocket(t, broker.port)
  const packets: string[] = []
  const incoming = parser().on('packet', ({ cmd }: Packet) => { packets.push(cmd) })
  socket.on('data', data => { incoming.parse(data) })
  const ask = async (packet: object, answer: string): Promise<void> => {
    const before = packets.length
    socket.write(generate(packet as Packet))
    await until(() => packets.slice(before), cmds => cmds.includes(answer))
  }
  const publish = { cmd: 'publish', topic: 'once', payload: 'x', qos: 2, messageId: 7, dup: false, retain: false }
  await ask({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'device', keepalive: 0, clean: false, ...ada }, 'connack')
  await ask(publish, 'pubrec')
  await assert.rejects(broker.client({ ...bob, clientId: 'device', clean: true }), /Identifier rejected/i)
  await assert.rejects(broker.client({ ...ada, password: 'wrong', clientId: 'device', clean: true }))
  await ask({ ...publish, dup: true }, 'pubrec')
  await ask({ cmd: 'pubrel', messageId: 7 }, 'pubcomp')
  assert.deepEqual(heard, ['x'])
})

test('a client that registers after another user took the client id does not get the session', async () => {
  const limits = { retainedMessages: 0, retainedBytes: 0, offlineTotalBytes: 0, offlineMessages: 0, offlineBytes: 0, sessionExpiry: 0 }
  const persistence = await openPersistence({ folder: undefined, limits })
  assert.equal(persistence.claimSession('device', 'ada'), true)
  assert.equal(persistence.claimSession('device', 'bob'), true)
  assert.equal(persistence.clientCame('device', false, 'ada'), true)
  assert.deepEqual([persistence.clientCame('device', false, 'bob'), persistence.clientCame('device', true, 'bob')], [false, false])
  assert.deepEqual([persistence.hasSession('device'), persistence.claimSession('device', 'ada')], [true, true])
  await persistence.close()
})

function query (folder: string, sql: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const db = new sqlite3.Database(join(folder, 'broker.sqlite'))
    const run = sql.includes(';') ? db.exec.bind(db) : db.all.bind(db)
    run(sql, (error: Error | null, rows?: unknown[]) => { db.close(() => { if (error === null) resolve(rows ?? []); else reject(error) }) })
  })
}

for (const kept of ['in memory', 'on disk']) {
  test(`a user with as many sessions as there may be, ${kept}, leaves the others their share`, async t => {
    const options: TestOptions = { users, anonymous: true, limits: { sessions: 6 }, folder: kept === 'on disk' ? await temporaryFolder(t) : undefined }
    let broker = await openBroker(t, options)
    const leave = async (who: IClientOptions, clientId: string): Promise<boolean> => {
      const client = await broker.client({ ...who, clientId, clean: false }).catch((error: Error) => { assert.match(error.message, /Server unavailable/i) })
      if (client === undefined) return false
      await client.subscribeAsync('letters', { qos: 1 })
      await client.endAsync()
      return true
    }
    const leaveAll = async (who: IClientOptions, prefix: string): Promise<number> => {
      let left = 0
      while (left < 10 && await leave(who, `${prefix}${left}`)) left++
      return left
    }
    assert.equal(await leaveAll(bob, 'bob'), 6)
    if (kept === 'on disk') {
      await removeBroker(broker.id)
      broker = await openBroker(t, options)
    }
    // Of two users each has three.
    assert.equal(await leaveAll(ada, 'ada'), 3)
    assert.equal(await leaveAll(nobody, 'nobody'), 2)
    assert.equal(await leave(bob, 'another'), false)
    // Resumed at any time.
    assert.equal(await leave(bob, 'bob0'), true)
    assert.equal(broker.place.statistics().refusedBy['sessions'], kept === 'on disk' ? 3 : 4)
  })
}
