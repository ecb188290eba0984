import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { PlatziverseError } from '../../lib/errors.ts'
import { ask } from '../../lib/query/ask.ts'
import { interestOf } from '../../lib/query/live/interest.ts'
import { LiveQuestions } from '../../lib/query/live/live-questions.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Forgetting } from '../../lib/store/forgetting/forgetting.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { onEachDatabase, onEachServer, type OpenDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'
import { QueryModel } from './query-model.ts'

/** A multiple of a day. */
const start = 19_675 * day

/** Follows questions as metric-query does; `last` is what each said last, an answer or the code of an error. */
function open (t: TestContext, { options, query }: OpenDatabase) {
  const store = new Store(dialectOf(options), { instance: 'test' })
  const live = new LiveQuestions(store.feed)
  t.after(async () => {
    live.close()
    await store.close()
  })
  const last: Record<string, unknown> = {}
  const told: Record<string, number> = {}
  const follow = async (key: string, input: QueryInput): Promise<void> => {
    const asked = (): ReturnType<typeof parseQuery> => parseQuery({ from: start, to: start + hour, ...input }, start + day)
    await live.start(key, {
      interest: interestOf(asked()),
      every: 1,
      ask: async isWanted => {
        for await (const { payload } of ask(await store.read(), asked(), { result: 'objects', most: 100 })) if (isWanted()) last[key] = payload
      },
      failed: error => {
        last[key] = (error as PlatziverseError).code
        told[key] = (told[key] ?? 0) + 1
      }
    })
  }
  const says = async (key: string, expected: unknown): Promise<void> => { await until(() => JSON.stringify(last[key]), said => said === JSON.stringify(expected)) }
  return { store, model: new QueryModel(store, query), follow, says, told }
}

onEachDatabase('an agent that is forgotten leaves the answers of live questions, and comes back with its next report', async (t, database) => {
  const { store, model, follow, says, told } = open(t, database)
  // Names with the wildcards of SQL are only names.
  for (const [i, uuid] of ['%', '_', 'a'].entries()) await model.report(uuid, start + i, { 'c%': i }, 1)
  const wild = { uuid: '%', name: null }
  await follow('all', { query: 'latestOfAll' })
  await follow('latest', { query: 'latest', uuid: '%' })
  await follow('series', { query: 'series', uuid: ['%', 'a'], type: 'c%' })
  await follow('buckets', { query: 'typeBuckets', type: 'c%', bucket: '1h', aggregates: 'count' })
  await says('latest', [{ type: 'c%', ts: start, value: 0 }])
  await says('series', [{ ...wild, ts: start, value: 0 }, { uuid: 'a', name: null, ts: start + 2, value: 2 }])
  const forgetting = new Forgetting(store)
  t.after(() => forgetting.stop())
  assert.equal(await forgetting.forget('%'), true)
  await says('latest', 'QUERY_AGENT_UNKNOWN')
  await says('series', 'QUERY_AGENT_UNKNOWN')
  await says('buckets', ['_', 'a'].map(uuid => ({ uuid, name: null, ts: start, count: 1 })))
  await says('all', ['_', 'a'].map((uuid, i) => ({ uuid, name: null, type: 'c%', ts: start + i + 1, value: i + 1 })))
  await forgetting.swept()
  await model.report('%', start + 5, { 'c%': 7 }, 1)
  await says('latest', [{ type: 'c%', ts: start + 5, value: 7 }])
  await says('series', [{ uuid: 'a', name: null, ts: start + 2, value: 2 }, { ...wild, ts: start + 5, value: 7 }])
  assert.deepEqual(told, { latest: 1, series: 1 })
})

onEachDatabase('a type whose series somebody deleted leaves the answers of live questions', async (t, database) => {
  const { store, model, follow, says } = open(t, database)
  await model.report('a', start, { cpu: 1, memory: 2 }, 1)
  await follow('latest', { query: 'latest', uuid: 'a' })
  await follow('buckets', { query: 'buckets', uuid: 'a', type: ['cpu', 'memory'], bucket: '1h', aggregates: 'sum' })
  await follow('series', { query: 'series', uuid: 'a', type: 'cpu' })
  await says('series', [{ ts: start, value: 1 }])
  await store.run(async knex => { await knex('series').where('type', 'cpu').delete() })
  await model.report('a', start + 1, { memory: 3 }, 2)
  await says('latest', [{ type: 'memory', ts: start + 1, value: 3 }])
  await says('buckets', [{ type: 'memory', ts: start, sum: 5 }])
  store.feed.tellForgotten('a')
  await says('series', 'QUERY_SERIES_UNKNOWN')
})

onEachServer('a live question that meets a database which is away is answered once that is back, also where nothing is stored', async (t, database) => {
  const { store, model, follow, says, told } = open(t, database)
  await model.report('a', start, { cpu: 1 }, 1)
  const latest = [{ type: 'cpu', ts: start, value: 1 }]
  await follow('latest', { query: 'latest', uuid: 'a' })
  await says('latest', latest)
  await database.server.stop()
  // A reason to ask again, which is not that something was stored.
  store.feed.tellForgotten('a')
  await until(() => told.latest, count => count === 1)
  await assert.rejects(follow('late', { query: 'latest', uuid: 'a' }))
  await database.server.start()
  await Promise.all([says('latest', latest), says('late', latest)])
  assert.ok((told.latest ?? 0) <= 2, `${told.latest} errors told`)
})

onEachServer('a live question goes on when its database was restarted', async (t, database) => {
  const { model, follow, says } = open(t, database)
  await model.report('a', start, { cpu: 1 }, 1)
  await follow('latest', { query: 'latest', uuid: 'a' })
  await says('latest', [{ type: 'cpu', ts: start, value: 1 }])
  await database.server.stop()
  const stored = model.report('a', start + 1, { cpu: 2 }, 2)
  await database.server.start()
  await stored
  await says('latest', [{ type: 'cpu', ts: start + 1, value: 2 }])
})
