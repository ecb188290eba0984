import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { generate, type Packet } from 'mqtt-packet'
import { createWebSocketStream, WebSocket } from 'ws'
import { hashPassword } from '../../../lib/broker/access/passwords.ts'
import { claimDelivery } from '../../../lib/intake/pending-deliveries.ts'
import { attachBroker } from '../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, openIntake, type TestBroker, type TestIntake, type TestOptions } from '../../helpers/broker.ts'
import { makeAuthority, withoutOpenssl } from '../../helpers/certificates.ts'
import { until } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { reading } from '../../helpers/messages.ts'

const senders = 20

/** CONNECT, messages, and DISCONNECT if it is to be clean, in one piece. */
function allAtOnce (clientId: string, { qos = 1, count = 1, clean = true, more = {} }: { qos?: 0 | 1 | 2, count?: number, clean?: boolean, more?: object } = {}): Buffer {
  return Buffer.concat([
    { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, keepalive: 60, clean: true, ...more },
    ...Array.from({ length: count }, (_, i) => ({ cmd: 'publish', topic: 'agent/message', payload: reading('', { agent: { uuid: `${clientId}-${i}` } }), qos, messageId: i + 1, dup: false, retain: false })),
    ...clean ? [{ cmd: 'disconnect' }] : []
  ].map(packet => generate(packet as Packet)))
}

/** The uuids of what was taken, each settled at once. */
function takenBy (t: TestContext, broker: TestBroker, options = {}): Set<string> {
  return takenFrom(openIntake(t, broker.id, options))
}

function takenFrom ({ heard }: TestIntake): Set<string> {
  const uuids = new Set<string>()
  const push = heard.push.bind(heard)
  heard.push = entry => {
    if (entry!.kind === 'message') {
      uuids.add(entry!.incoming!.payload.agent.uuid)
      claimDelivery(entry!.incoming!.delivery.id)?.settle()
    }
    return push(entry!)
  }
  return uuids
}

/** Writes, and goes without reading a byte. */
async function sendAndGo (t: TestContext, stream: Duplex, bytes: Buffer, whole: boolean): Promise<void> {
  stream.on('error', () => undefined)
  t.after(() => { stream.destroy() })
  stream.end(bytes)
  if (!whole) {
    stream.resume()
    return
  }
  await once(stream, 'finish')
  stream.destroy()
}

async function tcp (port: number): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

const user = { username: 'ada', password: 'secret' }
const logins: Record<string, { options: TestOptions, more: object }> = {
  'anonymously': { options: {}, more: {} },
  'with a password': { options: { users: [{ username: 'ada', hash: await hashPassword('secret') }] }, more: { username: 'ada', password: Buffer.from(user.password) } }
}

for (const [how, { options, more }] of Object.entries(logins)) {
  for (const qos of [0, 1, 2] as const) {
    for (const clean of [true, false]) {
      for (const whole of [true, false]) {
        test(`messages of QoS ${qos} that come with CONNECT${clean ? ' and DISCONNECT' : ''} are taken, ${how}, from clients that ${whole ? 'close at once' : 'end what they send'}`, async t => {
          const broker = await openBroker(t, options)
          const uuids = takenBy(t, broker)
          await Promise.all(Array.from({ length: senders }, async (_, i) => { await sendAndGo(t, await tcp(broker.port), allAtOnce(`s${i}`, { qos, clean, more, count: 3 }), whole) }))
          await until(() => uuids.size, size => size === 3 * senders, 10_000)
        })
      }
    }
  }
}

const afterAll = (broker: TestBroker): Promise<unknown> => until(() => broker.events.filter(({ event }) => event === 'disconnected').length, count => count === senders, 20_000)

for (const qos of [0, 1, 2] as const) {
  for (const clean of [true, false]) {
    for (const whole of [true, false]) {
      const how = `messages of QoS ${qos} that come with CONNECT${clean ? ' and DISCONNECT' : ''} from clients that ${whole ? 'close at once' : 'end what they send'}`

      test(`${how} are taken after a deploy, although nobody is there any more`, async t => {
        const broker = await openBroker(t)
        const opened = openIntake(t, broker.id)
        const uuids = takenFrom(opened)
        opened.detach()
        await Promise.all(Array.from({ length: senders }, async (_, i) => { await sendAndGo(t, await tcp(broker.port), allAtOnce(`s${i}`, { qos, clean, count: 3 }), whole) }))
        await afterAll(broker)
        opened.attach()
        await until(() => uuids.size, size => size === 3 * senders, 10_000)
        assert.equal(opened.intake.statistics().abandoned, 0)
      })

      test(`${how} are taken when others made room, although nobody is there any more`, async t => {
        const broker = await openBroker(t)
        const { heard, intake } = openIntake(t, broker.id, { totalWindow: 5, clientWindow: 1 })
        await Promise.all(Array.from({ length: senders }, async (_, i) => { await sendAndGo(t, await tcp(broker.port), allAtOnce(`s${i}`, { qos, clean, count: 3 }), whole) }))
        await afterAll(broker)
        await until(() => intake.statistics().unsettled, n => n === 5, 10_000)
        for (let i = 0; i < heard.length; i++) {
          claimDelivery(heard[i]!.incoming?.delivery.id)?.settle()
          await new Promise(setImmediate)
        }
        assert.equal(heard.filter(({ kind }) => kind === 'message').length, 3 * senders)
      })

      test(`${how} are taken to the last one that the system has, however many`, async t => {
        const broker = await openBroker(t)
        const uuids = takenBy(t, broker)
        await Promise.all(Array.from({ length: 5 }, async (_, i) => { await sendAndGo(t, await tcp(broker.port), allAtOnce(`s${i}`, { qos, clean, count: 300 }), whole) }))
        await until(() => uuids.size, size => size === 1500, 10_000)
      })
    }
  }
}

