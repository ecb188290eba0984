import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import { openBroker, type TestBroker, type TestOptions } from '../../../helpers/broker.ts'
import { closing, until } from '../../../helpers/events.ts'
import { publishPacket, rawClient, rawSocket } from '../../../helpers/raw-client.ts'

/** ms from publish to receipt for the others. On a quiet machine it is less than 200; here the attackers share the process. */
const slowest = 500
/** … and the machine with other tests: as many times as much as without the attack is no fault of ours either. */
const slower = 20
const perSecond = 1_000

/**
 * Other people's traffic for as long as `attack` lasts, and a second more: QoS 1 at a steady rate from one client to another.
 * @returns the 99th percentile of the time from publish to receipt, in ms
 */
async function othersDuring (broker: TestBroker, attack: () => Promise<unknown>): Promise<number> {
  const [publisher, subscriber] = [await broker.client({ clientId: 'honest publisher' }), await broker.client({ clientId: 'honest subscriber' })]
  await subscriber.subscribeAsync('honest', { qos: 1 })
  const sent: number[] = []
  const delays: number[] = []
  subscriber.on('message', (_topic, payload) => { delays.push(performance.now() - (sent[Number(payload)] as number)) })
  const started = performance.now()
  const timer = setInterval(() => {
    for (const due = (performance.now() - started) * perSecond / 1000; sent.length < due;) {
      publisher.publish('honest', String(sent.push(performance.now()) - 1), { qos: 1 })
    }
  }, 5)
  try {
    await attack()
    const enough = sent.length + perSecond
    await until(() => sent.length, count => count >= enough)
  } finally {
    clearInterval(timer)
  }
  await until(() => delays.length, count => count === sent.length)
  await Promise.all([publisher.endAsync(), subscriber.endAsync()])
  return delays.sort((a, b) => a - b)[Math.floor(delays.length * 0.99)] as number
}

const used = (): number => process.memoryUsage().heapUsed + process.memoryUsage().external

/** The attackers speak either version; the others speak 3.1.1. */
function attack (name: string, options: TestOptions, run: (t: TestContext, broker: TestBroker, version: 4 | 5) => Promise<unknown>, versions: ReadonlyArray<4 | 5> = [4, 5]): void {
  for (const version of versions) {
    test(`${name}, ${version === 4 ? '3.1.1' : version}`, { timeout: 60_000 }, async t => {
      const broker = await openBroker(t, options)
      const before = used()
      const p99 = await othersDuring(broker, () => run(t, broker, version))
      const megabytes = Math.round((used() - before) / 1e6)
      t.diagnostic(`others' p99 ${p99.toFixed(1)} ms, memory ${megabytes} MB`)
      assert.ok(megabytes < 100, `${megabytes} MB were left behind`)
      if (p99 < slowest) return
      const calm = await othersDuring(await openBroker(t, options), async () => undefined)
      assert.ok(p99 < slower * calm, `the others waited ${p99} ms, and ${calm} ms without the attack`)
    })
  }
}

/** The bytes of a packet. */
function bytesOf (packet: object, protocolVersion: 4 | 5): Buffer {
  return generate(packet as Packet, { protocolVersion })
}

attack('a subscriber that stops reading is cut off, and nobody waits for it', {}, async (t, broker, version) => {
  const deaf = await rawClient(t, broker.port, 'deaf', { version })
  deaf.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood', qos: 1 }] }, version))
  await once(deaf, 'data')
  deaf.pause()
  const flood = await broker.client({ clientId: 'flood', protocolVersion: version })
  const payload = Buffer.alloc(64 * 1024)
  for (let i = 0; i < 400; i++) await flood.publishAsync('flood', payload, { qos: 1 })
  await until(() => broker.place.statistics().cutOff, count => count === 1)
})

attack('when clients together leave more unread than their limit, the one with the most is cut off, and the others stay', { limits: { unreadBytes: 2 * 1024 * 1024 } }, async (t, broker, version) => {
  const payload = Buffer.alloc(64 * 1024)
  const flood = await broker.client({ clientId: 'flood', protocolVersion: version })
  const deaf = []
  for (const clientId of ['greedy', 'modest 1', 'modest 2']) {
    const socket = await rawClient(t, broker.port, clientId, { version })
    socket.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${clientId}/#`, qos: 1 }] }, version))
    await once(socket, 'data')
    deaf.push(socket.pause())
  }
  for (let i = 0; i < 500 && broker.place.statistics().cutOff === 0; i++) {
    await flood.publishAsync('greedy', payload, { qos: 1 })
    if (i % 4 === 0) await flood.publishAsync(`modest ${i % 8 === 0 ? 1 : 2}`, payload, { qos: 1 })
  }
  const cutOff = (): string[] => broker.events.flatMap(event => event.event === 'disconnected' && event.reason.includes('unreadBytes') ? [event.clientId] : [])
  await until(cutOff, clients => clients.length > 0)
  assert.deepEqual([cutOff(), broker.place.statistics().refusedBy], [['greedy'], { unreadBytes: 1 }])
})

