import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { generate, type Packet } from 'mqtt-packet'
import type { BrokerStatistics } from '../../../../lib/broker/broker.ts'
import { once, until, waitFor } from '../../../helpers/events.ts'
import { rawClient } from '../../../helpers/raw-client.ts'

const program = fileURLToPath(new URL('../../../fixtures/broker-to-fill.ts', import.meta.url))

interface Filled {
  port: number
  client (options?: IClientOptions): Promise<MqttClient>
  /** MB of heap and buffers that the broker's process keeps, more than when it began, and what it counted. */
  look (): Promise<{ megabytes: number, statistics: BrokerStatistics }>
}

/** A broker in a process of its own. */
async function openBroker (t: TestContext, limits: Record<string, number> = {}): Promise<Filled> {
  const child = fork(program, [JSON.stringify(limits)], { execArgv: ['--expose-gc'] })
  t.after(async () => {
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  })
  const { port } = await waitFor<{ port: number }>(child, 'message')
  const measure = async (): Promise<{ megabytes: number, statistics: BrokerStatistics }> => {
    child.send('look')
    return await waitFor(child, 'message')
  }
  const before = await measure()
  return {
    port,
    async client (options = {}) {
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options })
      client.on('error', () => undefined)
      t.after(() => { client.end(true) })
      return client
    },
    async look () {
      const { megabytes, statistics } = await measure()
      t.diagnostic(`${megabytes - before.megabytes} MB more than ${before.megabytes}`)
      return { megabytes: megabytes - before.megabytes, statistics }
    }
  }
}

test('retained messages take no more memory than their limit in bytes; subscribers get all of them', { timeout: 60_000 }, async t => {
  const broker = await openBroker(t, { byteRate: 0 })
  const [publisher, subscriber] = [await broker.client(), await broker.client()]
  let got = 0
  subscriber.on('message', () => { got++ })
  await subscriber.subscribeAsync('#', { qos: 1 })
  for (let i = 0; i < 100; i++) await publisher.publishAsync(`large/${i}`, Buffer.alloc(2_000_000), { qos: 1, retain: true })
  const { megabytes, statistics } = await broker.look()
  // All of them would be 200 MB, and as much again on their way.
  assert.ok(megabytes < 170, `${megabytes} MB`)
  await until(() => got, count => count === 100)
  assert.equal(statistics.droppedBy['retainedLimit'], 100 - 33)
})

test('what is retained keeps nothing else of what its client sent', { timeout: 60_000 }, async t => {
  const broker = await openBroker(t, { byteRate: 0 })
  const socket = await rawClient(t, broker.port, 'mixer')
  socket.resume()
  for (let i = 0; i < 2000; i++) {
    const pieces = [publish(`large/${i}`, Buffer.alloc(60_000), false), publish(`small/${i}`, Buffer.from('x'), true)]
    if (!socket.write(Buffer.concat(pieces))) await once(socket, 'drain')
  }
  const reader = await broker.client()
  let got = 0
  reader.on('message', () => { got++ })
  await reader.subscribeAsync('small/+')
  while (got < 2000) await once(reader, 'message')
  const { megabytes } = await broker.look()
  assert.ok(megabytes < 30, `${megabytes} MB`)
})

test('what waits for clients takes no more memory than its limit for all of them', { timeout: 60_000 }, async t => {
  const broker = await openBroker(t, { byteRate: 0 })
  for (let i = 0; i < 130; i++) {
    const client = await broker.client({ clientId: `away ${i}`, clean: false })
    await client.subscribeAsync(`away/${i}`, { qos: 1 })
    await client.endAsync()
  }
  const publisher = await broker.client()
  for (let i = 0; i < 130; i++) await publisher.publishAsync(`away/${i}`, Buffer.alloc(2_000_000), { qos: 1 })
  const { megabytes, statistics } = await broker.look()
  assert.ok(megabytes < 190, `${megabytes} MB`)
  assert.equal(statistics.droppedBy['offlineLimit'], 130 - 67)
})

