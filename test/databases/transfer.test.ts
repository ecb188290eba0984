import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { ask } from '../../lib/query/ask.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import type { DatabaseOptions } from '../../lib/store/dialects/options.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { copyDatabase } from '../../lib/transfer/copy.ts'
import { withDatabase } from '../../lib/transfer/database.ts'
import { exportTo } from '../../lib/transfer/export.ts'
import { importFrom } from '../../lib/transfer/import.ts'
import { onEachDatabase, onEachServer } from '../helpers/databases.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { message, reading } from '../helpers/messages.ts'
import { QueryModel } from './query-model.ts'

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

onEachDatabase('an export has the types and newest values of series whose metrics retention deleted, and what came late and in large sums', async (t, { options, dialect, query }) => {
  const place = await temporaryFolder(t)
  const start = 19_675 * day
  const store = new Store(dialect, { instance: 'test' })
  t.after(() => store.close())
  const model = new QueryModel(store, query)
  for (const [i, value] of [1, 2, 3].entries()) await model.report('a', start + i, { cpu: value, huge: 1.7e308, on: i === 1, state: `=${i}` })
  const retention = new Retention(store, { rawDays: 1, hourDays: 3, dayDays: 0, overrides: [] })
  await retention.runOnce(start + 2 * day)
  const fileOf = (name: string): string => join(place, name)
  const to: DatabaseOptions = { client: 'sqlite', filename: fileOf('to.sqlite') }
  await withDatabase(options, ({ knex }) => exportTo(knex, fileOf('a.ndjson'), { format: 'ndjson', resume: false, ...quiet }))
  await withDatabase(to, database => importFrom(database, fileOf('a.ndjson'), { format: 'ndjson', ...quiet }))
  // Older than what is there, and so no newest value; not in the export.
  await model.report('a', start + 1, { cpu: 9 }, 1)
  await withDatabase(options, ({ knex }) => exportTo(knex, fileOf('b.ndjson'), { format: 'ndjson', resume: false, ...quiet }))
  const answer = async (knex: Knex, input: QueryInput): Promise<unknown> => {
    for await (const { payload } of ask(knex, parseQuery(input, start + day), { result: 'objects', most: 100 })) return payload
    return undefined
  }
  const questions: QueryInput[] = [{ query: 'types', uuid: 'a' }, { query: 'latest', uuid: 'a' },
    ...['cpu', 'huge', 'on'].flatMap(type => ['1h', '1d'].map(bucket => ({ query: 'buckets', uuid: 'a', type, from: start, to: start + hour, bucket, aggregates: 'avg,min,max,sum,count,last' })))]
  const latest = [{ type: 'cpu', ts: start + 2, value: 3 }, { type: 'huge', ts: start + 2, value: 1.7e308 }, { type: 'on', ts: start + 2, value: 0 }, { type: 'state', ts: start + 2, value: '=2' }]
  const before = await store.read()
  await withDatabase(to, async database => {
    assert.deepEqual(await answer(database.knex, questions[1] as QueryInput), latest)
    await importFrom(database, fileOf('b.ndjson'), { format: 'ndjson', ...quiet })
    for (const question of questions) assert.deepEqual(await answer(database.knex, question), await answer(before, question), JSON.stringify(question))
  })
})

onEachDatabase('an export is of one moment, whatever retention deletes meanwhile, and goes on only as long as nothing is deleted', async (t, { options, dialect, query }) => {
  const place = await temporaryFolder(t)
  const start = 19_675 * day
  const store = new Store(dialect, { instance: 'test' })
  t.after(() => store.close())
  const model = new QueryModel(store, query)
  await model.report('a', start, { cpu: 0, memory: 0 })
  await model.report('b', start - 5 * day, { cpu: 0 })
  await Promise.all(Array.from({ length: 6_000 }, (_, i) => model.report('a', start + i * 1_000, { cpu: i, memory: i }, i)))
  const retention = new Retention(store, { rawDays: 1, hourDays: 3, dayDays: 0, overrides: [] })
  await retention.runOnce(start + 3 * hour)
  const count = async (): Promise<number> => Number((await query('metrics').count('* as n') as Array<{ n: number | string }>)[0]?.n)
  const all = await count()
  const [file, to] = [join(place, 'a.ndjson'), { client: 'sqlite', filename: join(place, 'to.sqlite') } as const]
  // A pipe that nobody reads from stops the export.
  const pipe = join(place, 'pipe')
  await promisify(execFile)('mkfifo', [pipe])
  const reader = createReadStream(pipe)
  const exporting = withDatabase(options, ({ knex }) => exportTo(knex, pipe, { format: 'ndjson', resume: false, ...quiet }))
  await once(reader, 'readable')
  await retention.runOnce(start + 2 * day)
  await Promise.all([exporting, pipeline(reader, createWriteStream(file))])
  assert.ok(await count() < all)
  assert.equal((await withDatabase(to, database => importFrom(database, file, { format: 'ndjson', ...quiet }))).fresh, all)
  await truncate(file, Math.floor((await stat(file)).size / 2))
  const resume = withDatabase(options, ({ knex }) => exportTo(knex, file, { format: 'ndjson', resume: true, ...quiet }))
  await assert.rejects(resume, { code: 'TRANSFER_RESUME_IMPOSSIBLE' })
})
