import assert from 'node:assert/strict'
import { setImmediate as nextTurn, setTimeout } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import type { BrokerPersistence } from '../../../../lib/broker/persistence/broker-persistence.ts'
import type { Will } from '../../../../lib/broker/persistence/wills.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { keep, kept, killed } from '../../../helpers/kept.ts'

const start = 1_000_000_000

interface Here { id: string, closed: boolean }

/** A client with a will and a session, as aedes lets it in. */
async function come (persistence: BrokerPersistence, id: string, options: { owner?: string | null, expiry?: number, delay?: number, clean?: boolean } = {}): Promise<Here> {
  const { owner = null, expiry = 3_600, delay, clean = false } = options
  const client = { id, closed: false }
  persistence.claimSession(id, owner)
  persistence.cameBack(id, owner)
  await persistence.delWill(client)
  const payload = Buffer.concat([Buffer.from(`will of ${id}`), Buffer.alloc(1_000)]).subarray(0, `will of ${id}`.length)
  await persistence.putWill(client, { topic: 'wills', payload, qos: 1, retain: true, owner, delay })
  persistence.clientCame(id, clean, owner, expiry)
  return client
}

/** It goes, and aedes forgets its will. */
async function go (persistence: BrokerPersistence, client: Here, dueAt: number): Promise<void> {
  client.closed = true
  persistence.delayWill(client, dueAt)
  assert.equal(await persistence.delWill({ ...client, brokerId: 'broker' } as Here), undefined)
  persistence.clientWent(client.id)
}

/** Publishes what is due. */
function publish (persistence: BrokerPersistence): Will[] {
  const published: Will[] = []
  persistence.onWillDue = will => {
    assert.ok(persistence.isToPublish(will))
    published.push(will)
    void persistence.willPublished(will).then(() => { assert.ok(!persistence.isToPublish(will)) })
  }
  return published
}

const names = (wills: Will[]): string[] => wills.map(({ clientId }) => clientId!)

async function former (persistence: BrokerPersistence): Promise<Will[]> {
  return await persistence.streamWill({}).toArray() as Will[]
}

for (const where of kept) {
  const place = async (t: TestContext): Promise<string | undefined> => where === 'on disk' ? temporaryFolder(t) : undefined

  test(`a delayed will is due when its time has come, and no sooner, ${where}`, async t => {
    let now = start
    const persistence = await keep(t, { folder: await place(t), now: () => now })
    const published = publish(persistence)
    await go(persistence, await come(persistence, 'later', { owner: 'ada' }), start + 1_000)
    await go(persistence, await come(persistence, 'sooner'), start + 500)
    await setTimeout(600)
    assert.deepEqual([names(published), await former(persistence)], [[], []])
    now += 500
    await until(() => names(published), ([first]) => first === 'sooner')
    now += 500
    await until(() => published.length, count => count === 2)
    const [, { topic, payload, qos, retain, owner, clientId }] = published as [Will, Will]
    assert.deepEqual({ topic, payload: payload.toString(), qos, retain, owner, clientId }, { topic: 'wills', payload: 'will of later', qos: 1, retain: true, owner: 'ada', clientId: 'later' })
    assert.ok((payload as Buffer).buffer.byteLength < 1_000, 'the chunk that the client sent is not kept')
    assert.deepEqual(names(published), ['sooner', 'later'])
  })

  test(`a client that comes back to its session in time leaves no will, ${where}`, async t => {
    let now = start
    const persistence = await keep(t, { folder: await place(t), now: () => now })
    const published = publish(persistence)
    await go(persistence, await come(persistence, 'back'), start + 500)
    persistence.cameBack('back', null)
    // This one goes while the next connection comes in.
    await go(persistence, await come(persistence, 'between'), start + 500)
    persistence.clientCame('between', false, null, 60)
    // This one was taken over, and the stored will is the next connection's.
    const before = await come(persistence, 'taken over')
    const next = { id: 'taken over', closed: false }
    await persistence.delWill(next)
    await persistence.putWill(next, { topic: 'wills', payload: 'of the next', qos: 0, retain: false, owner: null })
    before.closed = true
    persistence.delayWill(before, start + 500)
    now += 1_000
    await setTimeout(600)
    assert.deepEqual(names(published), [])
    assert.equal((await persistence.getWill(next))?.payload, 'of the next')
  })

  test(`a delayed will is due when the session ends, however it ends, ${where}`, async t => {
    let now = start
    const persistence = await keep(t, { folder: await place(t), now: () => now })
    const published = publish(persistence)
    for (const [id, expiry] of [['discarded', 60], ['ended', 60], ['clean', 60], ['at once', 0], ['expired', 5], ['anonymous', 60]] as const) await go(persistence, await come(persistence, id, { expiry }), start + 30_000)
    await nextTurn()
    assert.deepEqual(names(published), ['at once'])
    persistence.discardSession('discarded')
    await persistence.endSession('ended')
    persistence.clientCame('clean', true)
    persistence.claimSession('anonymous', 'ada')
    await nextTurn()
    assert.deepEqual(names(published).sort(), ['anonymous', 'at once', 'clean', 'discarded', 'ended'])
    now += 5_000
    persistence.limits = { ...persistence.limits }
    await nextTurn()
    assert.equal(names(published).at(-1), 'expired')
    // Without a session there is no delay.
    await go(persistence, await come(persistence, 'no session', { clean: true }), start + 60_000)
    await nextTurn()
    assert.equal(names(published).at(-1), 'no session')
    assert.equal(published.length, 7)
  })

  test(`a will that is due waits for whoever publishes it, ${where}`, async t => {
    const persistence = await keep(t, { folder: await place(t), now: () => start })
    await go(persistence, await come(persistence, 'early', { clean: true }), start)
    await nextTurn()
    const published = publish(persistence)
    await until(() => names(published), ([name]) => name === 'early')
  })
}

