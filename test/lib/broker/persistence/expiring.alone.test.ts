import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { carry } from '../../../../lib/broker/carried.ts'
import type { BrokerPersistence } from '../../../../lib/broker/persistence/broker-persistence.ts'
import { openPersistence } from '../../../../lib/broker/persistence/persistence.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'

const count = 100_000
/** ms of this thread's own work, so that what else the machine does is not measured. A slice is 2 ms, but garbage is collected, too; all at once: 300 to 425 ms. */
const longestTurn = 100

const limits = { retainedMessages: count, offlineMessages: count, offlineBytes: 0, retainedBytes: 0, offlineTotalBytes: 0, sessionExpiry: 0 }

// Of Node 23.9; the types do not have it yet.
const { threadCpuUsage } = process as unknown as { threadCpuUsage (since?: NodeJS.CpuUsage): NodeJS.CpuUsage }

/** @returns tells how long the longest turn of the event loop took, in ms of this thread's work */
function watchTurns (t: TestContext): () => number {
  let [longest, watching] = [0, true]
  let before = threadCpuUsage()
  const look = (): void => {
    const { user, system } = threadCpuUsage(before)
    before = threadCpuUsage()
    longest = Math.max(longest, (user + system) / 1000)
    if (watching) setImmediate(look)
  }
  setImmediate(look)
  t.after(() => { watching = false })
  return () => longest
}

type Packet = Parameters<BrokerPersistence['outgoingEnqueue']>[1]

function expiring (topic: string, brokerCounter: number, expiresAt: number | undefined): Packet {
  const payload = Buffer.from('x')
  if (expiresAt !== undefined) carry(payload, { properties: Buffer.alloc(0), retain: true, expiresAt })
  return { cmd: 'publish', topic, payload, qos: 1, retain: true, dup: false, brokerId: 'broker', brokerCounter } as Packet
}

/** @returns the longest turn, in ms, in which 100,000 messages of a queue and as many retained ones expire */
async function expireAll (t: TestContext, onDisk: boolean): Promise<number> {
  let now = Date.now()
  const persistence = await openPersistence({ folder: onDisk ? await temporaryFolder(t) : undefined, limits, now: () => now })
  t.after(() => persistence.close())
  const away = { clientId: 'away', qos: 1 } as const
  persistence.clientCame('away', false)
  await persistence.addSubscriptions({ id: 'away' } as never, [{ topic: 'a', qos: 1 }])
  persistence.clientWent('away')
  for (let i = 1; i <= count; i++) {
    void persistence.storeRetained(expiring(`retained/${i}`, i, now + 1_000))
    const queued = persistence.outgoingEnqueue(away, expiring('a', i, now + 1_000))
    if (i % 1_000 === 0) await queued
    else queued.then(() => undefined)
  }
  assert.equal(persistence.counters.offline, count)
  await new Promise(resolve => { setImmediate(resolve) })

  now += 2_000
  const longest = watchTurns(t)
  await persistence.outgoingEnqueue(away, expiring('a', count + 1, undefined))
  await persistence.storeRetained(expiring('another', count + 1, undefined))
  assert.notEqual(persistence.retainedMessage('another'), undefined, 'there was room at once')
  await until(() => [persistence.counters.offline, persistence.counters.retained], ([offline, retained]) => offline === 1 && retained === 1)
  await new Promise(resolve => { setImmediate(resolve) })
  assert.equal(persistence.counters.expiredMessages, 2 * count)
  return longest()
}

for (const [where, onDisk] of [['in memory', false], ['on disk', true]] as const) {
  test(`${count} messages that expire at once in a queue, and as many retained ones, keep the event loop for no longer than ${longestTurn} ms at a time, ${where}`, async t => {
    const took = await expireAll(t, onDisk)
    t.diagnostic(`the longest turn took ${took.toFixed(1)} ms`)
    assert.ok(took <= longestTurn, `${took} ms`)
  })
}
