import assert from 'node:assert/strict'
import type { Knex } from 'knex'
import { ask } from '../../lib/query/ask.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { onEachDatabase } from '../helpers/databases.ts'
import { scansIn, statementsOf } from '../helpers/query-plans.ts'
import { QueryModel } from './query-model.ts'

/** A multiple of a day; a series has a metric every ten minutes, and its hours and days, from then on. */
const start = 19_675 * day
const metrics = 3_000
const rollups = 1_000
const agents = ['a', 'b', 'c', 'd', 'e', 'f']
const types = ['cpu', 'memory', 'disk', 'load']

/** Tables so long that no planner would rather read them as a whole. */
async function fill (knex: Knex): Promise<void> {
  for (const [table, columns, step, rows] of [
    ['metrics', 'seq, value', hour / 6, metrics], ['metrics_1h', 'n, sum, min, max, last', hour, rollups], ['metrics_1d', 'n, sum, min, max, last', day, rollups]
  ] as const) {
    const values = columns.split(', ').map(() => '1').join(', ')
    // MariaDB counts to a thousand.
    for (let done = 0; done < rows; done += 1_000) {
      const [from, to] = [start + done * step, start + Math.min(rows, done + 1_000) * step]
      await knex.raw(`insert into ${table} (series_id, ts, ${columns})
        with recursive times (ts) as (select ${from} union all select ts + ${step} from times where ts + ${step} < ${to})
        select series.id, times.ts, ${values} from times cross join series`)
    }
  }
}

/** As if nothing of the first so many hours were rolled up, nor anything long after them. */
async function dirty (knex: Knex, hours: number): Promise<void> {
  await knex('dirty_hours').delete()
  await knex.raw(`insert into dirty_hours (series_id, ts) select series_id, ts from metrics_1h where ts < ${start + hours * hour} or ts >= ${start + 400 * hour}`)
}

async function learn (knex: Knex): Promise<void> {
  const tables = ['agents', 'series', 'metrics', 'metrics_1h', 'metrics_1d', 'dirty_hours', 'retention']
  switch (knex.client.dialect as string) {
    case 'sqlite3': return
    case 'mysql': return void await knex.raw(`analyze table ${tables.join(', ')}`)
    default: await knex.raw(`analyze ${tables.join(', ')}`)
  }
}

const [from, to] = [start + 10 * hour, start + 40 * hour]
const one = { uuid: 'c', type: 'disk' }
const several = { uuid: ['a', 'c', 'e'], type: ['cpu', 'memory', 'disk'] }

/** Each kind of question, and where there is one the span of time that it is about. */
const questions: Array<{ question: QueryInput, isBounded: boolean }> = [
  ...[
    { query: 'agents' }, { query: 'connectedAgents' }, { query: 'agentsOf', username: 'ann' }, { query: 'agent', uuid: 'c' }, { query: 'types', uuid: 'c' },
    { query: 'latest', uuid: 'c' }, { query: 'latest', uuid: ['a', 'c'] }, { query: 'latestOfAll' }, { query: 'latestOfAll', type: ['cpu', 'disk'] },
    { query: 'series', ...one, limit: 20, order: 'desc' }, { query: 'series', ...several, limit: 20 }
  ].map(question => ({ question, isBounded: false })),
  ...[
    { query: 'series', ...one }, { query: 'series', ...one, order: 'desc' }, { query: 'series', ...several },
    ...['1m', '1h', '1d'].flatMap(bucket => [
      { query: 'buckets', ...one, bucket }, { query: 'buckets', ...several, bucket, aggregates: 'avg,last' }, { query: 'typeBuckets', type: 'disk', bucket }
    ]),
    ...['UTC', 'Europe/Madrid', 'Asia/Kolkata'].flatMap(timezone => [
      { query: 'buckets', ...one, bucket: 'day', timezone, aggregates: 'avg,last' }, { query: 'typeBuckets', type: ['disk'], bucket: 'week', timezone }
    ]),
    { query: 'buckets', ...several, points: 500 }, { query: 'buckets', ...one, points: 2 }
  ].map(question => ({ question: { from, to, ...question }, isBounded: true }))
]

onEachDatabase('no question reads a table that grows as a whole, nor a series from its beginning', async (t, database) => {
  const store = new Store(dialectOf(database.options), { instance: 'test' })
  t.after(() => store.close())
  const model = new QueryModel(store, database.query)
  for (const uuid of agents) await model.report(uuid, start, Object.fromEntries(types.map(type => [type, 1])), 1)
  await store.run(async knex => {
    await knex('metrics').delete()
    await fill(knex)
  })
  const knex = await store.read()
  const scans: string[] = []
  const bound: string[] = []
  // Few hours that are not rolled up are named in the statement, many are joined to it.
  for (const hours of [12, 400]) {
    await store.run(knex => dirty(knex, hours))
    await learn(database.query)
    for (const { question, isBounded } of questions) {
      if (hours > 12 && !('bucket' in question || 'points' in question)) continue
      // In parts, so that later pages are read too.
      const sent = await statementsOf(knex, async () => {
        let parts = 0
        for await (const { rows } of ask(knex, parseQuery(question, to), { result: 'parts', most: 100 })) {
          assert.ok(rows > 0 || 'username' in question, JSON.stringify(question))
          if (++parts === 3) break
        }
      })
      assert.ok(sent.length > 0)
      for (const statement of sent) {
        // SQLite would compile it anew each time, and `metrics` is a view there.
        if (/from [`"]metrics[`"].* limit [?$]/.test(statement.sql)) bound.push(statement.sql)
        for (const scan of await scansIn(database.query, statement, isBounded)) scans.push(`${scan}\n  ${JSON.stringify(question)}, ${hours} hours not rolled up\n  ${statement.sql} ${JSON.stringify(statement.bindings)}`)
      }
    }
  }
  assert.deepEqual(scans, [])
  assert.deepEqual(bound, [])
})
