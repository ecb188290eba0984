import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { openPersistence } from '../../../../lib/broker/persistence/persistence.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'

const limits = { retainedMessages: 1_000, offlineMessages: 1_000, offlineBytes: 0, retainedBytes: 0, offlineTotalBytes: 0, sessionExpiry: 0 }

test('a thread of SQLite that dies is replaced, and what was promised is on the disk', async t => {
  const workers: Worker[] = []
  const came = (worker: Worker): void => { workers.push(worker) }
  process.on('worker', came)
  t.after(() => { process.off('worker', came) })
  const folder = await temporaryFolder(t)
  const open = (): ReturnType<typeof openPersistence> => openPersistence({ folder, limits, driver: 'node:sqlite' })
  const persistence = await open()
  const retain = async (topic: string): Promise<void> => {
    await persistence.storeRetained({ cmd: 'publish', topic, payload: Buffer.from('x'), qos: 1, retain: true, dup: false, brokerId: 'b', brokerCounter: 1 })
  }
  const topics: string[] = []
  for (const delay of [0, 1, 5]) {
    topics.push(`idle/${delay}`)
    await Promise.all(workers.splice(0).map(worker => worker.terminate()))
    await retain(`idle/${delay}`)
    const busy = Array.from({ length: 50 }, (_, i) => `busy/${delay}/${i}`)
    topics.push(...busy)
    const retaining = Promise.all(busy.map(retain))
    await pause(delay)
    await Promise.all(workers.splice(0).map(worker => worker.terminate()))
    await retaining
  }
  await Promise.all(workers.splice(0).map(worker => worker.terminate()))
  await persistence.close()
  const again = await open()
  t.after(() => again.close())
  assert.equal(again.counters.retained, topics.length)
})
