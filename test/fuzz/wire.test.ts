import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { connect as connectSocket, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { connectAsync, type MqttClient } from 'mqtt'
import { generate, parser, type Packet } from 'mqtt-packet'
import { openSqlite } from '../../lib/sqlite/open-sqlite.ts'
import { once, until, waitFor } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { factor, holds } from './fuzz.ts'
import { cuts, goodPackets, hostilities, segmentsOf, type Hostility } from './packets.ts'

// What strangers send over the wire: whatever it is, the broker's process goes on, nobody waits longer than `longestStall`, and an honest client's
// messages are delivered and stored once, as it sent them.

/** ms of the main thread. */
const longestStall = 200
/** ms for a connection to end that its client ended. */
const patience = 20_000

interface Answer { longest: number, statistics: { clients: number, connections: number, received: number, unsettled: number, waiting: number } }

interface Target {
  port: number
  child: ChildProcess
  folder: string
  /** What the process says of itself: the longest turn of its main thread since it was asked last, in ms, and the broker's statistics. */
  ask (): Promise<Answer>
  /** Fails if the process has ended. */
  lives (): void
}

async function start (t: TestContext): Promise<Target> {
  const folder = await temporaryFolder(t)
  const child = fork(fileURLToPath(new URL('../fixtures/fuzzed-platform.ts', import.meta.url)), [folder], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
  t.after(() => { child.kill('SIGKILL') })
  let said = ''
  child.stderr?.on('data', bytes => { said += bytes })
  const { port } = await waitFor<{ port: number }>(child, 'message')
  return {
    port,
    child,
    folder,
    async ask () {
      const answer = waitFor<Answer>(child, 'message')
      child.send('ask')
      return await answer
    },
    lives () { assert.ok(child.exitCode === null && child.signalCode === null, `the process of the broker ended: ${said}`) }
  }
}

/** Publishes a message for each round, and gets it from another topic, too. */
class Honest {
  #client: MqttClient
  #got: string[] = []
  sent = 0
  hangUps = 0

  private constructor (client: MqttClient) {
    this.#client = client
    client.on('message', (_topic, payload) => { if (payload.toString().startsWith('honest ')) this.#got.push(payload.toString()) })
    client.on('close', () => { this.hangUps++ })
  }

  static async connect (port: number): Promise<Honest> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: 'the honest one', username: 'honest', password: 'a secret', reconnectPeriod: 0 })
    await client.subscribeAsync('honest/#', { qos: 1 })
    return new Honest(client.on('error', () => undefined))
  }

  async work (): Promise<void> {
    const number = this.sent++
    const payload = { agent: { uuid: 'the honest one' }, metrics: [{ type: 'number', value: number }, { type: 'text', value: `${number}` }], timestamp: 1_700_000_000_000 + number, seq: number }
    await Promise.all([
      this.#client.publishAsync('agent/message', JSON.stringify(payload), { qos: 1 }),
      this.#client.publishAsync('honest/number', `honest ${number}`, { qos: number % 2 === 0 ? 1 : 2 })
    ])
    await until(() => this.#got.length, count => count >= this.sent)
    assert.deepEqual(this.#got.slice(number), [`honest ${number}`])
  }

  async end (): Promise<void> {
    assert.equal(this.hangUps, 0)
    await this.#client.endAsync()
  }
}

async function open (port: number): Promise<Socket> {
  const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** Writes segments so that they are likely to arrive apart. */
async function write (socket: Socket, segments: Buffer[]): Promise<void> {
  for (const segment of segments) {
    if (socket.destroyed) return
    socket.write(segment)
    await new Promise(resolve => setImmediate(resolve))
  }
}

async function attack (port: number, { segments, end }: Hostility): Promise<void> {
  const socket = await open(port)
  const late = AbortSignal.timeout(patience)
  const closed = new Promise<void>((resolve, reject) => {
    socket.resume().once('close', () => { resolve() })
    late.onabort = () => { reject(new Error('the broker keeps a connection open that its client ended')) }
  })
  closed.catch(() => undefined)
  await write(socket, segments)
  if (end === 'reset') socket.resetAndDestroy()
  else socket.end()
  await closed.finally(() => { late.onabort = null })
}

async function storedOnce ({ folder }: Target, sent: number): Promise<void> {
  const knex = await openSqlite(join(folder, 'test.sqlite'), 1, () => [])
  const rows = await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').where({ uuid: 'the honest one' }).orderBy(['series.type', 'seq'])
    .select<Array<Record<string, unknown>>>('type', 'ts', 'seq', 'value', 'text')
  await knex.destroy()
  const numbers = Array.from({ length: sent }, (_, i) => i)
  assert.deepEqual(rows.map(({ type, ts, seq, value, text }) => [type, ts, seq, value, text]), [
    ...numbers.map(i => ['number', 1_700_000_000_000 + i, i, i, null]), ...numbers.map(i => ['text', 1_700_000_000_000 + i, i, null, `${i}`])
  ])
}

/** Fails if anything of the strangers that went is still there. */
async function onlyHonest (target: Target, clients: number): Promise<void> {
  const { statistics } = await until(() => target.ask(), ({ statistics: { clients: now, unsettled, waiting } }) => now === clients && unsettled === 0 && waiting === 0)
  assert.ok(statistics.connections > 1 && statistics.received > 0)
}

test('whatever packets strangers send, the broker serves the others, and nothing stalls', { timeout: 600_000 * Math.max(1, factor) }, async t => {
  const target = await start(t)
  const honest = await Honest.connect(target.port)
  for (let i = 0; i < 50; i++) await honest.work()
  await target.ask()
  let longest = 0
  await holds(t, fc.asyncProperty(fc.array(hostilities, { minLength: 1, maxLength: 3 }), async all => {
    await Promise.all(all.map(one => attack(target.port, one)))
    target.lives()
    await honest.work()
    const { longest: ms } = await target.ask()
    longest = Math.max(longest, ms)
    assert.ok(ms < longestStall, `nobody else had a turn for ${ms} ms`)
  }), 300)
  t.diagnostic(`longest turn of the main thread: ${longest.toFixed(1)} ms; ${JSON.stringify((await target.ask()).statistics)}`)
  await onlyHonest(target, 1)
  await honest.end()
  await storedOnce(target, honest.sent)
})

test('wherever the bytes of good packets are cut, each is answered, and delivered once', { timeout: 600_000 * Math.max(1, factor) }, async t => {
  const { port, lives } = await start(t)
  const subscriber = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  t.after(() => { subscriber.end(true) })
  await subscriber.subscribeAsync('good/#', { qos: 2 })
  let got: string[] = []
  subscriber.on('message', (_topic, payload) => { got.push(payload.toString()) })
  let session = 0
  await holds(t, fc.asyncProperty(fc.array(goodPackets, { minLength: 1, maxLength: 12 }), cuts, async (packets, shares) => {
    got = []
    const name = `good ${session++}`
    const numbered = packets.map((packet, i) => ({ ...packet, messageId: i + 1, ...packet.cmd === 'publish' ? { payload: `${name} ${i} ${packet.payload}` } : {} }))
    const socket = await open(port)
    const answers: string[] = []
    // Not into the middle of a packet that is cut.
    let release: Buffer[] | undefined = []
    const reader = parser().on('packet', (packet: Packet) => {
      if (packet.cmd === 'publish') return
      answers.push(`${packet.cmd} ${packet.messageId ?? ''}`)
      if (packet.cmd !== 'pubrec') return
      const pubrel = generate({ cmd: 'pubrel', messageId: packet.messageId } as Packet)
      if (release === undefined) socket.write(pubrel)
      else release.push(pubrel)
    })
    socket.on('data', bytes => { reader.parse(bytes) })
    const connect = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: name, clean: true, keepalive: 0 }
    await write(socket, segmentsOf(Buffer.concat([connect, ...numbered].map(packet => generate(packet as Packet))), shares))
    for (const pubrel of release) socket.write(pubrel)
    release = undefined
    const expected = ['connack ', ...numbered.flatMap(answersTo)].sort()
    const payloads = numbered.flatMap(packet => 'payload' in packet ? [packet.payload] : []).sort()
    await until(() => { lives(); return [answers.length, got.length] }, ([answered = 0, delivered = 0]) => answered >= expected.length && delivered >= payloads.length)
    socket.end()
    assert.deepEqual([...answers].sort(), expected)
    assert.deepEqual([...got].sort(), payloads)
    // [MQTT-4.6.0-2]
    const acknowledged = answers.filter(answer => answer.startsWith('puback')).map(answer => Number(answer.slice(7)))
    assert.deepEqual(acknowledged, [...acknowledged].sort((a, b) => a - b))
  }), 150)
})

function answersTo ({ cmd, messageId, ...packet }: { cmd: string, messageId: number, qos?: number }): string[] {
  if (cmd === 'publish') return packet.qos === 0 ? [] : packet.qos === 1 ? [`puback ${messageId}`] : [`pubrec ${messageId}`, `pubcomp ${messageId}`]
  return cmd === 'subscribe' ? [`suback ${messageId}`] : cmd === 'unsubscribe' ? [`unsuback ${messageId}`] : ['pingresp ']
}