attack('2,000 silent sockets get no further than the limits, and are disconnected when CONNECT does not come', { limits: { connectTimeout: 2, connectionsPerAddress: 500, connectionRate: 1000 } }, async (t, broker) => {
  const sockets: Socket[] = []
  for (let i = 0; i < 2000; i += 50) sockets.push(...await Promise.all(Array.from({ length: 50 }, () => rawSocket(t, broker.port))))
  await until(() => sockets.filter(socket => socket.destroyed).length, count => count === 2000)
  const { connectTimeout = 0, connectionsPerAddress = 0, connectionRate = 0 } = broker.place.statistics().refusedBy
  assert.equal(connectTimeout + connectionsPerAddress + connectionRate, 2000)
  assert.ok(connectTimeout >= 400, `${connectTimeout} were let in`)
}, [4])

attack('50 sockets that announce 256 MB are disconnected before a byte of it', { limits: {} }, async (t, broker, version) => {
  const announcement = Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4, 0x4d, 0x51, 0x54, 0x54, version])
  const early = await Promise.all(Array.from({ length: 25 }, () => rawSocket(t, broker.port)))
  const late = await Promise.all(Array.from({ length: 25 }, (_, i) => rawClient(t, broker.port, `late ${i}`, { version })))
  for (const socket of early) socket.write(announcement)
  for (const socket of late) socket.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1]))
  await until(() => [...early, ...late].filter(socket => socket.destroyed).length, count => count === 50)
})

attack('clients that send a byte a second keep nobody waiting, and are disconnected in time', { limits: { connectTimeout: 2 } }, async (t, broker, version) => {
  const slow = await Promise.all(Array.from({ length: 50 }, () => rawSocket(t, broker.port)))
  const connect = bytesOf({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: version, clientId: 'slow', keepalive: 0, clean: true }, version)
  let next = 0
  const timer = setInterval(() => {
    for (const socket of slow) socket.write(connect.subarray(next, next + 1))
    next++
  }, 1000)
  t.after(() => { clearInterval(timer) })
  await until(() => slow.filter(socket => socket.destroyed).length, count => count === 50)
})

attack('a flood of QoS 2 that never ends its handshakes is bounded', {}, async (t, broker, version) => {
  const flood = await rawClient(t, broker.port, 'flood', { version })
  for (let i = 1; i <= 5000 && !flood.destroyed; i++) {
    if (!flood.write(publishPacket('anything', Buffer.alloc(1000), 2, i, version))) await Promise.race([once(flood, 'drain'), closing(flood)]).catch(() => undefined)
  }
  await until(() => flood.destroyed, Boolean)
})

attack('a flood of messages is slowed to the limit, and loses nothing', { limits: { messageRate: 1500 } }, async (_t, broker, version) => {
  const flood = await broker.client({ clientId: 'flood', protocolVersion: version })
  const started = performance.now()
  await Promise.all(Array.from({ length: 6000 }, (_, i) => flood.publishAsync('flood', String(i), { qos: 1 })))
  const seconds = (performance.now() - started) / 1000
  // A second's worth may come at once.
  assert.ok(seconds > 2.5 && seconds < 20, `${seconds} s`)
})

attack('a reconnect storm of 1,000 clients that take each other\'s ids over', { limits: { connectionsPerAddress: 5000, connectionRate: 0 } }, async (t, broker, version) => {
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 200; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => rawClient(t, broker.port, `storm ${i + j}`, { version })))
  }
  await until(() => broker.place.statistics().clients, count => count === 202)
})

attack('a client that subscribes to everything gets no further than its limit', { limits: { subscriptionsPerClient: 100 } }, async (_t, broker, version) => {
  const greedy = await broker.client({ clientId: 'greedy', protocolVersion: version })
  const granted: number[] = []
  for (let i = 0; i < 300; i += 10) {
    const topics = Array.from({ length: 10 }, (_, j) => `topic/${i + j}`)
    granted.push(...await greedy.subscribeAsync(topics).then(grants => grants.map(({ qos }) => qos), () => topics.map(() => 128)))
  }
  assert.equal(granted.filter(qos => qos < 128).length, 100)
  assert.equal(broker.place.statistics().refusedBy['subscriptionsPerClient'], 200)
})
