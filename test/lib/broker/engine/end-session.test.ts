import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { test, type TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect, connectAsync, type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt'
import { generate, parser, type Packet } from 'mqtt-packet'
import { hashPassword, type UserRecord } from '../../../../lib/broker/access/passwords.ts'
import { LoginQuestions } from '../../../../lib/broker/login/login-questions.ts'
import { attachBroker, findBroker, type RegisteredBroker } from '../../../../lib/registry/registry.ts'
import { obey } from '../../../../nodes/platziverse-broker/control.ts'
import { brokerOptions, openBroker, removeBroker, type TestBroker } from '../../../helpers/broker.ts'
import { closing, once, until, waitFor } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { publishPacket, rawSocket } from '../../../helpers/raw-client.ts'

const program = fileURLToPath(import.meta.url)
const as = (username: string): { username: string, password: string } => ({ username, password: `${username}'s secret` })

function tell (place: RegisteredBroker, payload: unknown): Promise<unknown> {
  return obey(place, new LoginQuestions(() => undefined), 'endSession', payload)
}

/** A broker in a process of its own, to be told to end sessions, and to be killed. */
async function beKilled (options: { folder: string, users: UserRecord[] }): Promise<void> {
  const place = findBroker('broker')
  place.on('listener', state => { if (state.state === 'listening') process.send?.({ port: state.port }) })
  process.on('message', payload => { tell(place, payload).then(answer => process.send?.({ answer }), () => process.exit(1)) })
  process.on('disconnect', () => { process.exit() })
  await attachBroker('broker', brokerOptions(options))
}

if (process.argv[2] === 'be killed') await beKilled(JSON.parse(process.argv[3]!) as { folder: string, users: UserRecord[] })
else await defineTests()

/** Subscribes as a client that wants its session to be kept, and goes; then a message comes for it. */
async function leaveSession (t: TestContext, url: string, who: IClientOptions): Promise<void> {
  const client = await join(t, url, { ...who, clientId: 'device', clean: false })
  await client.subscribeAsync('letters', { qos: 1 })
  await client.endAsync()
  const sender = await join(t, url, who)
  await sender.publishAsync('letters', 'private', { qos: 1 })
  await sender.endAsync()
}

async function join (t: TestContext, url: string, options: IClientOptions): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

/** The bytes with which Ada's device asks for its session. */
function connectPacket (more: object = {}): Buffer {
  return generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'device', keepalive: 0, clean: false, ...as('ada'), ...more } as object as Packet)
}

/** What a user finds who takes the client id up, up to a message of the user's own. */
async function findsThere (t: TestContext, { url }: TestBroker, who: IClientOptions): Promise<{ present: boolean, got: string[] }> {
  const got: string[] = []
  const client = connect(url, { ...who, clientId: 'device', clean: false, reconnectPeriod: 0 })
  t.after(() => { client.end(true) })
  client.on('message', (_topic, payload) => got.push(payload.toString()))
  const [{ sessionPresent }] = await once(client, 'connect') as [IConnackPacket]
  await client.subscribeAsync('own', { qos: 1 })
  for (const topic of ['letters', 'own']) await client.publishAsync(topic, topic, { qos: 1 })
  await until(() => got, letters => letters.includes('own'))
  return { present: sessionPresent, got }
}

