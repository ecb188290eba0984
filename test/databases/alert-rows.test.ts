import assert from 'node:assert/strict'
import type { Knex } from 'knex'
import { acknowledgeStates, deleteAll, deleteStates, readSilences, readStates, writeSilence, writeStates, type StateRow } from '../../lib/alerts/alert-rows.ts'
import { allAgents, allNewest, metricsFrom } from '../../lib/alerts/newest.ts'
import { topics } from '../../lib/messages/topics.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { kindOf } from '../../lib/store/dialects/database-kind.ts'
import { Store } from '../../lib/store/store.ts'
import { files, onEachDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'

const time = 1_700_000_000_000

async function all<Item> (pages: AsyncIterable<Item[]>): Promise<Item[]> {
  const found: Item[] = []
  for await (const page of pages) found.push(...page)
  return found
}

onEachDatabase('what is known of an alert is read as it was written, for each node by itself', async (t, { options }) => {
  const store = new Store(dialectOf(options), { instance: 'here', home: 'here' })
  t.after(() => store.close())
  const transact = <Result> (work: (db: Knex) => Promise<Result>): Promise<Result> => store.run(knex => kindOf(knex).transact(knex, work))
  const statesOf = async (node: string): Promise<StateRow[]> => (await readStates(await store.read('metrics'), node)).sort((a, b) => a.type < b.type ? -1 : 1)
  const ending: StateRow = {
    rule: 'r', uuid: 'a', type: 'b', state: { phase: 'ending', since: time + 1, right: time + 2, due: Infinity }, changedAt: time + 3, value: 'too hot', told: true, toldAt: time + 4, acknowledged: true
  }
  const pending: StateRow = { ...ending, type: 't', state: { phase: 'pending', since: time + 5, right: 0, due: Infinity }, value: -1.5, told: false, acknowledged: false }
  const ofAgent: StateRow = { ...ending, type: '', state: { ...ending.state, phase: 'raised' }, value: null, acknowledged: false }
  await transact(db => writeStates(db, 'node', [ofAgent, ending, pending]))
  await transact(db => writeStates(db, 'other', [ofAgent, ending, pending]))
  assert.deepEqual(await statesOf('node'), [ofAgent, ending, pending])
  const later: StateRow = { ...pending, state: { ...pending.state, phase: 'raised', since: time + 6 }, changedAt: time + 7, value: 8, told: true, toldAt: time + 9 }
  await transact(db => writeStates(db, 'node', [later]))
  // By another process, while this one writes what it knows; and of what was raised anew since it was chosen.
  await transact(db => acknowledgeStates(db, 'node', [{ ...ofAgent, since: ofAgent.state.since }, { ...later, since: pending.state.since }]))
  await transact(db => writeStates(db, 'node', [{ ...ofAgent, toldAt: time + 12 }, { ...ending, state: { ...ending.state, since: time + 13 }, acknowledged: false }]))
  assert.deepEqual((await statesOf('node')).map(({ acknowledged, toldAt }) => [acknowledged, toldAt]), [[true, time + 12], [false, ending.toldAt], [false, later.toldAt]])
  await transact(db => deleteStates(db, 'node', [ending]))
  assert.deepEqual(await statesOf('node'), [{ ...ofAgent, toldAt: time + 12, acknowledged: true }, later])
  assert.deepEqual(await statesOf('other'), [ofAgent, ending, pending])

  const silence = { uuid: 'a', type: 't', until: time + 10 }
  for (const node of ['node', 'other']) for (const one of [silence, { uuid: 'a', until: time + 11 }, { type: 't', until: time + 12 }, { until: time + 13 }]) await transact(db => writeSilence(db, node, one, time))
  await transact(db => writeSilence(db, 'node', { ...silence, until: time + 20 }, time + 3_600_012))
  const silencesOf = async (node: string) => (await readSilences(await store.read('metrics'), node)).sort((a, b) => a.until - b.until)
  const expected = [{ until: time + 13 }, { ...silence, until: time + 3_600_012 }]
  assert.deepEqual(await silencesOf('node'), expected)
  await transact(db => deleteAll(db, 'other'))
  assert.deepEqual([await statesOf('other'), await silencesOf('other')], [[], []])
  assert.deepEqual([(await statesOf('node')).length, await silencesOf('node')], [2, expected])
})

// One kind is enough: what there is to read is the same.
onEachDatabase('of many agents and series none is left out, and of many values the newest are looked at', async (t, { options }) => {
  const store = new Store(dialectOf(options), { instance: 'here', home: 'here' })
  t.after(() => store.close())
  const report = (uuid: string, at: number, seq: number, values: number[]): Promise<void> => new Promise((resolve, reject) => {
    const payload = { agent: { uuid }, metrics: values.map((value, i) => ({ type: `t${i}`, value })), timestamp: time + at, seq }
    store.write(message(topics.message, payload), time + at + 500, error => { if (error === null) resolve(); else reject(error) })
  })
  // More than a page of each has.
  const count = 2_001
  await Promise.all(Array.from({ length: count }, (_, i) => report(`a${i}`, i, i, [i])))
  const db = await store.read('newest')
  const agents = await all(allAgents(db))
  assert.deepEqual(agents.map(({ uuid, lastSeenAt, spokeAt }) => [uuid, lastSeenAt, spokeAt]), Array.from({ length: count }, (_, i) => [`a${i}`, time + i + 500, time + i]))
  const newest = await all(allNewest(db))
  assert.deepEqual(newest.map(({ agentId, type, ts, seq, value }) => [agentId, type, ts, seq, value]), agents.map(({ id }, i) => [id, 't0', time + i, i, i]))

  // More series than one question asks for, and more values than are looked at.
  const series = Array.from({ length: 37 }, (_, i) => i)
  await report('many', 1, 1, series)
  await report('many', 2, 2, series.map(i => i + 100))
  await report('many', 2, 3, series.map(i => i + 200))
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => report('many', 3 + i, 1, [i])))
  const id = (await all(allAgents(db))).find(({ uuid }) => uuid === 'many')?.id
  const ids = (await all(allNewest(db))).filter(({ agentId }) => agentId === id).sort((a, b) => Number(a.type.slice(1)) - Number(b.type.slice(1))).map(({ seriesId }) => seriesId)
  const found = await metricsFrom(db, ids.map(seriesId => ({ seriesId, from: time + 2 })))
  const [first, ...others] = ids.map(seriesId => found.get(seriesId))
  assert.deepEqual(others, series.slice(1).map(i => [{ ts: time + 2, seq: 2, value: i + 100 }, { ts: time + 2, seq: 3, value: i + 200 }]))
  assert.deepEqual(first, Array.from({ length: 1_000 }, (_, i) => ({ ts: time + 3 + i, seq: 1, value: i })))
}, files.slice(0, 1))
