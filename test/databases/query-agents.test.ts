import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Knex } from 'knex'
import { ask, type Answer } from '../../lib/query/ask.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import type { ResultKind } from '../../lib/query/series/names.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store } from '../../lib/store/store.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { sortsIn, statementsOf } from '../helpers/query-plans.ts'
import { QueryModel } from './query-model.ts'

const count = 12_000

/** Agents of which every third is connected. No two came or left at the same time, and none in the order of the ids. */
const there = Array.from({ length: count }, (_, i) => ({ id: i + 1, uuid: `a${i + 1}`, username: i < 100 ? 'ann' : 'bob', connected: i % 3 === 0, updated_at: (i * 7_919) % count }))
const here = there.filter(({ connected }) => connected).sort((a, b) => a.updated_at - b.updated_at)
const away = there.filter(({ connected }) => !connected).sort((a, b) => b.updated_at - a.updated_at)
const uuidsOf = (agents: ReadonlyArray<{ uuid: string }>): string[] => agents.map(({ uuid }) => uuid)

async function open (t: TestContext, { options, query }: OpenDatabase): Promise<{ store: Store, model: QueryModel, read: Knex }> {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  const read = await store.read()
  await store.run(async knex => { for (let i = 0; i < count; i += 500) await knex('agents').insert(there.slice(i, i + 500).map(agent => ({ ...agent, connected_at: 0, last_seen_at: 0, created_at: 0 }))) })
  return { store, model: new QueryModel(store, query), read }
}

onEachDatabase('a list of more agents than an answer may have is cut, and says how many there are', async (t, database) => {
  const { read } = await open(t, database)
  const answers = async (input: QueryInput, { result = 'objects', most = 10_000 }: { result?: ResultKind, most?: number } = {}): Promise<Answer[]> => {
    const answers: Answer[] = []
    for await (const answer of ask(read, parseQuery(input, 0), { result, most })) answers.push(answer)
    return answers
  }
  const cut = async (input: QueryInput, most?: number) => {
    const [{ payload, about }] = await answers(input, most === undefined ? {} : { most }) as [Answer]
    return [uuidsOf(payload as Array<{ uuid: string }>), about] as const
  }
  assert.deepEqual(await cut({ query: 'agents' }), [uuidsOf([...here, ...away.slice(0, 6_000)]), { total: count, connected: 4_000 }])
  assert.deepEqual(await cut({ query: 'agents', limit: 3 }), [uuidsOf(here.slice(0, 3)), { total: count, connected: 4_000 }])
  assert.deepEqual(await cut({ query: 'agents' }, count), [uuidsOf([...here, ...away]), { total: count, connected: 4_000 }])
  assert.deepEqual(await cut({ query: 'connectedAgents', limit: 5 }), [uuidsOf(here.slice(0, 5)), { total: 4_000, connected: 4_000 }])
  assert.deepEqual(await cut({ query: 'connectedAgents' }, 4_001), [uuidsOf(here), { total: 4_000, connected: 4_000 }])
  const ofAnn = [...here, ...away].filter(({ username }) => username === 'ann')
  assert.deepEqual(await cut({ query: 'agentsOf', username: 'ann' }), [uuidsOf(ofAnn), { total: 100, connected: 34 }])
  assert.deepEqual(await cut({ query: 'agentsOf', username: 'ann', limit: 40 }), [uuidsOf(ofAnn.slice(0, 40)), { total: 100, connected: 34 }])
  assert.deepEqual(await cut({ query: 'agentsOf', username: 'nobody', limit: 40 }), [[], { total: 0, connected: 0 }])
  await assert.rejects(cut({ query: 'agents', limit: 11 }, 10), { code: 'QUERY_RANGE_TOO_LARGE' })

  const parts = await answers({ query: 'agents', limit: 4_010 }, { result: 'parts', most: 1_000 })
  assert.deepEqual(parts.map(({ rows }) => rows), [1_000, 2_000, 3_000, 4_000, 4_010])
  assert.deepEqual(parts.flatMap(({ payload }) => uuidsOf(payload as Array<{ uuid: string }>)), uuidsOf([...here, ...away.slice(0, 10)]))
  assert.deepEqual(parts.at(-1)?.about, { total: count, connected: 4_000 })
  const all = await answers({ query: 'agents' }, { result: 'parts', most: 5_000 })
  assert.deepEqual(all.flatMap(({ payload }) => uuidsOf(payload as Array<{ uuid: string }>)), uuidsOf(there), 'in the order of their first reports')
})

onEachDatabase('the newest values of more agents than an answer may have are cut, and say how many there are', async (t, database) => {
  const { model, read } = await open(t, database)
  for (const uuid of ['a7', 'a2', 'a9']) await model.report(uuid, 1_000, { cpu: 1, memory: 2 }, 1)
  const cut = async (input: QueryInput, most: number): Promise<unknown> => {
    for await (const { payload, about } of ask(read, parseQuery({ query: 'latestOfAll', ...input }, 0), { result: 'objects', most })) {
      return [(payload as Array<{ uuid: string, type: string }>).map(({ uuid, type }) => `${uuid} ${type}`), about.total]
    }
  }
  assert.deepEqual(await cut({}, 3), [['a2 cpu', 'a2 memory', 'a7 cpu'], 6])
  assert.deepEqual(await cut({ limit: 1 }, 3), [['a2 cpu'], 6])
  assert.deepEqual(await cut({ type: 'memory' }, 2), [['a2 memory', 'a7 memory'], 3])
  assert.deepEqual(await cut({ type: 'memory' }, 3), [['a2 memory', 'a7 memory', 'a9 memory'], 3])
  assert.deepEqual(await cut({ type: 'memory' }, 4), [['a2 memory', 'a7 memory', 'a9 memory'], 3])
})

onEachDatabase('the first agents are found without a look at all of them', async (t, database) => {
  const { read } = await open(t, database)
  if (database.server !== undefined) await database.query.raw(database.name === 'PostgreSQL' ? 'analyze agents' : 'analyze table agents')
  const sorts: string[] = []
  for (const question of [{ query: 'agents', limit: 100 }, { query: 'connectedAgents', limit: 100 }]) {
    const sent = await statementsOf(read, async () => { for await (const { rows } of ask(read, parseQuery(question, 0), { result: 'parts', most: 50 })) assert.ok(rows >= 50) })
    assert.equal(sent.length, 3, 'two pages, and how many there are')
    for (const statement of sent.slice(0, 2)) sorts.push(...(await sortsIn(database.query, statement)).map(sort => `${sort}\n  ${statement.sql}`))
  }
  assert.deepEqual(sorts, [])
})
