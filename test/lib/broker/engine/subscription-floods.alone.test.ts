import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import { openBroker } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { publishPacket, rawClient } from '../../../helpers/raw-client.ts'

const subscribe = (topics: string[], qos: number, messageId: number): Buffer => generate({ cmd: 'subscribe', messageId, subscriptions: topics.map(topic => ({ topic, qos })) } as Packet)
const unsubscribe = (topic: string, messageId: number): Buffer => generate({ cmd: 'unsubscribe', messageId, unsubscriptions: [topic] } as Packet)
const megabytes = (): number => (process.memoryUsage().heapUsed + process.memoryUsage().external) / 1e6

for (const clean of [true, false]) {
  test(`one SUBSCRIBE grants no more filters than a client may have: ${clean ? 'a clean' : 'a kept'} session`, async t => {
    const broker = await openBroker(t, { limits: { subscriptionsPerClient: 10 } })
    const client = await broker.client({ clientId: 'greedy', clean })
    const granted = async (topics: string[]): Promise<number> => {
      const grants = await client.subscribeAsync(topics).catch((error: { grants?: Array<{ qos: number }> }) => error.grants ?? [])
      return grants.filter(({ qos }) => qos < 128).length
    }
    await granted(Array.from({ length: 50 }, (_, i) => `many/${i}`))
    const [info] = await until(() => broker.place.clients(), ([info]) => info?.subscriptions.length === 10)
    assert.equal(info?.subscriptions.length, 10)
    assert.equal(broker.place.statistics().refusedBy['subscriptionsPerClient'], 40)
    await client.unsubscribeAsync('many/0')
    await client.subscribeAsync('another')
    await assert.rejects(client.subscribeAsync('one too many'))
  })
}

test('a long filter counts as several', async t => {
  const broker = await openBroker(t, { limits: { subscriptionsPerClient: 10 } })
  const client = await broker.client({ clientId: 'long' })
  await client.subscribeAsync('x'.repeat(9 * 256))
  await client.subscribeAsync('x')
  await assert.rejects(client.subscribeAsync('y'))
  await client.unsubscribeAsync('x'.repeat(9 * 256))
  await client.subscribeAsync('y')
})

test('a client that unsubscribes and subscribes at once gets each message once, and none after it unsubscribed', async t => {
  const broker = await openBroker(t)
  const socket = await rawClient(t, broker.port, 'to and fro')
  let received = 0
  socket.on('data', (bytes: Buffer) => { received += bytes.filter(byte => byte === 0x7e).length })
  socket.write(Buffer.concat([subscribe(['a'], 0, 1), ...Array.from({ length: 50 }, (_, i) => [unsubscribe('a', 2), subscribe(['a'], (i + 1) % 2, 3)]).flat()]))
  const publisher = await broker.client()
  await publisher.publishAsync('b', '', { qos: 1 })
  await publisher.publishAsync('a', '~', { qos: 0 })
  await until(() => received, count => count === 1)
  assert.deepEqual(broker.place.clients().find(({ clientId }) => clientId === 'to and fro')?.subscriptions, [{ topic: 'a', qos: 0 }])
  socket.destroy()
  await until(() => broker.place.statistics().clients, count => count === 1)
  assert.equal(broker.place.snapshot()?.subscriptions, 0)
})

test('long topics are not remembered for each subscriber', async t => {
  const broker = await openBroker(t)
  const before = megabytes()
  for (let i = 0; i < 3; i++) {
    const socket = await rawClient(t, broker.port, `long ${i}`)
    socket.resume().write(subscribe([`${i}/#`], 0, 1))
    for (let j = 0; j < 900; j++) if (!socket.write(publishPacket(`${i}/${j}/${'x'.repeat(60_000)}`, '', 0))) await once(socket, 'drain')
    socket.write(publishPacket('end', '', 1, 1))
  }
  await until(() => broker.place.statistics().received, count => count === 3 * 901)
  globalThis.gc?.()
  const taken = megabytes() - before
  t.diagnostic(`${taken.toFixed(0)} MB`)
  assert.ok(taken < 110, `${taken} MB`)
})
