import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { generate, parser, type Packet } from 'mqtt-packet'
import { claimDelivery } from '../../../../lib/intake/pending-deliveries.ts'
import { attachBroker, attachIntake, findBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, openIntake, type Heard } from '../../../helpers/broker.ts'
import { closing, until, waitFor } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { reading } from '../../../helpers/messages.ts'
import { rawSocket } from '../../../helpers/raw-client.ts'

const program = fileURLToPath(import.meta.url)

/** A broker in a process of its own, whose deliveries are stored at once, to be killed. */
async function beKilled (folder: string): Promise<void> {
  const place = findBroker('broker')
  place.on('listener', state => { if (state.state === 'listening') process.send?.({ port: state.port }) })
  process.on('disconnect', () => { process.exit() })
  const message = (_message: unknown, { id }: { id: string }): void => {
    claimDelivery(id)?.settle()
    process.send?.({ stored: id })
  }
  attachIntake('intake', 'broker', { message, rejected: () => undefined, unsettled: () => undefined }, { acknowledge: 'stored', timeLimit: 10_000, clientWindow: 1000, totalWindow: 10_000 })
  await attachBroker('broker', brokerOptions({ folder }))
}

if (process.argv[2] === 'be killed') await beKilled(process.argv[3]!)
else defineTests()

interface Speaker { socket: Socket, packets: Packet[], send (dup: boolean, messageId?: number): void, release (messageId?: number): void, count (cmd: string): number }

/** A client that sends one message as often as it is told to, and releases it when it is told to. */
async function speak (t: TestContext, port: number, { clean = false, topic = 'agent/message', payload = reading('a1'), clientId = 'device', qos = 2 } = {}): Promise<Speaker> {
  const socket = await rawSocket(t, port)
  const packets: Packet[] = []
  const parsing = parser().on('packet', packet => { packets.push(packet) })
  socket.on('data', data => { parsing.parse(data) })
  const write = (packet: object): void => { socket.write(generate(packet as Packet)) }
  write({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, keepalive: 0, clean })
  const count = (cmd: string): number => packets.filter(packet => packet.cmd === cmd).length
  await until(() => count('connack'), n => n === 1)
  return {
    socket,
    packets,
    count,
    send: (dup, messageId = 7) => { write({ cmd: 'publish', topic, payload, qos, messageId, dup, retain: false }) },
    release: (messageId = 7) => { write({ cmd: 'pubrel', messageId }) }
  }
}

/** The messages that an intake hands on; its goodbyes are another matter. */
function messagesOf (t: TestContext, brokerId: string, options: Parameters<typeof openIntake>[2] = {}): Heard[] {
  const { heard } = openIntake(t, brokerId, options)
  const messages: Heard[] = []
  const push = heard.push.bind(heard)
  heard.push = (...entries) => {
    messages.push(...entries.filter(({ kind }) => kind === 'message'))
    return push(...entries)
  }
  return messages
}

function settle (heard: Heard | undefined, error?: Error): void {
  const claim = claimDelivery(heard?.incoming?.delivery.id)
  assert.ok(claim, 'the delivery is settled or unknown')
  claim.settle(error)
}

/** Everything that was sent before has been read: its own PINGREQ was. */
async function read (client: Speaker): Promise<void> {
  const before = client.count('suback')
  client.socket.write(generate({ cmd: 'subscribe', messageId: 99, subscriptions: [{ topic: 'x', qos: 0 }] } as Packet))
  await until(() => client.count('suback'), n => n > before)
}

