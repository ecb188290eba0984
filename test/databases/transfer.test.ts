import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Knex } from 'knex'
import type { DatabaseOptions } from '../../lib/store/database.ts'
import { Store } from '../../lib/store/store.ts'
import { copyDatabase } from '../../lib/transfer/copy.ts'
import { withDatabase } from '../../lib/transfer/database.ts'
import { exportTo } from '../../lib/transfer/export.ts'
import { importFrom } from '../../lib/transfer/import.ts'
import { onEachServer } from '../helpers/databases.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { message, reading } from '../helpers/messages.ts'

const quiet = { progress: () => undefined }
const tables = ['agents', 'series', 'retention', 'metrics', 'metrics_1h', 'metrics_1d', 'dirty_hours']

async function fill (knex: Knex): Promise<void> {
  await knex('agents').insert([1, 2].map(id => ({ id: id * 10, uuid: `ü "${id}" `, username: null, name: 'n', hostname: '', pid: 2 ** 40, connected: id === 1, connected_at: 1, last_seen_at: 2, created_at: 3, updated_at: 4 })))
  await knex('series').insert([1, 2, 3].map(id => ({ id: id * 7, agent_id: id < 3 ? 10 : 20, type: `t${id}😀`, last_ts: 5, last_value: 1 / 3 })))
  await knex('retention').insert([7, 21].map(series_id => ({ series_id, raw_from: 6, hours_from: 7 })))
  await knex.raw(`insert into metrics (series_id, ts, seq, value) with recursive n(i) as (select 1 union all select i + 1 from n where i < 6000)
    select 7, 1700000000000 + i / 2, i + 140737488355328, i / 7.0 from n`)
  await knex('metrics').insert(['', '5', 'a,"b"\n', '😀'.repeat(250)].map((text, seq) => ({ series_id: 14, ts: 1, seq, text })))
  await knex('metrics').insert([5e-324, -1.7976931348623157e308, 0.1 + 0.2, -0.5].map((value, seq) => ({ series_id: 21, ts: 2, seq, value })))
  for (const table of ['metrics_1h', 'metrics_1d']) await knex(table).insert({ series_id: 7, ts: 0, n: 3, sum: 0.1, min: 0.2, max: 0.3, last: 0.4 })
  await knex('dirty_hours').insert({ series_id: 7, ts: 3_600_000 })
}

const all = (options: DatabaseOptions): Promise<unknown> => withDatabase(options, async ({ knex }) => {
  const keys: Record<string, string[]> = { agents: ['id'], series: ['id'], retention: ['series_id'], metrics: ['series_id', 'ts', 'seq'] }
  return await Promise.all(tables.map(async table => (await knex(table).orderBy(keys[table] ?? ['series_id', 'ts'])).map(row => 'connected' in row ? { ...row, connected: Boolean(row.connected) } : { ...row })))
})

onEachServer('a SQLite database is moved here and back, nothing changed, and new agents come after', async (t, { options }) => {
  const place = await temporaryFolder(t)
  const [from, back] = ['from', 'back'].map(name => ({ client: 'sqlite', filename: join(place, `${name}.sqlite`) } as const)) as [DatabaseOptions, DatabaseOptions]
  await withDatabase(from, ({ knex }) => fill(knex))
  const copy = (a: DatabaseOptions, b: DatabaseOptions) => withDatabase(a, source => withDatabase(b, target => copyDatabase(source, target, quiet.progress)))
  assert.deepEqual((await copy(from, options)).metrics, { from: 6_008, to: 6_008 })
  assert.deepEqual(await all(options), await all(from))
  await copy(options, back)
  assert.deepEqual(await all(back), await all(from))
  await withDatabase(options, async ({ dialect }) => {
    const store = new Store(dialect, { instance: 'test' })
    t.after(() => store.close())
    const { agentId } = await new Promise<{ agentId: number | null }>((resolve, reject) => {
      store.write(message('agent/message', reading('new')), Date.now(), (error, stored) => { if (stored === undefined) reject(error as Error); else resolve(stored) })
    })
    assert.ok(agentId !== null && agentId > 20, String(agentId))
  })
})

onEachServer('what is exported here is imported by SQLite, and the other way round', async (t, { options }) => {
  const place = await temporaryFolder(t)
  const [from, to] = ['from', 'to'].map(name => ({ client: 'sqlite', filename: join(place, `${name}.sqlite`) } as const)) as [DatabaseOptions, DatabaseOptions]
  await withDatabase(from, ({ knex }) => fill(knex))
  const lines = (of: DatabaseOptions, name: string) => withDatabase(of, ({ knex }) => exportTo(knex, join(place, name), { format: 'ndjson', resume: false, ...quiet }))
  const load = (into: DatabaseOptions, name: string) => withDatabase(into, database => importFrom(database, join(place, name), { format: 'ndjson', ...quiet }))
  await lines(from, 'a.ndjson')
  assert.equal((await load(options, 'a.ndjson')).fresh, 6_008)
  assert.equal((await load(options, 'a.ndjson')).fresh, 0)
  await lines(options, 'b.ndjson')
  assert.equal((await load(to, 'b.ndjson')).fresh, 6_008)
  const [ours, theirs] = await Promise.all([from, to].map(options => withDatabase(options, async ({ knex }) => await knex('metrics').join('series', 'series.id', 'series_id').orderBy(['type', 'ts', 'seq']).select('type', 'ts', 'seq', 'value', 'text'))))
  assert.deepEqual(theirs, ours)
})
