import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { onEachDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'

const today = Math.floor(1_700_000_000_000 / day) * day

onEachDatabase('the statement in docs/databases.md finds the hours that are complete, and nothing else', async (t, { options, query }) => {
  const [, sql = ''] = /```sql\n(.*?)```/s.exec(await readFile(new URL('../../docs/databases.md', import.meta.url), 'utf8')) ?? []
  const store = new Store(dialectOf(options), { instance: 'test' })
  const retention = new Retention(store, { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] })
  t.after(() => Promise.all([retention.stop(), store.close()]))
  const write = async (timestamp: number, value: number): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      store.write(message('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 'cpu', value }], timestamp }), timestamp, error => { if (error === null) resolve(); else reject(error) })
    })
  }
  const complete = async () => await query.select('ts', 'n', 'sum', 'min', 'max', 'last').from(query.raw(`(${sql}) as hours`)).orderBy('ts') as unknown[]

  for (const start of [0, hour, 2 * hour]) await write(today + start, 1)
  assert.deepEqual(await complete(), [])
  await retention.runOnce(today + day)
  await write(today + hour + 1, 2)
  await write(today + 3 * hour - 1, 3)
  // As a process leaves it that rolls up the third hour, and one that deletes a part of an hour.
  await query('dirty_hours').where('ts', today + 2 * hour).update({ ts: today + 2 * hour + 20 * 60_000 })
  const { id } = await query('series').first('id') as { id: number }
  await query('metrics_1h').insert({ series_id: id, ts: -1, n: 7, sum: 7, min: 1, max: 1, last: 1 })
  const first = { ts: today, n: 1, sum: 1, min: 1, max: 1, last: 1 }
  assert.deepEqual(await complete(), [first])

  await retention.runOnce(today + day)
  assert.deepEqual(await complete(), [first, { ts: today + hour, n: 2, sum: 3, min: 1, max: 2, last: 2 }, { ts: today + 2 * hour, n: 2, sum: 4, min: 1, max: 3, last: 3 }])
})
