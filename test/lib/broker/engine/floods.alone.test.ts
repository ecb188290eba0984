import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { generate, type Packet } from 'mqtt-packet'
import type { TestBroker } from '../../../helpers/broker.ts'
import { waitFor } from '../../../helpers/events.ts'
import { rawClient } from '../../../helpers/raw-client.ts'

const program = fileURLToPath(import.meta.url)
/** ms that the others may wait … */
const slow = 100
/** … or so many times as long as without a flood, on a machine that is slow itself. */
const slower = 10

interface Flood {
  /** Sent one after the other, over and over. */
  packet: object | object[]
  /** Of MQTT; absent: 3.1.1. */
  version?: 5
  /** Over so many connections as well. */
  connections?: number
  /** Whether the sessions are kept. */
  kept?: boolean
  /** Retained messages that there are. */
  retained?: number
  /** Clients that receive it, each by a thousand filters. */
  subscribers?: number
  /** Whether those are shared subscriptions, each of a group of its own. */
  groups?: boolean
}

const filters = (count: number): Array<{ topic: string, qos: number }> => Array.from({ length: count }, (_, i) => ({ topic: `filter/${i}`, qos: 1 }))
const levels = (level: (i: number) => string): string => Array.from({ length: 10 }, (_, i) => level(i)).join('/')
const overlapping = Array.from({ length: 1_000 }, (_, n) => ({ topic: levels(i => n >> i & 1 ? '+' : 'x'), qos: 0 }))
const ofMany = { cmd: 'publish', topic: 'flood', payload: '', qos: 0, dup: false, retain: false }
const floods: Record<string, Flood> = {
  'PINGREQ': { packet: { cmd: 'pingreq' }, connections: 20 },
  'PUBREL': { packet: { cmd: 'pubrel', messageId: 7 }, connections: 20 },
  'PUBACK': { packet: { cmd: 'puback', messageId: 7 } },
  'PUBREC': { packet: { cmd: 'pubrec', messageId: 7 } },
  'PUBCOMP': { packet: { cmd: 'pubcomp', messageId: 7 } },
  'SUBSCRIBE': { packet: { cmd: 'subscribe', messageId: 7, subscriptions: filters(1) }, connections: 20 },
  'UNSUBSCRIBE': { packet: { cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['filter/0'] }, connections: 20 },
  'SUBSCRIBE with 1,000 filters': { packet: { cmd: 'subscribe', messageId: 7, subscriptions: filters(1_000) } },
  'SUBSCRIBE with 1,000 filters of a kept session': { packet: { cmd: 'subscribe', messageId: 7, subscriptions: filters(1_000) }, kept: true },
  'SUBSCRIBE with 50,000 filters': { packet: { cmd: 'subscribe', messageId: 7, subscriptions: filters(50_000) } },
  'UNSUBSCRIBE with 1,000 filters': { packet: { cmd: 'unsubscribe', messageId: 7, unsubscriptions: filters(1_000).map(({ topic }) => topic) } },
  'SUBSCRIBE to # with 2,000 retained messages': { packet: { cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: '#', qos: 0 }] }, retained: 2_000 },
  'PUBLISH to 5 clients with 1,000 filters each that match': { packet: { cmd: 'publish', topic: levels(() => 'x'), payload: 'x', qos: 0, dup: false, retain: false }, subscribers: 5 },
  'PUBLISH': { packet: { cmd: 'publish', topic: 'flood', payload: 'x', qos: 0, dup: false, retain: false }, connections: 20 },
  'PUBLISH of MQTT 5': { packet: { cmd: 'publish', topic: 'flood', payload: 'x', qos: 0, dup: false, retain: false }, connections: 20, version: 5 },
  'PUBLISH with 5,000 user properties': { packet: { ...ofMany, properties: { userProperties: Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`n${i}`, ''])) } }, connections: 20, version: 5 },
  'PUBLISH with topics of aliases that change': { packet: Array.from({ length: 64 }, (_, i) => ({ ...ofMany, topic: `flood/${i}`, properties: { topicAlias: i % 32 + 1 } })), connections: 20, version: 5 },
  'SUBSCRIBE with ids and options that change': { packet: Array.from({ length: 64 }, (_, i) => ({ cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'filter', qos: 1, nl: i % 2 > 0, rap: i % 3 > 0, rh: 0 }], properties: { subscriptionIdentifier: i + 1 } })), connections: 20, kept: true, version: 5 },
  'PUBREC for messages that were never sent': { packet: Array.from({ length: 65_535 }, (_, i) => ({ cmd: 'pubrec', messageId: i + 1 })), connections: 20, version: 5 },
  'PUBLISH to 5 clients in 1,000 groups each that match': { packet: { ...ofMany, topic: 'group' }, subscribers: 5, groups: true, version: 5 }
}

const roles: Record<string, () => unknown> = {
  flood: () => { flood(Number(process.argv[3]), process.argv[4]!, Number(process.argv[5])) },
  broker: serveBrokers,
  honest: servePings
}
const role = roles[process.argv[2] ?? '']
if (role === undefined) defineTests()
else {
  process.on('disconnect', () => { process.exit() })
  role()
}

