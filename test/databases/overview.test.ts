import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { agentsIn } from '../../lib/overview/agents.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store } from '../../lib/store/store.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'

async function stored (t: TestContext, { options }: OpenDatabase, payloads: Array<[topic: string, payload: object]>) {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  await Promise.all(payloads.map(([topic, payload]) => new Promise<void>((resolve, reject) => {
    store.write(message(topic, payload), 1_700_000_000_000, error => { if (error === null) resolve(); else reject(error) })
  })))
  return await store.read()
}

const metrics = (count: number) => Array.from({ length: count }, (_, i) => ({ type: `t${String(i).padStart(3, '0')}`, value: i === 1 ? 'on' : i / 2 }))

onEachDatabase('agents are listed with their first values, the connected ones first; those that are open with up to 100', async (t, database) => {
  const db = await stored(t, database, [
    ['agent/message', { agent: { uuid: 'a', name: 'press' }, timestamp: 5, metrics: metrics(120) }],
    ['agent/message', { agent: { uuid: 'b', name: 'oven' }, timestamp: 6, metrics: metrics(2) }],
    ['agent/connected', { agent: { uuid: 'c' } }],
    ['agent/connected', { agent: { uuid: 'd', name: 'gate' } }],
    ['agent/disconnected', { agent: { uuid: 'd' } }]
  ])
  const { total, connected, found, rows } = await agentsIn(db, { search: '', most: 10, open: ['a'] })
  assert.deepEqual([total, connected, found], [4, 3, 4])
  assert.deepEqual(rows.map(({ uuid, connected, values, more }) => [uuid, connected, values.length, more]), [['c', true, 0, false], ['b', true, 2, false], ['a', true, 100, true], ['d', false, 0, false]])
  assert.deepEqual(rows[1]?.values, [{ type: 't000', ts: 6, value: 0 }, { type: 't001', ts: 6, value: 'on' }])
  const shut = await agentsIn(db, { search: '', most: 10, open: [] })
  assert.deepEqual(shut.rows.find(({ uuid }) => uuid === 'a')?.values.map(({ type }) => type), ['t000', 't001', 't002'])
  assert.deepEqual((await agentsIn(db, { search: '', most: 2, open: [] })).rows.map(({ uuid }) => uuid), ['c', 'b'])
})

onEachDatabase('a search finds agents by uuid, name, host and username, whatever the case; what is special to SQL is not', async (t, database) => {
  const db = await stored(t, database, [
    ['agent/connected', { agent: { uuid: 'CHIP-1', name: 'Press 100%' } }],
    ['agent/connected', { agent: { uuid: 'chip-2', hostname: 'Plant_A' } }],
    ['agent/connected', { agent: { uuid: 'x!y', username: 'Ana\\' } }]
  ])
  const search = async (search: string) => {
    const { total, found, rows } = await agentsIn(db, { search, most: 10, open: [] })
    assert.deepEqual([total, found], [3, rows.length])
    return rows.map(({ uuid }) => uuid).sort()
  }
  assert.deepEqual(await search('chip'), ['CHIP-1', 'chip-2'])
  assert.deepEqual(await search('PRESS'), ['CHIP-1'])
  assert.deepEqual(await search('plant_a'), ['chip-2'])
  assert.deepEqual(await search('plantxa'), [])
  assert.deepEqual(await search('100%'), ['CHIP-1'])
  assert.deepEqual(await search('%'), ['CHIP-1'])
  assert.deepEqual(await search('!'), ['x!y'])
  assert.deepEqual(await search('ana\\'), ['x!y'])
  assert.deepEqual(await search("' or 1=1 --"), [])
})

onEachDatabase('an empty database has no agents', async (t, database) => {
  const db = await stored(t, database, [])
  assert.deepEqual(await agentsIn(db, { search: 'x', most: 10, open: [] }), { total: 0, connected: 0, found: 0, rows: [] })
})