test('a socket that broke has a reason, and is let go of', async t => {
  const broker = await openBroker(t, { limits: { keepalive: 60 } })
  const uuids = takenBy(t, broker)
  const socket = await tcp(broker.port)
  socket.on('error', () => undefined)
  socket.write(allAtOnce('broken', { clean: false }))
  await until(() => uuids.size, size => size === 1)
  socket.resetAndDestroy()
  await until(() => broker.events, events => events.some(event => event.event === 'disconnected' && /ECONNRESET|EPIPE/.test(event.reason)))
  // One that is refused is not read any more.
  const refused = await tcp(broker.port)
  refused.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'refused', clean: true, keepalive: 0 } as Packet))
  await once(refused, 'readable')
  refused.resetAndDestroy()
  await until(() => broker.place.statistics().clients, count => count === 0)
  assert.ok(broker.events.some(({ event }) => event === 'refused'))
})

// https://github.com/vernemq/vernemq/issues/1716: "Keep Alive expires with large amounts of messages published in a loop".
test('a client that sends is not taken for silent while the broker does not read what it sends, and is once it is silent', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, { clientWindow: 10, timeLimit: 60_000 })
  const gone = (): string[] => broker.events.flatMap(event => event.event === 'disconnected' ? [event.reason] : [])
  const socket = await tcp(broker.port)
  t.after(() => { socket.destroy() })
  socket.resume().write(allAtOnce('busy', { count: 3_000, clean: false, more: { keepalive: 1 } }))
  await until(() => intake.statistics().waiting, count => count > 100)
  for (let ping = 0; ping < 6; ping++) {
    socket.write(generate({ cmd: 'pingreq' }))
    await pause(400)
  }
  assert.deepEqual(gone(), [])
  let settled = 0
  await until(() => {
    while (settled < heard.length) claimDelivery(heard[settled++]?.incoming?.delivery.id)?.settle()
    return settled
  }, count => count === 3_000)
  assert.deepEqual(await until(gone, reasons => reasons.length > 0, 10_000), ['keep alive timeout'])
})

test('more messages than aedes queues before CONNACK are taken', async t => {
  const broker = await openBroker(t)
  const uuids = takenBy(t, broker)
  await sendAndGo(t, await tcp(broker.port), allAtOnce('many', { count: 300 }), false)
  await until(() => uuids.size, size => size === 300, 10_000)
})

test('a client that says DISCONNECT at once has no last will; one that does not has', async t => {
  const broker = await openBroker(t)
  const wills: string[] = []
  broker.place.subscribe('will/+', ({ topic }) => { wills.push(topic) })
  const will = (name: string): object => ({ will: { topic: `will/${name}`, payload: Buffer.from('gone'), qos: 1, retain: false } })
  for (let i = 0; i < senders; i++) {
    await sendAndGo(t, await tcp(broker.port), allAtOnce(`clean${i}`, { more: will('clean'), count: 3 }), i % 2 === 0)
    await sendAndGo(t, await tcp(broker.port), allAtOnce(`lost${i}`, { more: will('lost'), count: 3, clean: false }), i % 2 === 0)
  }
  await until(() => wills.length, count => count >= senders, 10_000)
  assert.deepEqual(new Set(wills), new Set(['will/lost']))
})

test('over TLS, WebSocket and secure WebSocket as well', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const tls = authority.issue('server')
  const broker = await openBroker(t)
  const here = { host: '127.0.0.1', port: 0 }
  await attachBroker(broker.id, brokerOptions({ listeners: [{ transport: 'tls', ...here, tls }, { transport: 'ws', ...here }, { transport: 'wss', ...here, tls }] }))
  const states = await until(() => [...broker.place.listenerStates], states => states.length === 3 && states.every(({ state }) => state === 'listening'))
  const [secure, ws, wss] = states.map(state => state.state === 'listening' ? state.port : 0)
  const uuids = takenBy(t, broker)
  const web = async (url: string): Promise<Duplex> => {
    const webSocket = new WebSocket(url, 'mqtt', { ca: authority.cert })
    const stream = createWebSocketStream(webSocket)
    await once(webSocket, 'open')
    return stream
  }
  for (let i = 0; i < senders; i++) {
    const overTls = connectTls({ port: secure!, host: 'localhost', ca: authority.cert })
    await once(overTls, 'secureConnect')
    await sendAndGo(t, overTls, allAtOnce(`tls${i}`), false)
    await sendAndGo(t, await web(`ws://127.0.0.1:${ws}`), allAtOnce(`ws${i}`), false)
    await sendAndGo(t, await web(`wss://localhost:${wss}`), allAtOnce(`wss${i}`), false)
  }
  await until(() => uuids.size, size => size === 3 * senders, 10_000)
})