test('after a kill delayed wills are published when they are due, if nobody came back and nobody published them', async t => {
  const folder = await temporaryFolder(t)
  let now = start
  const first = await keep(t, { folder, now: () => now })
  for (const id of ['later', 'back', 'meanwhile', 'came', 'ended']) await go(first, await come(first, id), start + (id === 'meanwhile' ? 1_000 : 2_500))
  await come(first, 'came')
  await go(first, await come(first, 'published', { clean: true }), start)
  first.onWillDue = will => { if (will.clientId === 'published') void first.willPublished(will) }
  await nextTurn()
  // Nobody published this one before the kill.
  first.discardSession('ended')
  await nextTurn()
  now += 2_000
  const second = await keep(t, { folder: await killed(t, first, folder), now: () => now })
  assert.deepEqual(names(await former(second)), ['came'])
  const published = publish(second)
  await until(() => published.length, count => count === 2)
  assert.deepEqual(names(published).sort(), ['ended', 'meanwhile'])
  second.cameBack('back', null)
  now += 500
  await until(() => published.length, count => count === 3)
  assert.deepEqual(names(published).slice(2), ['later'])
})

test('after a kill the wills of clients that were connected are delayed from the start on, those without a delay or a session as ever', async t => {
  const folder = await temporaryFolder(t)
  let now = start
  const first = await keep(t, { folder, now: () => now })
  await come(first, 'delayed', { delay: 1, owner: 'ada' })
  await come(first, 'not delayed', { delay: 0 })
  await come(first, '3.1.1')
  await come(first, 'no session', { delay: 1, clean: true })
  await come(first, 'session over', { delay: 1, expiry: 0 })
  now += 100_000
  const left = await killed(t, first, folder)
  const second = await keep(t, { folder: left, now: () => now })
  assert.deepEqual(names(await former(second)).sort(), ['3.1.1', 'no session', 'not delayed', 'session over'])
  // A second kill does not begin the delay anew.
  const third = await keep(t, { folder: await killed(t, second, left), now: () => now + 500 })
  const published = publish(third)
  await setTimeout(300)
  assert.equal(published.length, 0)
  now += 500
  await until(() => published.length, count => count === 1)
  assert.deepEqual(published.map(({ clientId, owner }) => [clientId, owner]), [['delayed', 'ada']])
})
