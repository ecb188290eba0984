import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IClientOptions, MqttClient } from 'mqtt'
import { StateShare, StateBytes } from '../../../lib/broker/state-bytes.ts'
import { openBroker, removeBroker, type TestBroker } from '../../helpers/broker.ts'
import { closing, until } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { publishPacket, rawClient } from '../../helpers/raw-client.ts'

/** Each level of it is its own. */
const deepFilter = (client: number, i: number): string => `${client}/${i}${'/a'.repeat(30)}`
const refused = (broker: TestBroker): number => broker.place.statistics().refusedBy['stateBytes'] ?? 0

/** How many of the filters are granted. */
async function granted (broker: TestBroker, client: MqttClient, filters: string[]): Promise<number> {
  const count = (): number => broker.place.clients().find(({ clientId }) => clientId === client.options.clientId)?.subscriptions.length ?? 0
  const before = count()
  // It rejects when one is refused.
  await client.subscribeAsync(filters, { qos: 1 }).catch(() => undefined)
  return count() - before
}

test('what one client keeps counts beyond what it has for itself, until it lets go of it or ends', () => {
  const all = new StateBytes()
  all.limit = 10_000
  const [one, other] = [new StateShare(all), new StateShare(all)]
  one.add(4_096)
  one.add(10_000)
  assert.deepEqual([one.hasRoomFor(1), other.hasRoomFor(4_096), other.hasRoomFor(4_097)], [false, true, false])
  one.add(-5_000)
  assert.deepEqual([one.hasRoomFor(5_000), other.hasRoomFor(9_096), other.hasRoomFor(9_097)], [true, true, false])
  one.end()
  one.add(20_000)
  assert.equal(other.hasRoomFor(14_096), true)
  other.add(20_000)
  all.limit = 0
  assert.equal(other.hasRoomFor(1_000_000), true)
})