async function defineTests (): Promise<void> {
  const users = await Promise.all(['ada', 'bob'].map(async username => ({ username, hash: await hashPassword(`${username}'s secret`) })))

  for (const kept of ['in memory', 'on disk']) {
    test(`endSession frees the client id of a user who was removed, ${kept}`, async t => {
      const options = { users, folder: kept === 'on disk' ? await temporaryFolder(t) : undefined }
      let broker = await openBroker(t, options)
      await leaveSession(t, broker.url, as('ada'))
      await broker.place.control.reload(async () => ({ users: users.slice(1) }))
      await assert.rejects(broker.client({ ...as('bob'), clientId: 'device' }), /Identifier rejected/i)

      assert.deepEqual(await tell(broker.place, { clientId: 'device' }), { clientId: 'device', disconnected: false, ended: true })
      assert.deepEqual([broker.place.snapshot()?.messages.stored, broker.place.snapshot()?.clients.total], [0, 0])
      if (options.folder !== undefined) {
        await removeBroker(broker.id)
        broker = await openBroker(t, options)
      }
      assert.deepEqual(await findsThere(t, broker, as('bob')), { present: false, got: ['own'] })
    })
  }

  test('a session that endSession ended is not there after a kill', async t => {
    const options = { folder: await temporaryFolder(t), users }
    const child = fork(program, ['be killed', JSON.stringify(options)])
    t.after(() => child.kill('SIGKILL'))
    const { port } = await waitFor<{ port: number }>(child, 'message')
    await leaveSession(t, `mqtt://127.0.0.1:${port}`, as('ada'))
    const answered = waitFor<{ answer: object }>(child, 'message')
    child.send({ clientId: 'device' })
    await answered
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit

    assert.deepEqual(await findsThere(t, await openBroker(t, options), as('bob')), { present: false, got: ['own'] })
  })

  test('endSession hangs up on the client, and all that was kept of it is gone', async t => {
    const broker = await openBroker(t, { users })
    const heard: string[] = []
    t.after(broker.place.subscribe('once', ({ payload }) => { heard.push(payload.toString()) }))
    const speak = async (): Promise<{ ask: (packet: Buffer, answer: string) => Promise<Packet>, closed: Promise<unknown> }> => {
      const socket = await rawSocket(t, broker.port)
      const packets: Packet[] = []
      const incoming = parser().on('packet', (packet: Packet) => { packets.push(packet) })
      socket.on('data', data => { incoming.parse(data) })
      const ask = async (packet: Buffer, answer: string): Promise<Packet> => {
        socket.write(packet)
        return await until(() => packets.find(({ cmd }) => cmd === answer), packet => packet !== undefined) as Packet
      }
      return { ask, closed: closing(socket) }
    }
    const hello = connectPacket()
    const before = await speak()
    await before.ask(hello, 'connack')
    await before.ask(generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'letters', qos: 1 }] } as Packet), 'suback')
    // PUBREL does not come any more: that the message came is known.
    await before.ask(publishPacket('once', 'x', 2, 7), 'pubrec')

    assert.deepEqual(await tell(broker.place, { clientId: 'device' }), { clientId: 'device', disconnected: true, ended: true })
    await before.closed
    const gone = broker.events.find(({ event }) => event === 'disconnected')
    assert.equal(gone !== undefined && 'reason' in gone && gone.reason, 'an operator ended its session')
    assert.deepEqual(broker.place.clients(), [])

    const after = await speak()
    const connack = await after.ask(hello, 'connack')
    assert.equal(connack.cmd === 'connack' && connack.sessionPresent, false)
    await after.ask(publishPacket('once', 'another', 2, 7), 'pubrec')
    await after.ask(generate({ cmd: 'pubrel', messageId: 7 } as Packet), 'pubcomp')
    assert.deepEqual(heard, ['x', 'another'])
    assert.deepEqual(broker.place.clients().map(({ subscriptions }) => subscriptions), [[]])
  })

  test('endSession publishes the last will of the client that it hangs up on, who may have no session', async t => {
    const broker = await openBroker(t)
    const heard = new Promise<string>(resolve => { t.after(broker.place.subscribe('will', ({ payload }) => { resolve(payload.toString()) })) })
    await broker.client({ clientId: 'device', clean: true, will: { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false } })
    assert.deepEqual(await tell(broker.place, { clientId: 'device' }), { clientId: 'device', disconnected: true, ended: false })
    assert.equal(await heard, 'gone')
  })

  test('endSession of a client id that nobody has, of none, and while there is no broker is an error with a code', async t => {
    const broker = await openBroker(t)
    for (const payload of [{ clientId: 'nobody' }, { clientId: '' }, { clientId: 1 }, {}, undefined]) {
      await assert.rejects(tell(broker.place, payload), { code: 'BROKER_COMMAND_INVALID' })
    }
    await removeBroker(broker.id)
    await assert.rejects(tell(broker.place, { clientId: 'nobody' }), { code: 'BROKER_MISSING' })
  })

  test('a client that is on its way in while its session ends does not get what was in it', async t => {
    const folder = await temporaryFolder(t)
    const coming: { who?: () => void } = {}
    const broker = await openBroker(t, { host: '127.0.0.1', folder, decide: async () => { coming.who?.(); return true } })
    // A last will is written to the disk, and that takes time.
    const hello = connectPacket({ will: { topic: 'will', payload: Buffer.from('x'), qos: 0, retain: false } })
    // At another step of the way in each time.
    for (let turns = 0; turns < 12; turns++) {
      delete coming.who
      await leaveSession(t, broker.url, as('ada'))
      const asked = new Promise<void>(resolve => { coming.who = resolve })
      const socket = await rawSocket(t, broker.port)
      const answered = Promise.race([once(socket, 'data'), closing(socket)])
      socket.write(hello)
      await asked
      for (let turn = 0; turn < turns; turn++) await nextTurn()
      await tell(broker.place, { clientId: 'device' })
      await answered
      assert.deepEqual(broker.place.clients().flatMap(({ subscriptions }) => subscriptions), [], `after ${turns} turns`)
      socket.destroy()
      await until(() => broker.place.clients(), clients => clients.length === 0)
    }
  })
}