function defineTests (): void {
  for (const clean of [true, false]) {
    test(`a message of QoS 2 that is sent four times is stored once, and each copy is acknowledged after that, ${clean ? 'without' : 'with'} a session`, async t => {
      const broker = await openBroker(t)
      const heard = messagesOf(t, broker.id)
      const client = await speak(t, broker.port, { clean })
      client.send(false)
      client.send(true)
      await until(() => heard.length, n => n > 0)
      await new Promise(resolve => setTimeout(resolve, 50))
      assert.deepEqual([heard.length, client.count('pubrec')], [1, 0])
      settle(heard[0])
      await until(() => client.count('pubrec'), n => n === 2)
      client.send(true)
      client.send(true)
      await until(() => client.count('pubrec'), n => n === 4)
      assert.equal(heard.length, 1)
      client.release()
      await until(() => client.count('pubcomp'), n => n === 1)
      // The id is free again.
      client.send(false)
      await until(() => heard.length, n => n === 2)
    })
  }

  test('a copy that comes over a new connection waits for the first one, and is no second message', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const before = await speak(t, broker.port)
    before.send(false)
    await until(() => heard.length, n => n === 1)
    before.socket.destroy()
    const again = await speak(t, broker.port)
    again.send(true)
    again.socket.destroy()
    const after = await speak(t, broker.port)
    after.send(true)
    after.send(true)
    await new Promise(resolve => setTimeout(resolve, 50))
    assert.deepEqual([heard.length, after.count('pubrec')], [1, 0])
    settle(heard[0])
    await until(() => after.count('pubrec'), n => n === 2)
    const last = await speak(t, broker.port)
    last.send(true)
    await until(() => last.count('pubrec'), n => n === 1)
    assert.equal(heard.length, 1)
  })

  test('the message of a client that went before it was settled is known when the client comes back', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const before = await speak(t, broker.port)
    before.send(false)
    await until(() => heard.length, n => n === 1)
    before.socket.destroy()
    await until(() => broker.events, events => events.some(({ event }) => event === 'disconnected'))
    settle(heard[0])
    const after = await speak(t, broker.port)
    after.send(true)
    await until(() => after.count('pubrec'), n => n === 1)
    assert.equal(heard.length, 1)
  })

  test('a message that failed is unknown: the next copy is taken', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const before = await speak(t, broker.port)
    before.send(false)
    before.send(true)
    await until(() => heard.length, n => n === 1)
    settle(heard[0], new Error('no'))
    await closing(before.socket)
    assert.equal(before.count('pubrec'), 0)
    const after = await speak(t, broker.port)
    after.send(true)
    await until(() => heard.length, n => n === 2)
    settle(heard[1])
    await until(() => after.count('pubrec'), n => n === 1)
  })

  test('a message whose client went before it had a place in the window is taken when it comes again', async t => {
    const broker = await openBroker(t)
    // After which the first message, that nobody stores, gives its place away.
    const heard = messagesOf(t, broker.id, { clientWindow: 1, timeLimit: 1_000 })
    const before = await speak(t, broker.port)
    before.send(false, 7)
    before.send(false, 8)
    await until(() => heard.length, n => n === 1)
    before.socket.destroy()
    await until(() => broker.events, events => events.some(({ event }) => event === 'disconnected'))
    const after = await speak(t, broker.port)
    after.send(true, 8)
    await until(() => heard.length, n => n === 2)
    settle(heard[1])
    await until(() => after.count('pubrec'), n => n === 1)
  })

  test('a PUBREL that comes before PUBREC releases its message once that is stored', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const client = await speak(t, broker.port)
    client.send(false)
    client.release()
    await until(() => heard.length, n => n === 1)
    settle(heard[0])
    await until(() => client.count('pubcomp'), n => n === 1)
    assert.deepEqual(client.packets.map(({ cmd }) => cmd), ['connack', 'pubrec', 'pubcomp'])
    client.send(false)
    await until(() => heard.length, n => n === 2)
  })

  test('another client and a new session have message ids of their own', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const one = await speak(t, broker.port)
    one.send(false)
    await until(() => heard.length, n => n === 1)
    const two = await speak(t, broker.port, { clientId: 'other' })
    two.send(false)
    await until(() => heard.length, n => n === 2)
    one.socket.destroy()
    const anew = await speak(t, broker.port, { clean: true })
    anew.send(false)
    await until(() => heard.length, n => n === 3)
    for (const delivery of heard) settle(delivery)
    await until(() => anew.count('pubrec') + two.count('pubrec'), n => n === 2)
  })

  test('after a kill a message of QoS 2 that was acknowledged is known, and stored no second time', async t => {
    const folder = await temporaryFolder(t)
    const child = fork(program, ['be killed', folder])
    t.after(() => { child.kill('SIGKILL') })
    const stored: string[] = []
    child.on('message', (message: { stored?: string }) => { if (message.stored !== undefined) stored.push(message.stored) })
    const { port } = await waitFor<{ port: number }>(child, 'message', ({ port }) => port !== undefined)
    const before = await speak(t, port)
    before.send(false)
    await until(() => before.count('pubrec'), n => n === 1)
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.equal(stored.length, 1)

    const broker = await openBroker(t, { folder })
    const heard = messagesOf(t, broker.id)
    const after = await speak(t, broker.port)
    after.send(true)
    await until(() => after.count('pubrec'), n => n === 1)
    assert.equal(heard.length, 0)
    after.release()
    await until(() => after.count('pubcomp'), n => n === 1)
    after.send(false)
    await until(() => heard.length, n => n === 1)
  })

  test('another message with the id of one that waits for its PUBREL is no copy of it, also after a kill', async t => {
    const folder = await temporaryFolder(t)
    const child = fork(program, ['be killed', folder])
    t.after(() => { child.kill('SIGKILL') })
    const { port } = await waitFor<{ port: number }>(child, 'message', ({ port }) => port !== undefined)
    const send = async (port: number, payload: string): Promise<Speaker> => {
      const client = await speak(t, port, { payload })
      client.send(false)
      await until(() => client.count('pubrec'), n => n === 1)
      return client
    }
    // A device that is switched off before its PUBREL each time, and begins with the same id.
    await send(port, reading('a1'))
    child.kill('SIGKILL')
    await once(child, 'exit')

    const broker = await openBroker(t, { folder })
    const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
    const uuids = (): string[] => heard.flatMap(({ kind, incoming }) => kind === 'message' ? incoming?.payload.agent.uuid ?? [] : [])
    const payloads = ['a2', 'a3', 'a4'].map(uuid => reading(uuid))
    for (const payload of payloads) (await send(broker.port, payload)).socket.destroy()
    assert.deepEqual(uuids(), ['a2', 'a3', 'a4'])
    const last = await send(broker.port, payloads[2] as string)
    last.send(true)
    await until(() => last.count('pubrec'), n => n === 2)
    last.release()
    await until(() => last.count('pubcomp'), n => n === 1)
    assert.deepEqual(uuids(), ['a2', 'a3', 'a4'])
  })

  test('another message with the id of one that is on its way is stored as well', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const before = await speak(t, broker.port)
    before.send(false)
    await until(() => heard.length, n => n === 1)
    before.socket.destroy()
    const after = await speak(t, broker.port, { payload: reading('a2') })
    after.send(false)
    await until(() => heard.length, n => n === 2)
    settle(heard[0])
    await read(after)
    assert.equal(after.count('pubrec'), 0)
    settle(heard[1])
    await until(() => after.count('pubrec'), n => n === 1)
    assert.deepEqual(heard.map(({ incoming }) => incoming?.payload.agent.uuid), ['a1', 'a2'])
  })

  test('a session keeps at most 1,000 messages that wait for PUBREL, over all its connections', async t => {
    const broker = await openBroker(t)
    openIntake(t, broker.id, { acknowledge: 'arrival' })
    const first = await speak(t, broker.port)
    for (let id = 1; id <= 600; id++) first.send(false, id)
    await until(() => first.count('pubrec'), n => n === 600)
    first.socket.destroy()
    const second = await speak(t, broker.port)
    for (let id = 601; id <= 1_001; id++) second.send(false, id)
    await closing(second.socket)
    const reasons = broker.events.flatMap(event => event.event === 'disconnected' ? [event.reason] : [])
    assert.equal(reasons.at(-1), 'not acknowledged: 1000 messages of QoS 2 wait for their PUBREL')
  })

  test('a message of QoS 2 on a plain topic is acknowledged once it is published, each copy, and published once', async t => {
    const broker = await openBroker(t)
    const received: string[] = []
    const subscriber = await broker.client()
    subscriber.on('message', topic => { received.push(topic) })
    await subscriber.subscribeAsync('plain')
    const client = await speak(t, broker.port, { topic: 'plain' })
    for (let copy = 0; copy < 4; copy++) client.send(copy > 0)
    await until(() => client.count('pubrec'), n => n === 4)
    await read(client)
    assert.deepEqual(received, ['plain'])
  })

  // https://github.com/espressif/esp-mqtt/issues/238: the same bytes with DUP each second until PUBACK, over one connection.
  test('a message of QoS 1 that is sent again before its acknowledgement is one message, and each copy is acknowledged with it', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const client = await speak(t, broker.port, { qos: 1, payload: reading('a1', { timestamp: undefined }) })
    client.send(false)
    for (let copy = 0; copy < 3; copy++) client.send(true)
    await read(client)
    assert.deepEqual([heard.length, client.count('puback')], [1, 0])
    settle(heard[0])
    await until(() => client.count('puback'), n => n === 4)
    // The id is free again.
    client.send(true)
    await until(() => heard.length, n => n === 2)
  })

  test('a message of QoS 1 that failed, and its copies, are not acknowledged', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const client = await speak(t, broker.port, { qos: 1 })
    client.send(false)
    client.send(true)
    await read(client)
    settle(heard[0], new Error('no'))
    await closing(client.socket)
    assert.deepEqual([heard.length, client.count('puback')], [1, 0])
  })

  test('another message of QoS 1 with an id that is not acknowledged yet is stored as well, and so is one without DUP', async t => {
    const broker = await openBroker(t)
    const heard = messagesOf(t, broker.id)
    const payloads = ['a1', 'a2', 'a2'].map(uuid => ({ agent: { uuid }, metrics: [{ type: 'a', value: 1 }] }))
    const client = await speak(t, broker.port, { qos: 1 })
    for (const [i, payload] of payloads.entries()) {
      client.socket.write(generate({ cmd: 'publish', topic: 'agent/message', payload: JSON.stringify(payload), qos: 1, messageId: 1, dup: i === 1, retain: false }))
    }
    await until(() => heard.length, n => n === 3)
    // The first one's end leaves the id to the last.
    settle(heard[0])
    client.socket.write(generate({ cmd: 'publish', topic: 'agent/message', payload: JSON.stringify(payloads[2]), qos: 1, messageId: 1, dup: true, retain: false }))
    await read(client)
    assert.equal(heard.length, 3)
  })
}