/** Sends one packet as fast as the broker takes it, and reads everything. */
function flood (port: number, name: string, connections: number): void {
  const { packet, version: protocolVersion = 4, kept = false, subscribers = 0, groups = false } = floods[name]!
  const bytes = Buffer.concat([packet].flat().map(each => generate(each as Packet, { protocolVersion })))
  const connectBytes = (clientId: string, clean: boolean): Buffer => generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion, clientId, keepalive: 0, clean } as Packet)
  const chunk = Buffer.concat(Array(Math.max(1, Math.ceil(65_536 / bytes.length))).fill(bytes))
  const start = (i: number): void => {
    const socket: Socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => undefined).on('close', () => { setTimeout(start, 100, i) })
    socket.write(connectBytes(`flood ${i}`, !kept))
    const more = (): void => { while (!socket.destroyed && socket.write(chunk)) { /* until it is full */ } }
    socket.once('data', () => { process.send?.({ flooding: true }); more() }).on('drain', more)
  }
  const subscribed = Array.from({ length: subscribers }, async (_, i) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.write(connectBytes(`subscriber ${i}`, true))
    await once(socket, 'data')
    const subscriptions = groups ? overlapping.map((_, n) => ({ topic: `$share/${i}-${n}/group`, qos: 0 })) : overlapping
    socket.write(generate({ cmd: 'subscribe', messageId: 1, subscriptions } as Packet, { protocolVersion }))
    await once(socket, 'data')
    socket.resume()
  })
  void Promise.all(subscribed).then(() => { for (let i = 0; i < connections; i++) start(i) })
}

/** Opens a broker for each number that it is told, of retained messages, and says its port. */
async function serveBrokers (): Promise<void> {
  // Here alone: a flood starts without the broker's modules.
  const { openBroker } = await import('../../../helpers/broker.ts')
  let close = async (): Promise<void> => undefined
  process.on('message', (retained: number) => {
    void (async () => {
      await close()
      const ends: Array<() => unknown> = []
      close = async () => { for (const end of ends) await end() }
      const broker = await openBroker({ after: end => { ends.push(end as () => unknown) } })
      await retain(broker, retained)
      process.send!(broker.port)
    })()
  })
}

/** Connects to each port that it is told, and says how long a few pings took. */
function servePings (): void {
  process.on('message', (port: number) => {
    void (async () => {
      const ends: Array<() => unknown> = []
      const socket = await rawClient({ after: end => { ends.push(end as () => unknown) } }, port, 'honest')
      process.send!(await pingsOf(socket, 40))
      for (const end of ends) end()
    })()
  })
}

/** The 99th percentile of the time from PINGREQ to PINGRESP for another client, in ms. */
async function pingsOf (socket: Socket, count: number): Promise<number> {
  const delays: number[] = []
  for (let i = 0; i < count; i++) {
    const sent = performance.now()
    socket.write(Buffer.from([0xc0, 0]))
    await once(socket, 'data')
    delays.push(performance.now() - sent)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  return delays.sort((a, b) => a - b)[Math.floor(delays.length * 0.99)] as number
}

async function retain (broker: TestBroker, count: number): Promise<void> {
  const client = await broker.client()
  for (let i = 0; i < count; i++) client.publish(`retained/${i}`, 'x'.repeat(200), { qos: 0, retain: true })
  await client.publishAsync('done', '', { qos: 1 })
  await client.endAsync()
}

function start (...args: string[]): ChildProcess {
  return fork(program, args)
}

async function ask (child: ChildProcess, question: number): Promise<number> {
  const answer = waitFor<number>(child, 'message')
  child.send(question)
  return await answer
}

function defineTests (): void {
  // Each in a process of its own: nobody waits for what another one does.
  const [brokers, honest] = [start('broker'), start('honest')]
  after(() => { for (const child of [honest, brokers]) child.kill('SIGKILL') })

  async function measure (t: TestContext, name: string, connections: number): Promise<void> {
    const retained = floods[name]!.retained ?? 0
    const port = await ask(brokers, retained)
    const child = start('flood', String(port), name, String(connections))
    t.after(() => { child.kill('SIGKILL') })
    await waitFor(child, 'message')
    // The least of three, if the first is too much: other programs on the machine make them wait as well.
    const rounds = [await ask(honest, port)]
    while (rounds.length < 3 && Math.min(...rounds) >= slow) rounds.push(await ask(honest, port))
    const p99 = Math.min(...rounds)
    t.diagnostic(`p99 ${p99.toFixed(1)} ms; rounds ${rounds.map(Math.round).join(', ')}`)
    if (p99 < slow) return
    child.kill('SIGKILL')
    const calm = await ask(honest, await ask(brokers, retained))
    assert.ok(p99 < slower * calm, `the others waited ${p99} ms, and ${calm} ms without the flood`)
  }

  for (const [name, { connections }] of Object.entries(floods)) {
    test(`nobody waits for a flood of ${name}`, async t => { await measure(t, name, 1) })
    if (connections !== undefined) test(`nobody waits for a flood of ${name} over ${connections} connections`, async t => { await measure(t, name, connections) })
  }
}
