import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { beginLifetime, carriedBy, carry, type Carried } from '../../../../lib/broker/carried.ts'
import type { BrokerPersistence } from '../../../../lib/broker/persistence/broker-persistence.ts'
import type { Packet } from '../../../../lib/broker/persistence/journal/records.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { keep, kept, killed } from '../../../helpers/kept.ts'

const start = 1_000_000_000
const none = Buffer.alloc(0)
const everything: Carried = { properties: Buffer.from([0x03, 0, 1, 0x61]), expiresAt: start + 5_000, retain: true }
let counter = 0

/** A message whose payload is a slice of what a client sent. */
function message (topic: string, text: string, carried?: Carried): Packet {
  const payload = Buffer.concat([Buffer.from(text), Buffer.alloc(2_000)]).subarray(0, text.length)
  if (carried !== undefined) carry(payload, carried)
  return { cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false, brokerId: 'broker', brokerCounter: ++counter }
}

/** A session that subscribed to everything. */
async function session (persistence: BrokerPersistence, id: string): Promise<void> {
  persistence.clientCame(id, false)
  await persistence.addSubscriptions({ id }, [{ topic: '#', qos: 1 }])
  persistence.clientWent(id)
}

async function publish (persistence: BrokerPersistence, packet: Packet): Promise<void> {
  await persistence.outgoingEnqueueCombi([...await persistence.subscriptionsByTopic(packet.topic)], packet)
}

const queue = async (persistence: BrokerPersistence, id: string): Promise<Packet[]> => await persistence.outgoingStream({ id }).toArray() as Packet[]
const retained = async (persistence: BrokerPersistence): Promise<Packet[]> => await persistence.createRetainedStream('#').toArray() as Packet[]
const texts = (packets: Packet[]): string[] => packets.map(({ payload }) => String(payload))
const carriedIn = (packets: Packet[]): Array<Carried | undefined> => packets.map(({ payload }) => carriedBy(payload))

for (const where of kept) {
  const place = async (t: TestContext): Promise<string | undefined> => where === 'on disk' ? temporaryFolder(t) : undefined

  test(`what a message carries is kept with it in queues, retained messages and wills, ${where}`, async t => {
    const folder = await place(t)
    const now = (): number => start
    const first = await keep(t, { folder, now })
    const carried: Array<Carried | undefined> = [everything, { properties: none, retain: true }, { properties: everything.properties, retain: false }, undefined]
    for (const id of ['one', 'two']) await session(first, id)
    for (const [at, one] of carried.entries()) {
      await publish(first, message(`q/${at}`, at === 1 ? '' : 'queued', one))
      await first.storeRetained({ ...message(`r/${at}`, 'retained', one), retain: true })
      await first.putWill({ id: `w/${at}` }, { ...message('wills', at === 1 ? '' : 'will', one), retain: false })
    }
    const second = folder === undefined ? first : await keep(t, { folder: await killed(t, first, folder), now })
    const expected = carried.map(one => one && { ...one })
    for (const id of ['one', 'two']) assert.deepEqual(carriedIn(await queue(second, id)), expected, id)
    assert.deepEqual(carriedIn(await retained(second)), expected)
    const wills = await second.streamWill({}).toArray() as Packet[]
    assert.deepEqual(carriedIn(wills), expected)
    assert.deepEqual(Object.keys((await retained(second))[0]!).filter(key => ['properties', 'expiresAt', 'published'].includes(key)), [])
  })

  test(`properties count against the limits in bytes, ${where}`, async t => {
    const folder = await place(t)
    const limits = { offlineBytes: 20, retainedBytes: 256 + 20 }
    const first = await keep(t, { folder, limits, now: () => start })
    await session(first, 'c')
    const carried = { properties: Buffer.alloc(10), retain: false }
    for (let i = 0; i < 2; i++) await publish(first, message('a', 'x', carried))
    for (const topic of ['a', 'b']) await first.storeRetained({ ...message(topic, 'x', carried), retain: true })
    const second = folder === undefined ? first : await keep(t, { folder: await killed(t, first, folder), limits, now: () => start })
    const { offline, offlineBytes, retained, retainedBytes } = second.counters
    assert.deepEqual({ offline, offlineBytes, retained, retainedBytes }, { offline: 1, offlineBytes: 12, retained: 1, retainedBytes: 12 })
    await second.clearRetained('a')
    second.discardSession('c')
    assert.deepEqual([second.counters.retainedBytes, second.counters.offlineBytes], [0, 0])
  })

  test(`nobody gets a message that has expired, ${where}`, async t => {
    const folder = await place(t)
    let now = start
    const first = await keep(t, { folder, now: () => now })
    for (const id of ['one', 'two', 'only']) await session(first, id)
    await publish(first, message('a', 'expires', everything))
    await publish(first, message('a', 'stays'))
    await first.outgoingEnqueue({ clientId: 'only', qos: 1 }, message('a', 'expires', everything))
    for (const [topic, carried] of [['expires', everything], ['stays', undefined]] as const) await first.storeRetained({ ...message(topic, topic, carried), retain: true })
    now = start + 4_999
    assert.deepEqual([texts(await queue(first, 'one')), texts(await retained(first))], [['expires', 'stays'], ['expires', 'stays']])
    assert.equal(first.retainedMessage('expires')?.topic, 'expires')
    now = start + 5_000
    assert.deepEqual([texts(await queue(first, 'one')), texts(await retained(first))], [['stays'], ['stays']])
    assert.equal(first.retainedMessage('expires'), undefined)
    const { offline, retained: left, expiredMessages } = first.counters
    assert.deepEqual([offline, left, expiredMessages, first.dropped.expired], [6, 1, 2, 1])
    if (folder === undefined) return
    // After a restart at the latest they are removed.
    const second = await keep(t, { folder: await killed(t, first, folder), now: () => now })
    const { messages, offline: queued, offlineBytes, expiredMessages: later } = second.counters
    assert.deepEqual([messages, queued, offlineBytes, later], [1, 3, 18, 3])
    assert.deepEqual([texts(await queue(second, 'two')), texts(await queue(second, 'only')), texts(await retained(second))], [['stays'], ['stays'], ['stays']])
  })
}

