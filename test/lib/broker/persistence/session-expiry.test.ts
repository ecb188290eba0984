import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { BrokerPersistence } from '../../../../lib/broker/persistence/broker-persistence.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { keep, kept, killed } from '../../../helpers/kept.ts'

const start = 1_000_000_000

/** A client connects, subscribes and gets a message that it does not acknowledge. */
async function come (persistence: BrokerPersistence, id: string, expiry?: number): Promise<void> {
  persistence.clientCame(id, false, null, expiry)
  await persistence.addSubscriptions({ id }, [{ topic: 'a', qos: 1 }])
  await persistence.outgoingEnqueue({ clientId: id, qos: 1 }, { cmd: 'publish', topic: 'a', payload: Buffer.from('x'), qos: 1, retain: false, dup: false, brokerId: 'broker', brokerCounter: 1 })
}

function sessions ({ counters: { sessions, offline, expiredSessions } }: BrokerPersistence): number[] {
  return [sessions, offline, expiredSessions]
}

for (const where of kept) {
  const place = async (t: TestContext): Promise<string | undefined> => where === 'on disk' ? temporaryFolder(t) : undefined

  test(`a session ends as many seconds after its client left as the client said, and within a second, ${where}`, async t => {
    let now = start
    const persistence = await keep(t, { folder: await place(t), now: () => now })
    for (const [id, expiry] of [['five', 5], ['long', 6], ['for ever', 0xffffffff], ['infinite', Infinity], ['3.1.1', undefined]] as const) {
      await come(persistence, id, expiry)
      persistence.clientWent(id)
    }
    now = start + 5_000
    const before = performance.now()
    persistence.limits = { ...persistence.limits }
    assert.deepEqual(sessions(persistence), [4, 4, 1])
    now = start + 6_000
    await until(() => sessions(persistence), ([count]) => count === 3)
    assert.ok(performance.now() - before < 2_000)
    now = start + 10 ** 10
    persistence.limits = { ...persistence.limits }
    assert.deepEqual(sessions(persistence), [3, 3, 2])
    // 136 years
    now = start + 0xffffffff * 1_000 + 1
    persistence.limits = { ...persistence.limits }
    assert.deepEqual(sessions(persistence), [1, 1, 4])
  })

  test(`no session outlasts the limit, ${where}`, async t => {
    let now = start
    const persistence = await keep(t, { folder: await place(t), limits: { sessionExpiry: 100 }, now: () => now })
    for (const [id, expiry] of [['more', 1_000], ['less', 10], ['3.1.1', undefined]] as const) {
      await come(persistence, id, expiry)
      persistence.clientWent(id)
    }
    for (const [seconds, left] of [[9, 3], [10, 2], [99, 2], [100, 0]] as const) {
      now = start + seconds * 1_000
      persistence.limits = { ...persistence.limits }
      assert.equal(persistence.counters.sessions, left, `after ${seconds} s`)
    }
  })

  test(`a session with expiry 0 ends with its connection, and whoever takes over does not get it, ${where}`, async t => {
    const persistence = await keep(t, { folder: await place(t) })
    await come(persistence, 'c', 0)
    persistence.receive({ id: 'c' }, { messageId: 1, topic: 'b', payload: Buffer.from('b'), dup: false }, () => undefined)?.()
    assert.deepEqual(sessions(persistence), [1, 1, 0])
    persistence.clientWent('c')
    assert.deepEqual(sessions(persistence), [0, 0, 0])
    await assert.rejects(persistence.incomingGetPacket({ id: 'c' }, { messageId: 1 }))
    assert.deepEqual(await persistence.subscriptionsByTopic('a'), [])

    await come(persistence, 'c', 0)
    assert.equal(persistence.claimSession('c', 'another'), true)
    assert.equal(persistence.hasSession('c'), false)
    persistence.clientWent('c')
    assert.equal(persistence.clientCame('c', false, 'another', 60), true)
    assert.equal(persistence.claimSession('c', null), false)
  })

  test(`DISCONNECT changes when a session ends, and each connection says anew, ${where}`, async t => {
    let now = start
    const persistence = await keep(t, { folder: await place(t), now: () => now })
    await come(persistence, 'longer', 0)
    persistence.sessionExpires('longer', 60)
    persistence.clientWent('longer')
    await come(persistence, 'ends', 60)
    persistence.sessionExpires('ends', 0)
    persistence.clientWent('ends')
    assert.deepEqual([persistence.hasSession('longer'), persistence.hasSession('ends')], [true, false])
    now += 30_000
    persistence.clientCame('longer', false, null, 10)
    now += 60_000
    persistence.limits = { ...persistence.limits }
    assert.equal(persistence.hasSession('longer'), true)
    persistence.clientWent('longer')
    persistence.sessionExpires('longer', 20)
    now += 10_000
    persistence.limits = { ...persistence.limits }
    assert.equal(persistence.hasSession('longer'), true)
    persistence.sessionExpires('longer', 0)
    assert.equal(persistence.hasSession('longer'), false)
    persistence.sessionExpires('nobody', 5)
    assert.deepEqual(sessions(persistence), [0, 0, 0])
  })

  test(`a discarded session is gone at once, with all that it held, ${where}`, async t => {
    const persistence = await keep(t, { folder: await place(t) })
    await come(persistence, 'c', 60)
    persistence.receive({ id: 'c' }, { messageId: 1, topic: 'b', payload: Buffer.from('b'), dup: false }, () => undefined)?.()
    persistence.discardSession('c')
    persistence.discardSession('nobody')
    assert.deepEqual(sessions(persistence), [0, 0, 0])
    await assert.rejects(persistence.incomingGetPacket({ id: 'c' }, { messageId: 1 }))
    persistence.clientWent('c')
    persistence.clientCame('c', false, null, 60)
    assert.deepEqual(await persistence.subscriptionsByClient({ id: 'c' }), [])
  })

  test(`that a session exists is kept for a client that said for how long, although it holds nothing, ${where}`, async t => {
    const persistence = await keep(t, { folder: await place(t) })
    for (const [id, expiry] of [['five', 60], ['3.1.1', undefined]] as const) {
      persistence.clientCame(id, false, null, expiry)
      persistence.clientWent(id)
    }
    assert.deepEqual([persistence.hasSession('five'), persistence.hasSession('3.1.1')], [true, false])
  })
}

test('after a kill sessions end when they should, and those that were to end with their connection have', async t => {
  const folder = await temporaryFolder(t)
  let now = start
  const first = await keep(t, { folder, now: () => now })
  for (const [id, expiry] of [['zero', 0], ['here', 60], ['away', 60], ['for ever', Infinity], ['3.1.1', undefined]] as const) await come(first, id, expiry)
  first.clientWent('away')
  now += 30_000
  const second = await keep(t, { folder: await killed(t, first, folder), now: () => now })
  assert.deepEqual(['zero', 'here', 'away', 'for ever', '3.1.1'].map(id => second.hasSession(id)), [false, true, true, true, true])
  now += 30_000
  second.limits = { ...second.limits }
  assert.equal(second.hasSession('away'), false)
  now += 29_000
  second.limits = { ...second.limits }
  assert.equal(second.hasSession('here'), true)
  now += 1_000
  second.limits = { ...second.limits }
  assert.deepEqual(['here', 'for ever', '3.1.1'].map(id => second.hasSession(id)), [false, true, true])
})
