import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Knex } from 'knex'
import { ask } from '../../lib/query/ask.ts'
import { parseQuery } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import type { DatabaseOptions } from '../../lib/store/dialects/options.ts'
import { Forgetting } from '../../lib/store/forgetting/forgetting.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store, type Stored } from '../../lib/store/store.ts'
import { copyDatabase } from '../../lib/transfer/copy.ts'
import { withDatabase } from '../../lib/transfer/database.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { message } from '../helpers/messages.ts'

const hour = 3_600_000
const start = Math.floor(1_700_000_000_000 / hour) * hour

/** A process that writes to the database and forgets agents. */
function open (t: TestContext, { options }: OpenDatabase, instance = 'test') {
  const store = new Store(dialectOf(options), { instance })
  const forgetting = new Forgetting(store)
  const close = (): Promise<unknown> => Promise.all([forgetting.stop(), store.close()])
  t.after(close)
  const write = (uuid: string, timestamp: number, types = ['load']): Promise<Stored> => new Promise((resolve, reject) => {
    const metrics = types.map((type, value) => ({ type, value }))
    store.write(message('agent/message', { agent: { uuid }, timestamp, metrics }), timestamp, (error, stored) => {
      if (stored === undefined) reject(error as Error)
      else resolve(stored)
    })
  })
  return { store, forgetting, write, close }
}

/** How many rows each table has. */
async function rows (query: Knex): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const table of ['agents', 'series', 'metrics', 'metrics_1h', 'metrics_1d', 'dirty_hours', 'retention']) {
    const row = await query(table).count({ n: '*' }).first()
    counts[table] = Number(row?.n)
  }
  return counts
}

async function agents (store: Store): Promise<unknown> {
  const now = Date.now()
  for await (const { payload } of ask(await store.read(), parseQuery({ query: 'agents' }, now), { result: 'objects', most: 100 })) return (payload as Array<{ uuid: string }>).map(({ uuid }) => uuid)
  return undefined
}

onEachDatabase('a forgotten agent is gone with everything that it reported, and others are not touched', async (t, database) => {
  const { query } = database
  const { store, forgetting, write } = open(t, database)
  for (const uuid of ['kept', 'lost']) for (let i = 0; i < 5; i++) await write(uuid, start + i * hour, ['load', 'heat'])
  const retention = new Retention(store, { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] })
  t.after(() => retention.stop())
  await retention.runOnce(start + 10 * hour)
  await write('lost', start)
  const both = await rows(query)
  assert.deepEqual([both['metrics'], both['metrics_1h'], both['dirty_hours']], [21, 20, 1])

  const told: string[] = []
  store.on('forgotten', uuid => { told.push(uuid) })
  assert.equal(await forgetting.forget('lost'), true)
  assert.deepEqual(await agents(store), ['kept'])
  await forgetting.swept()
  const left = await rows(query)
  assert.deepEqual([left['agents'], left['series'], left['metrics'], left['metrics_1h'], left['metrics_1d'], left['dirty_hours'], left['retention']],
    [1, 2, 10, 10, both['metrics_1d'] as number / 2, 0, (both['retention'] as number) / 2])
  assert.deepEqual(told, ['lost'])
  const { agents: forgotten, series, metrics } = forgetting.statistics()
  assert.deepEqual([forgotten, series, metrics], [1, 2, 11])
})

onEachDatabase('forgetting an agent that is not there, or again, changes nothing', async (t, database) => {
  const { store, forgetting, write } = open(t, database)
  const told: string[] = []
  store.on('forgotten', uuid => { told.push(uuid) })
  await write('kept', start)
  assert.equal(await forgetting.forget('never'), false)
  await write('lost', start)
  assert.deepEqual(await Promise.all([forgetting.forget('lost'), forgetting.forget('lost')]), [true, false])
  await forgetting.swept()
  assert.deepEqual(await agents(store), ['kept'])
  assert.deepEqual(told, ['lost'])
})

onEachDatabase('an agent that still reports comes back as a new one, with what it sends from then on', async (t, database) => {
  const { forgetting, write } = open(t, database)
  const { agentId: before } = await write('lively', start)
  const writing = (async () => { for (let i = 1; i <= 50; i++) await write('lively', start + i) })()
  assert.equal(await forgetting.forget('lively'), true)
  await writing
  const { agentId: after } = await write('lively', start + 100)
  await forgetting.swept()
  assert.notEqual(after, before)
  const { query } = database
  const stored = await query('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select('ts') as Array<{ ts: number }>
  assert.ok(stored.some(({ ts }) => ts === start + 100))
  assert.ok(!stored.some(({ ts }) => ts === start))
  const { metrics, series, agents } = await rows(query)
  assert.deepEqual([metrics, series, agents], [stored.length, 1, 1], 'nothing is left that belongs to nobody')
})

onEachDatabase('what a process that ended did not delete, the next one does', async (t, database) => {
  const { query } = database
  const first = open(t, database)
  const types = Array.from({ length: 200 }, (_, i) => `type ${i}`)
  for (let i = 0; i < 30; i++) await first.write('large', start + i, types)
  await first.write('kept', start)
  assert.equal(await first.forgetting.forget('large'), true)
  // In the middle of it.
  await first.close()
  const between = await rows(query)
  assert.equal(between['agents'], 1)
  assert.ok((between['series'] as number) > 1, 'the process had no time to delete all of it')

  const next = open(t, database)
  await next.forgetting.swept()
  const { series, metrics, dirty_hours: dirty } = await rows(query)
  assert.deepEqual([series, metrics, dirty], [1, 1, 1])
})

onEachDatabase('a copy leaves behind what is still to be deleted: its numbers would be other agents\' there', async (t, database) => {
  const first = open(t, database)
  await first.write('kept', start)
  const types = Array.from({ length: 300 }, (_, i) => `type ${i}`)
  for (let i = 0; i < 10; i++) await first.write('lost', start + i, types)
  await first.forgetting.forget('lost')
  await first.close()
  const copy: DatabaseOptions = { client: 'sqlite', filename: join(await temporaryFolder(t), 'copy.sqlite') }
  await withDatabase(database.options, from => withDatabase(copy, async to => {
    assert.ok(Number((await from.knex('series').count({ n: '*' }))[0]?.n) > 1, 'something is still to be deleted')
    const counts = await copyDatabase(from, to, () => undefined)
    assert.deepEqual([counts['series'], counts['metrics']], [{ from: 1, to: 1 }, { from: 1, to: 1 }])
  }))
})

onEachDatabase('another process that wrote for the agent makes a new one of it, whether or not it was busy', async (t, database) => {
  const { query } = database
  const ours = open(t, database, 'ours')
  // One makes the tables.
  await ours.store.read()
  const theirs = open(t, database, 'theirs')
  const { agentId: before } = await theirs.write('shared', start)
  assert.equal(await ours.forgetting.forget('shared'), true)
  const { agentId: after } = await theirs.write('shared', start + 1)
  assert.notEqual(after, before)
  await ours.forgetting.swept()
  const stored = await query('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select('ts') as Array<{ ts: number }>
  assert.deepEqual(stored.map(({ ts }) => ts), [start + 1])
})
