import assert from 'node:assert/strict'
import { Alerts } from '../../lib/alerts/alerts.ts'
import type { AlertsState } from '../../lib/alerts/terms.ts'
import { hot, openAlerts as open, rowsOf } from '../helpers/alerts.ts'
import { files, onEachDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'

const gone = { id: 'gone', name: 'gone', condition: 'agentGone' } as const

onEachDatabase('what was told just before the end is not told again', async (t, database) => {
  const one = open(t, database, [hot])
  await one.is('watching')
  await one.report('a', 10, { temperature: 95 })
  await one.says('raised hot a temperature 95')
  await one.close()
  assert.deepEqual(await rowsOf(database), ['hot a temperature raised told'])
  const next = open(t, database, [hot])
  await next.is('watching')
  await next.report('b', 10, { temperature: 96 })
  await next.says('raised hot b temperature 96')
})

// One kind is enough for these: they are about one process.
onEachDatabase('who has nothing to write gives signs of life, and who ends while it begins gives none', async (t, database) => {
  const real = performance.now.bind(performance)
  let later = 0
  t.mock.method(performance, 'now', () => real() + later)
  const { is, store } = open(t, database, [hot])
  await is('watching')
  const ended = new Alerts(store, { node: 'other', rules: [], maintenance: [], digest: { more: 0, within: 0 }, announce: () => undefined, state: () => undefined, failed: () => undefined })
  ended.start()
  await ended.close()
  const beats = async (): Promise<Array<[string, number]>> => (await database.query('alert_owners').select('node', 'beat')).map(({ node, beat }) => [node, beat])
  assert.deepEqual((await beats()).map(([node]) => node), ['node'])
  // The other one would have looked again by the second.
  for (let i = 0; i < 2; i++) {
    const before = await beats()
    later += 30_000
    const after = await until(beats, found => (found[0]?.[1] ?? 0) > (before[0]?.[1] ?? 0))
    assert.deepEqual(after.map(([node]) => node), ['node'])
  }
}, files.slice(0, 1))

onEachDatabase('a process that lost its alerts and gets them back tells once', async (t, database) => {
  const { is, report, says } = open(t, database, [{ ...hot, repeat: 3 }])
  await is('watching')
  await database.query('alert_owners').update({ owner: 'another' })
  await report('a', 10, { temperature: 95 })
  await is('elsewhere')
  await database.query('alert_owners').delete()
  await is('watching')
  await says('raised hot a temperature 95')
  await report('a', 20, { temperature: 20 })
  await report('b', 20, { temperature: 96 })
  // What it was about to write would be tried again by then.
  await says('raised hot a temperature 95', 'cleared hot a temperature 20', 'raised hot b temperature 96', 'raised hot b temperature 96 again 1')
}, files.slice(0, 1))

onEachDatabase('what could not be read or written is told once that is possible, once, and then all is well again', async (t, database) => {
  const states: AlertsState[] = []
  const before = open(t, database, [])
  await before.come('a')
  await before.close()
  const { query } = database
  const spoil = (table: string, column: string): Promise<void> => query.schema.alterTable(table, changed => { changed.renameColumn(column, 'away') })
  const mend = (table: string, column: string): Promise<void> => query.schema.alterTable(table, changed => { changed.renameColumn('away', column) })
  await spoil('agents', 'spoke_at')
  const { report, go, told, failed } = open(t, database, [hot, gone], { state: state => { states.push(state) } })
  await until(() => failed.length, count => count === 1)
  await mend('agents', 'spoke_at')
  await until(() => states.at(-1), state => state === 'watching')
  await report('a', 10, { temperature: 95 })
  await until(() => told.length, count => count > 0)

  await until(() => rowsOf(database), rows => rows.join() === 'hot a temperature raised told')
  states.length = 0
  await spoil('alert_states', 'told_at')
  await report('a', 20, { temperature: 20 })
  await until(() => failed.length, count => count === 2)
  await mend('alert_states', 'told_at')
  await until(() => told.length, count => count > 1)
  assert.deepEqual(states, ['watching'])

  await go('a')
  await spoil('agents', 'spoke_at')
  await until(() => failed.length, count => count > 2)
  await mend('agents', 'spoke_at')
  await until(() => told.length, count => count > 2)
  assert.deepEqual(told, ['raised hot a temperature 95', 'cleared hot a temperature 20', 'raised gone a'])
}, files.slice(0, 1))
