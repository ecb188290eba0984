import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { generate, type Packet } from 'mqtt-packet'
import type { Broker, ClientHost } from '../../../../lib/broker/broker.ts'
import { openEmbeddedBroker } from '../../../../lib/broker/engine/embedded-broker.ts'
import { readLimits, type LimitName, type Limits } from '../../../../lib/broker/limits.ts'
import type { OutgoingPublication, Taker } from '../../../../lib/broker/publication.ts'
import { brokerOptions, type TestOptions } from '../../../helpers/broker.ts'
import { closing, once, until } from '../../../helpers/events.ts'
import { rawSocket } from '../../../helpers/raw-client.ts'

const fault = (): never => { throw new Error('a fault of ours') }

const connectPacket = (clientId: string, clean: boolean): Buffer => generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, keepalive: 0, clean } as Packet)

/** Fails the next time that it is asked, if so. */
class Trap {
  isSet = false
  spring (): void {
    if (!this.isSet) return
    this.isSet = false
    fault()
  }
}

/** The limits, of which one fails to be read while the trap is set. */
function trapped (trap: Trap, name: LimitName): Limits {
  return new Proxy(readLimits({}), {
    get (limits, property: LimitName) {
      if (property === name) trap.spring()
      return limits[property]
    }
  })
}

interface Opened { broker: Broker & ClientHost, come (clientId: string, options?: IClientOptions): Promise<MqttClient> }

/** A broker whose parts fail at the topic or filter `fault`. */
async function open (t: TestContext, taker: Partial<Taker>, options: TestOptions = {}, limits?: Limits): Promise<Opened> {
  const made = brokerOptions(options)
  const broker = await openEmbeddedBroker({ takes: () => false, take: fault, gone: () => undefined, ...taker }, { ...made, limits: limits ?? made.limits })
  t.after(() => broker.close())
  const [state] = await until(() => [...broker.listenerStates], ([state]) => state?.state === 'listening')
  return {
    broker,
    async come (clientId, options = {}) {
      const client = await connectAsync(`mqtt://127.0.0.1:${state?.state === 'listening' ? state.port : 0}`, { clientId, reconnectPeriod: 0, ...options })
      client.on('error', () => undefined)
      t.after(() => { client.end(true) })
      return client
    }
  }
}

async function liveOn (...clients: MqttClient[]): Promise<void> {
  for (const client of clients) await client.publishAsync('other', 'x', { qos: 1 })
}

for (const [name, taker] of [
  ['asking who takes a message', { takes: (topic: string) => topic === 'fault' && fault() }],
  ['taking a message', { takes: (topic: string) => topic === 'fault' }]
] as const) {
  for (const qos of [0, 1, 2] as const) {
    test(`a fault in ${name} of QoS ${qos} ends the connection of its publisher alone`, async t => {
      const { come } = await open(t, taker)
      const [one, other] = [await come('one'), await come('other')]
      const closed = closing(one)
      one.publish('fault', 'x', { qos }, () => undefined)
      await closed
      await liveOn(other)
    })
  }

  test(`a fault in ${name} that waited for its turn ends the connection of its publisher alone`, async t => {
    const { broker, come } = await open(t, taker, { limits: { messageRate: 1 } })
    const [one, other] = [await come('one'), await come('other')]
    for (let i = 0; i < 5; i++) one.publish(i === 4 ? 'fault' : 'other', 'x')
    await closing(one)
    assert.equal(broker.statistics().clients, 1)
    await liveOn(other)
  })
}

test('a fault of a subscriber in this process keeps nobody else from a message', async t => {
  const { broker, come } = await open(t, {})
  t.after(broker.subscribe('a', fault))
  const [one, other] = [await come('one'), await come('other')]
  await other.subscribeAsync('a')
  const heard = once(other, 'message')
  await one.publishAsync('a', 'x', { qos: 1 })
  await heard
  assert.equal(broker.statistics().droppedBy['subscriber'], 1)
})

for (const [name, limit, packet] of [
  ['checking a packet', 'packetBytes', (client: MqttClient) => { client.publish('a', 'x') }],
  ['granting a subscription', 'subscriptionsPerClient', (client: MqttClient) => { client.subscribe('a') }]
] as const) {
  test(`a fault in ${name} ends that connection alone`, async t => {
    const trap = new Trap()
    const { come } = await open(t, {}, {}, trapped(trap, limit))
    const [one, other] = [await come('one'), await come('other')]
    const closed = closing(one)
    trap.isSet = true
    packet(one)
    await closed
    await liveOn(other)
  })
}

test('a fault in letting a session in again ends that connection alone', async t => {
  const trap = new Trap()
  const { broker, come } = await open(t, {}, {}, trapped(trap, 'subscriptionsPerClient'))
  const kept = await come('kept', { clean: false })
  await kept.subscribeAsync('a', { qos: 1 })
  await kept.endAsync()
  const other = await come('other')
  trap.isSet = true
  const [state] = broker.listenerStates
  const socket = await rawSocket(t, state?.state === 'listening' ? state.port : 0)
  socket.write(connectPacket('kept', false))
  await closing(socket.resume())
  await liveOn(other)
})

test('a fault while a connecting client is examined ends that connection alone', async t => {
  const { broker, come } = await open(t, {})
  const other = await come('other')
  const server = createServer(socket => {
    broker.accept(socket, { address: undefined, local: true, get username () { return fault() }, socket })
  }).listen(0, '127.0.0.1')
  t.after(() => { server.close() })
  await once(server, 'listening')
  const socket = await rawSocket(t, (server.address() as AddressInfo).port)
  socket.write(connectPacket('one', true))
  await closing(socket.resume())
  await liveOn(other)
})

/** A message that cannot be measured while the trap is set. */
function trap (): { trap: Trap, message: OutgoingPublication } {
  const trap = new Trap()
  const payload = Buffer.from('x')
  Object.defineProperty(payload, 'length', { get () { trap.spring(); return 1 } })
  return { trap, message: { topic: 'a', payload, qos: 1, retain: false } }
}

test('a fault in sending a message ends the connection that it was for alone', async t => {
  const { broker, come } = await open(t, {})
  const [one, other] = [await come('one'), await come('other')]
  await one.subscribeAsync('a')
  const closed = closing(one)
  const { trap: set, message } = trap()
  set.isSet = true
  await broker.publish(message)
  await closed
  await liveOn(other)
})

test('a fault in an event listener ends no connection, and the intakes still learn that the client left', async t => {
  const gone: string[] = []
  const { broker, come } = await open(t, { gone: ({ clientId }) => { gone.push(clientId) } })
  broker.on('client', fault)
  const [one, other] = [await come('one'), await come('other')]
  await one.subscribeAsync('a')
  await one.unsubscribeAsync('a')
  await one.endAsync()
  await until(() => gone, clients => clients.includes('one'))
  await liveOn(other)
  assert.ok((broker.statistics().droppedBy['event'] ?? 0) >= 4)
})

test('a fault while a client\'s end is handled affects nobody else', async t => {
  const { broker, come } = await open(t, { gone: fault })
  const [one, other] = [await come('one'), await come('other')]
  await one.endAsync()
  await until(() => broker.statistics().droppedBy['event'], count => count === 1)
  await liveOn(other)
})
