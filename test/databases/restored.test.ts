import assert from 'node:assert/strict'
import type { Knex } from 'knex'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store, type Stored } from '../../lib/store/store.ts'
import { onEachDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'

/** Every metric as `agent type timestamp`, in order. */
async function metrics (query: Knex): Promise<string[]> {
  const rows = await query('metrics').join('series', 'series.id', 'metrics.series_id').join('agents', 'agents.id', 'series.agent_id').select('uuid', 'type', 'ts')
  return rows.map(({ uuid, type, ts }) => `${uuid} ${type} ${ts}`).sort()
}

onEachDatabase('a database that is restored under an open store gives no metric to another series', async (t, { options, query }) => {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  const write = (uuid: string, timestamp: number): Promise<Stored> => new Promise((resolve, reject) => {
    store.write(message('agent/message', { agent: { uuid }, timestamp, metrics: [{ type: 'load', value: 1 }] }), timestamp, (error, stored) => {
      if (stored === undefined) reject(error as Error)
      else resolve(stored)
    })
  })
  const problems: string[] = []
  store.on('state', state => { if (state.state === 'waiting') problems.push(state.error.code) })
  await write('ours', 1_000)

  // A backup of another time: the same ids are of another agent.
  await query.transaction(async db => {
    await db('writers').delete()
    await db('metrics').delete()
    await db('agents').update({ uuid: 'theirs' })
  })
  await write('ours', 2_000)
  await write('ours', 3_000)

  assert.deepEqual(await metrics(query), ['ours load 2000', 'ours load 3000'])
  assert.deepEqual(problems, ['STORE_REPLACED'])
})