test('what has expired is removed each minute, although nobody looks for it', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = start
  const persistence = await keep(t, { now: () => now })
  await session(persistence, 'c')
  await publish(persistence, message('a', 'x', everything))
  await publish(persistence, message('a', 'x', { ...everything, expiresAt: start + 70_000 }))
  await persistence.storeRetained({ ...message('r', 'x', everything), retain: true })
  // In each turn of the event loop there are 2 ms for it, and one look was at the start.
  const anotherTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
  await anotherTurn()
  now += 60_000
  t.mock.timers.tick(59_999)
  assert.deepEqual([persistence.counters.offline, persistence.counters.retained], [2, 1])
  t.mock.timers.tick(1)
  assert.deepEqual([persistence.counters.offline, persistence.counters.retained, persistence.counters.expiredMessages], [1, 0, 2])
  await anotherTurn()
  now += 60_000
  t.mock.timers.tick(60_000)
  assert.deepEqual([persistence.counters.offline, persistence.counters.messages, persistence.dropped.expired], [0, 0, 2])
})

test('a message that was sent, and one in whose place another is retained, does not expire', async t => {
  let now = start
  const persistence = await keep(t, { now: () => now })
  await session(persistence, 'c')
  await publish(persistence, message('a', 'sent', everything))
  const [sent] = await queue(persistence, 'c')
  await persistence.outgoingUpdate({ id: 'c' }, { ...sent!, messageId: 1 })
  for (const carried of [everything, undefined]) await persistence.storeRetained({ ...message('a', 'x', carried), retain: true })
  now += 10_000
  assert.deepEqual([texts(await queue(persistence, 'c')), texts(await retained(persistence))], [['sent'], ['x']])
  assert.equal(persistence.counters.expiredMessages, 0)
})

test('a last will keeps the seconds for which it is worth delivering, which begin when it is published', async t => {
  const folder = await temporaryFolder(t)
  const first = await keep(t, { folder })
  for (const id of ['connected', 'delayed']) {
    const client = { id, closed: false }
    first.clientCame(id, false, null, 60)
    await first.putWill(client, message('wills', 'will', { properties: none, lifetime: 30, retain: false }))
    if (id === 'delayed') first.delayWill(client, Date.now() + 500)
  }
  await first.clearRetained('nothing')
  const second = await keep(t, { folder: await killed(t, first, folder) })
  const wills = await second.streamWill({}).toArray() as Packet[]
  const due = new Promise<Packet>(resolve => { second.onWillDue = will => { resolve(will as Packet) } })
  wills.push(await due)
  assert.deepEqual(carriedIn(wills), Array(2).fill({ properties: none, lifetime: 30, retain: false }))
  for (const { payload } of wills) beginLifetime(payload)
  for (const carried of carriedIn(wills)) assert.ok(Math.abs(carried!.expiresAt! - Date.now() - 30_000) < 1_000)
})

test('options of a subscription are kept, and given back to whoever asks by client or by topic', async t => {
  const folder = await temporaryFolder(t)
  const first = await keep(t, { folder })
  first.clientCame('c', false)
  const ask = async (persistence: BrokerPersistence): Promise<unknown[]> => {
    const [byClient, byTopic] = [await persistence.subscriptionsByClient({ id: 'c' }), await persistence.subscriptionsByTopic('a')]
    return [byClient.map(({ options }) => options), byTopic.map(({ options }) => options)]
  }
  const all = { noLocal: true, asPublished: true, id: 268_435_455 }
  await first.addSubscriptions({ id: 'c' }, [{ topic: 'a', qos: 1 }])
  assert.deepEqual(await ask(first), [[undefined], [undefined]])
  for (const options of [all, { id: 1 }, all]) {
    await first.addSubscriptions({ id: 'c' }, [{ topic: 'a', qos: 1, options }])
    assert.deepEqual(await ask(first), [[options], [options]])
  }
  assert.deepEqual(await ask(await keep(t, { folder: await killed(t, first, folder) })), [[all], [all]])
})
