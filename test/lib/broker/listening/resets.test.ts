import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { generate, type Packet } from 'mqtt-packet'
import type { IntakeOptions } from '../../../../lib/intake/intake-options.ts'
import { claimDelivery } from '../../../../lib/intake/pending-deliveries.ts'
import { openBroker, openIntake, type TestBroker, type TestIntake } from '../../../helpers/broker.ts'
import { makeAuthority, withoutOpenssl, type Pair } from '../../../helpers/certificates.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { reading } from '../../../helpers/messages.ts'
import { rawSocket } from '../../../helpers/raw-client.ts'
import { binary, frame, upgradeRequest } from '../../../helpers/raw-web-socket.ts'

// A reset ends a connection in both directions at once. What arrived before it is there to be read; what the sender's own system still had is not.

const senders = 5
/** As many as arrive whole: the system takes that much before anybody reads. */
const count = 300

interface Way { isSecure: boolean, isWeb: boolean }

const ways: Record<'tcp' | 'tls' | 'ws' | 'wss', Way> = {
  tcp: { isSecure: false, isWeb: false },
  tls: { isSecure: true, isWeb: false },
  ws: { isSecure: false, isWeb: true },
  wss: { isSecure: true, isWeb: true }
}

function packetsOf (clientId: string, qos: 0 | 1 | 2): Buffer[] {
  return [
    { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, keepalive: 60, clean: true },
    ...Array.from({ length: count }, (_, i) => ({ cmd: 'publish', topic: 'agent/message', payload: reading('', { agent: { uuid: `${clientId}-${i}` } }), qos, messageId: i + 1, dup: false, retain: false }))
  ].map(packet => generate(packet as Packet))
}

/** Connects, writes, and goes without reading what it is answered. */
async function sendAndGo (t: TestContext, port: number, { isSecure, isWeb }: Way, packets: Buffer[], waits: boolean, resets = true): Promise<void> {
  const bottom = await rawSocket(t, port)
  const socket: Socket = isSecure ? connectTls({ socket: bottom, rejectUnauthorized: false }) : bottom
  socket.on('error', () => undefined)
  if (isSecure) await once(socket, 'secureConnect')
  if (isWeb) {
    socket.write(upgradeRequest())
    await once(socket, 'data')
  }
  const [connect = Buffer.alloc(0), ...messages] = isWeb ? packets.map(packet => frame(binary, packet)) : packets
  if (waits) {
    socket.write(connect)
    await once(socket, 'data')
    socket.pause()
  }
  await new Promise(resolve => { socket.write(Buffer.concat(waits ? messages : [connect, ...messages]), resolve) })
  // The one below: TLS would say good-bye.
  if (resets) bottom.resetAndDestroy()
  else bottom.end()
}

async function open (
  t: TestContext, transport: keyof typeof ways, pair: Pair | undefined, options: Partial<IntakeOptions> = {}
): Promise<{ broker: TestBroker, opened: TestIntake }> {
  const broker = await openBroker(t, { listeners: [{ transport, host: '', port: 0, ...pair && { tls: pair } }] })
  return { broker, opened: openIntake(t, broker.id, options) }
}

const messagesIn = ({ heard }: TestIntake): string[] => heard.flatMap(({ kind, incoming }) => kind === 'message' ? [incoming!.payload.agent.uuid] : [])

async function allGone (broker: TestBroker): Promise<void> {
  await until(() => broker.events.filter(({ event }) => event === 'disconnected').length, ended => ended === senders)
  assert.equal(broker.place.statistics().clients, 0)
}

for (const [transport, way] of Object.entries(ways) as Array<[keyof typeof ways, Way]>) {
  const skip = way.isSecure ? withoutOpenssl : false
  const pairFor = async (t: TestContext): Promise<Pair | undefined> => way.isSecure ? makeAuthority(await temporaryFolder(t)).issue('server') : undefined

  for (const waits of [true, false]) {
    const when = waits ? 'after CONNACK' : 'in one go with CONNECT'

    for (const qos of [0, 1, 2] as const) {
      test(`${transport}: messages of QoS ${qos} that arrived ${when} before the connection was reset are taken`, { skip }, async t => {
        // Each answer fails.
        const { broker, opened } = await open(t, transport, await pairFor(t), { acknowledge: 'arrival' })
        for (let i = 0; i < senders; i++) await sendAndGo(t, broker.port, way, packetsOf(`s${i}`, qos), waits)
        await until(() => messagesIn(opened).length, taken => taken >= senders * count, 10_000)
        assert.equal(new Set(messagesIn(opened)).size, senders * count)
        await allGone(broker)
      })
    }

    test(`${transport}: messages that arrived ${when} before the client ended the connection are taken, and it is gone then`, { skip }, async t => {
      const { broker, opened } = await open(t, transport, await pairFor(t))
      for (let i = 0; i < senders; i++) await sendAndGo(t, broker.port, way, packetsOf(`s${i}`, 1), waits, false)
      await until(() => messagesIn(opened).length, taken => taken >= senders * count, 10_000)
      await allGone(broker)
    })

    test(`${transport}: messages that arrived ${when} before the connection was reset are taken when others made room`, { skip }, async t => {
      const { broker, opened } = await open(t, transport, await pairFor(t), { totalWindow: 5, clientWindow: 1 })
      for (let i = 0; i < senders; i++) await sendAndGo(t, broker.port, way, packetsOf(`s${i}`, 1), waits)
      const { heard } = opened
      await until(() => heard.length, length => length >= senders)
      for (let settled = 0; settled < senders * count; settled++) {
        await until(() => heard.length, length => length > settled, 10_000)
        claimDelivery(heard[settled]!.incoming?.delivery.id)?.settle()
        await new Promise(setImmediate)
      }
      assert.equal(new Set(messagesIn(opened)).size, senders * count)
      await allGone(broker)
    })
  }
}

test('a client is still known by its certificate when the connection was reset', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const broker = await openBroker(t, { listeners: [{ transport: 'tls', host: '', port: 0, certificates: 'username', tls: { ...authority.issue('server'), ca: authority.cert } }] })
  const opened = openIntake(t, broker.id)
  const bottom = await rawSocket(t, broker.port)
  const socket = connectTls({ socket: bottom, rejectUnauthorized: false, ...authority.issue('sensor-7') })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  await new Promise(resolve => { socket.write(Buffer.concat(packetsOf('s', 1)), resolve) })
  bottom.resetAndDestroy()
  await until(() => messagesIn(opened).length, taken => taken === count, 10_000)
  assert.ok(opened.heard.every(({ incoming }) => incoming?.delivery.username === 'sensor-7' || incoming === undefined))
})