for (const clean of [true, false]) {
  test(`beyond the limit no filters of ${clean ? 'clean' : 'kept'} sessions are granted, but to those that ask for little; what is let go of makes room`, async t => {
    const broker = await openBroker(t, { limits: { stateBytes: 200_000 } })
    const filters = (client: number): string[] => Array.from({ length: 20 }, (_, i) => deepFilter(client, i))
    const greedy = await Promise.all(Array.from({ length: 10 }, (_, i) => broker.client({ clientId: `greedy ${i}`, clean })))
    const counts: number[] = []
    for (const [i, client] of greedy.entries()) counts.push(await granted(broker, client, filters(i)))
    // A filter takes some 9,000 bytes, and in a kept session two times that.
    assert.deepEqual(counts, clean ? [20, 3, 1, 0, 0, 0, 0, 0, 0, 0] : [11, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    assert.equal(refused(broker), 200 - counts.reduce((sum, count) => sum + count))
    const modest = await broker.client({ clientId: 'modest', clean })
    assert.equal(await granted(broker, modest, ['sensors/+/temperature']), 1)
    let heard = 0
    modest.on('message', () => { heard++ })
    await modest.publishAsync('sensors/1/temperature', '21.5', { qos: 1 })
    await until(() => heard, count => count === 1)
    assert.equal(await granted(broker, modest, [deepFilter(10, 0)]), 0)
    await greedy[0]?.unsubscribeAsync(filters(0).slice(0, 5))
    assert.equal(await granted(broker, modest, filters(10).slice(0, 5)), 5)
    await greedy[0]?.endAsync()
    if (!clean) {
      assert.equal(await granted(broker, modest, [deepFilter(11, 0)]), 0, 'the session has them still')
      await broker.place.control.endSession('greedy 0')
    }
    assert.equal(await granted(broker, modest, filters(11).slice(0, 5)), 5)
  })
}

test('a session keeps its room while its client is away, and after a restart; the client gets all of it back', { timeout: 60_000 }, async t => {
  const folder = await temporaryFolder(t)
  const options = { folder, limits: { stateBytes: 50_000 } }
  const broker = await openBroker(t, options)
  const session: IClientOptions = { clientId: 'away', clean: false }
  const client = await broker.client(session)
  const count = await granted(broker, client, Array.from({ length: 10 }, (_, j) => deepFilter(0, j)))
  assert.ok(count > 1 && count < 10, `${count} granted`)
  await client.endAsync()
  const other = await broker.client({ clientId: 'other' })
  assert.equal(await granted(broker, other, [deepFilter(1, 0)]), 0)
  await removeBroker(broker.id)
  const again = await openBroker(t, options)
  const stranger = await again.client({ clientId: 'stranger' })
  assert.equal(await granted(again, stranger, [deepFilter(1, 0)]), 0)
  const back = await again.client(session)
  const [info] = again.place.clients().filter(({ clientId }) => clientId === 'away')
  assert.equal(info?.subscriptions.length, count)
  assert.equal(refused(again), 1)
  await back.endAsync()
  await again.place.control.endSession('away')
  assert.equal(await granted(again, stranger, [deepFilter(1, 0)]), 1)
})

for (const what of ['last wills', 'client ids', 'user names']) {
  test(`${what} of all clients take no more than the limit; a client with small ones is let in`, async t => {
    const broker = await openBroker(t, { limits: { stateBytes: 50_000 } })
    const large = (i: number): IClientOptions => what === 'last wills' ? { will: { topic: 'gone', payload: Buffer.alloc(8_000), qos: 1, retain: false } } : { [what === 'client ids' ? 'clientId' : 'username']: String(i).padEnd(8_000, 'x') }
    const clients: MqttClient[] = []
    for (let i = 0; i < 30; i++) await broker.client({ clientId: `${i}`, ...large(i) }).then(client => clients.push(client), () => undefined)
    assert.ok(clients.length >= 4 && clients.length <= 12, `${clients.length} were let in`)
    assert.equal(refused(broker), 30 - clients.length)
    assert.ok(broker.events.some(event => event.event === 'refused' && event.reason === 'all clients together have the broker remember too much'))
    await broker.client({ clientId: 'small', username: 'small', will: { topic: 'gone', payload: Buffer.from('small'), qos: 1, retain: false } })
    await clients[0]?.endAsync()
    await until(() => broker.place.statistics().clients, count => count === clients.length)
    await broker.client({ clientId: 'next', ...large(99) })
  })
}

test('QoS 2 messages of all clients that wait for their PUBREL take no more than the limit', async t => {
  const broker = await openBroker(t, { limits: { stateBytes: 50_000 } })
  const send = async (socket: Awaited<ReturnType<typeof rawClient>>, count: number): Promise<void> => {
    let received = 0
    socket.on('data', (bytes: Buffer) => { received += bytes.length / 4 })
    for (let id = 1; id <= count; id++) socket.write(publishPacket('plain', '', 2, id))
    await until(() => socket.destroyed ? count : received, sum => sum === count)
  }
  const one = await rawClient(t, broker.port, 'one')
  await send(one, 150)
  const other = await rawClient(t, broker.port, 'other')
  other.on('data', () => undefined)
  for (let id = 1; id <= 150; id++) other.write(publishPacket('plain', '', 2, id))
  await closing(other)
  assert.ok(refused(broker) > 0)
  await send(await rawClient(t, broker.port, 'modest'), 10)
  one.destroy()
  await until(() => broker.place.statistics().clients, count => count === 1)
  await send(await rawClient(t, broker.port, 'next'), 150)
})

test('clients that were refused or left count for nothing', { timeout: 60_000 }, async t => {
  const broker = await openBroker(t, { limits: { stateBytes: 30_000, connectionRate: 0 }, decide: async () => true })
  const will = { topic: 'gone', payload: Buffer.alloc(8_000), qos: 1 as const, retain: false }
  for (let i = 0; i < 50; i++) {
    const client = await broker.client({ clientId: 'same', will, username: 'user', password: 'password' })
    await client.subscribeAsync(deepFilter(i, 0))
    client.stream.destroy()
  }
  await until(() => broker.place.statistics().clients, count => count === 0)
  const client = await broker.client({ clientId: 'last', will, username: 'user', password: 'password' })
  assert.equal(await granted(broker, client, [deepFilter(0, 0), deepFilter(0, 1)]), 2)
  assert.equal(refused(broker), 0)
})
