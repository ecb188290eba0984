import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { sqliteDialect } from '../../../../lib/store/dialects/sqlite/sqlite.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'

const timers = (): number => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length

test('an attempt to connect that fails, wherever it is, leaves no pool behind: a store makes one again and again', async t => {
  const dialect = sqliteDialect(join(await temporaryFolder(t), 'metrics.db'), 'node:sqlite')
  await (await dialect.connect()).destroy()
  const workers: Worker[] = []
  const came = (worker: Worker): void => { workers.push(worker) }
  process.on('worker', came)
  t.after(() => { process.off('worker', came) })
  const before = timers()
  let failed = 0
  for (let turn = 0; turn < 24; turn++) {
    const connecting = dialect.connect().then(knex => knex.destroy(), () => { failed++ })
    while (workers.length === 0) await pause(1)
    const [worker] = workers.splice(0) as [Worker]
    // Its answers come one after another: the connection is cut off after each of the first ones.
    let answers = turn % 12
    worker.on('message', () => { if (answers-- === 0) void worker.terminate() })
    await connecting
    await worker.terminate()
  }
  assert.ok(failed > 0)
  assert.equal(timers(), before)
})