test('incomplete packets take no more memory than their limit, whoever sends them; small ones and the next large one get through', { timeout: 60_000 }, async t => {
  const broker = await openBroker(t, { incomingBytes: 20_000_000, packetTimeout: 1 })
  const packet = publish('large', Buffer.alloc(2_000_000), false)
  const holders = await Promise.all(Array.from({ length: 40 }, (_, i) => rawClient(t, broker.port, `holder ${i}`)))
  for (const socket of holders) socket.write(packet.subarray(0, -1))
  const [publisher, subscriber] = [await broker.client(), await broker.client()]
  let got = 0
  subscriber.on('message', () => { got++ })
  await subscriber.subscribeAsync('#', { qos: 1 })
  for (let i = 0; i < 100; i++) await publisher.publishAsync('small', Buffer.alloc(1_000), { qos: 1 })
  const { megabytes } = await broker.look()
  assert.ok(megabytes < 60, `${megabytes} MB`)
  assert.equal(got, 100)
  await publisher.publishAsync('large', Buffer.alloc(2_000_000), { qos: 1 })
  await until(async () => (await broker.look()).statistics, ({ clients }) => clients === 2, 45_000)
  const { statistics: { refusedBy } } = await broker.look()
  // The large one's turn came before their time was over.
  assert.equal((refusedBy['packetTimeout'] ?? 0) + (refusedBy['incomingBytes'] ?? 0), 40)
})

for (const clean of [true, false]) {
  test(`the filters of all clients take no more memory than their limit: ${clean ? 'clean' : 'kept'} sessions`, { timeout: 60_000 }, async t => {
    const broker = await openBroker(t, { packetRate: 0 })
    for (let i = 0; i < 40; i++) {
      const socket = await rawClient(t, broker.port, `greedy ${i}`, { clean })
      let received = 0
      socket.on('data', (bytes: Buffer) => { received += bytes.length })
      for (let j = 0; j < 5; j++) {
        const subscriptions = Array.from({ length: 100 }, (_, k) => ({ topic: `${i}/${j}/${k}${'/a'.repeat(29)}`, qos: 1 }))
        socket.write(generate({ cmd: 'subscribe', messageId: 1 + j, subscriptions } as Packet))
      }
      await until(() => received, bytes => bytes === 5 * 104)
    }
    const { megabytes, statistics: { refusedBy } } = await broker.look()
    // All of them would be 130 MB of clean sessions, and 280 MB of kept ones.
    assert.ok(megabytes < 90, `${megabytes} MB`)
    assert.ok((refusedBy['stateBytes'] ?? 0) > 10_000)
  })
}

for (const how of ['stop', 'go on byte by byte']) {
  test(`a client with a large packet is served within seconds when those that fill the room for what comes in ${how}`, { timeout: 60_000 }, async t => {
    const broker = await openBroker(t, { incomingBytes: 20_000_000 })
    const begun = publish('large', Buffer.alloc(2_000_000), false).subarray(0, -100_000)
    const holders = await Promise.all(Array.from({ length: 30 }, (_, i) => rawClient(t, broker.port, `holder ${i}`)))
    for (const socket of holders) socket.write(begun)
    const trickle = how === 'stop' ? undefined : setInterval(() => { for (const socket of holders) socket.write('x') }, 300)
    t.after(() => { clearInterval(trickle) })
    const publisher = await broker.client()
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const before = performance.now()
      await publisher.publishAsync('healthy', Buffer.alloc(1_000_000), { qos: 1 })
      times.push(performance.now() - before)
    }
    t.diagnostic(`${Math.round(Math.max(...times))} ms`)
    assert.ok(Math.max(...times) < 15_000, `${Math.max(...times)} ms`)
    const { statistics: { refusedBy } } = await broker.look()
    assert.ok((refusedBy['incomingBytes'] ?? 0) > 0)
  })
}

test('an incomplete packet keeps nothing else of what its client sent in memory', { timeout: 60_000 }, async t => {
  const broker = await openBroker(t)
  const piece = publish('first', Buffer.alloc(60_000), false)
  const begun = publish('second', Buffer.alloc(100), false).subarray(0, 20)
  const sockets = await Promise.all(Array.from({ length: 190 }, (_, i) => rawClient(t, broker.port, `holder ${i}`)))
  for (const socket of sockets) socket.write(Buffer.concat([piece, begun]))
  for (let received = 0; received < 190;) received = (await broker.look()).statistics.received
  const { megabytes } = await broker.look()
  assert.ok(megabytes < 17, `${megabytes} MB`)
})

function publish (topic: string, payload: Buffer, retain: boolean): Buffer {
  return generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain } as Packet)
}
