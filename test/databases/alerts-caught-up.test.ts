import assert from 'node:assert/strict'
import type { SavedRule } from '../../lib/alerts/rules/saved-rule.ts'
import { hot, openAlerts as open, rowsOf, start } from '../helpers/alerts.ts'
import { files, onEachDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'

onEachDatabase('of two processes one announces, what the other stored too, and the other takes over', async (t, database) => {
  const one = open(t, database, [hot])
  await one.is('watching')
  const two = open(t, database, [hot], {}, 'there')
  await two.is('elsewhere')
  await two.report('a', 10, { temperature: 95 })
  await one.says('raised hot a temperature 95')
  await two.report('a', 20, { temperature: 20 })
  await one.says('raised hot a temperature 95', 'cleared hot a temperature 20')
  await two.report('a', 30, { temperature: 99 })
  await one.says('raised hot a temperature 95', 'cleared hot a temperature 20', 'raised hot a temperature 99')
  await until(() => rowsOf(database), rows => rows.join() === 'hot a temperature raised told')
  await one.close()
  await two.is('watching')
  await two.report('a', 40, { temperature: 10 })
  await two.says('cleared hot a temperature 10')
})

onEachDatabase('what another process stored is judged value by value: what is over already is told, and since when it was', async (t, database) => {
  const slow: Partial<SavedRule> = { id: 'slow', name: 'slow', types: 'level', condition: 'above', value: 1, for: 60 }
  const one = open(t, database, [hot, slow])
  await one.is('watching')
  const two = open(t, database, [hot, slow], {}, 'there')
  await two.is('elsewhere')
  await two.report('a', 5, { temperature: 10, level: 2 })
  await one.report('b', 5, { temperature: 10 })
  await until(() => one.alerts.count().watched, count => count === 3)
  // All of it between two looks.
  for (const [at, temperature, level] of [[10, 95, 2], [11, 96, 2], [12, 20, 0], [20, 21, 2], [21, 22, 2], [85, 23, 2]] as const) await two.report('a', at, { temperature, level })
  await until(() => one.told.length, count => count === 3)
  assert.deepEqual(one.told.sort(), ['cleared hot a temperature 20', 'raised hot a temperature 95', 'raised slow a level 2'])
  assert.deepEqual(one.since.sort(), [10, 10, 20])
  // Of a series that was not there before.
  await two.report('c', 10, { temperature: 95 }, 1)
  await two.report('c', 10, { temperature: 20 }, 2)
  await one.says('cleared hot a temperature 20', 'raised hot a temperature 95', 'raised slow a level 2', 'raised hot c temperature 95', 'cleared hot c temperature 20')
  // The other clock is behind.
  for (const [seq, temperature] of [[1, 95], [2, 20]] as const) await two.report('d', 10, { temperature }, seq, Date.now() - 30_000)
  await until(() => one.told.slice(5), told => told.join() === 'raised hot d temperature 95,cleared hot d temperature 20')
})

onEachDatabase('of a series that two processes store in turns, no value is missed', async (t, database) => {
  const rules = [hot, { id: 'silent', name: 'silent', types: 'temperature', condition: 'noNews', value: 3_600 } as const]
  const one = open(t, database, rules)
  await one.is('watching')
  const two = open(t, database, rules, {}, 'there')
  await two.is('elsewhere')
  await one.report('a', 10, { temperature: 20 })
  await two.report('a', 11, { temperature: 95 })
  const expected = ['raised hot a temperature 95']
  await one.says(...expected)
  // Known by now to be in turns.
  await one.report('a', 20, { temperature: 20 })
  await one.says(...expected, 'cleared hot a temperature 20')
  await two.report('a', 21, { temperature: 95 })
  await one.report('a', 22, { temperature: 20 })
  await one.says(...expected, 'cleared hot a temperature 20', 'raised hot a temperature 95', 'cleared hot a temperature 20')
  // The other one is there no more.
  await two.close()
  await one.report('a', 23, { temperature: 96 })
  await until(() => one.told.at(-1), said => said === 'raised hot a temperature 96')
}, files.slice(0, 1))

onEachDatabase('since when something is wrong, or right again, comes out of what is stored after a restart', async (t, database) => {
  const rules: Array<Partial<SavedRule>> = [
    { id: 'slow', name: 'slow', types: 'level', condition: 'above', value: 1, for: 60 },
    { id: 'lasting', name: 'lasting', types: 'temperature', condition: 'above', value: 90, endFor: 60 },
    { id: 'quick', name: 'quick', types: 'flow', condition: 'changedFaster', value: 5, within: 60 }
  ]
  const one = open(t, database, rules)
  await one.is('watching')
  await one.report('a', 90, { level: 0, temperature: 95 })
  await one.says('raised lasting a temperature 95')
  await until(() => rowsOf(database), rows => rows.join() === 'lasting a temperature raised told')
  await one.report('a', 100, { level: 2, temperature: 20, flow: 1 })
  await one.report('a', 150, { level: 3, temperature: 21, flow: 3 })
  await one.close()
  const two = open(t, database, [...rules, { id: 'new', name: 'new', types: 'level', condition: 'above', value: 1, for: 50 }])
  await two.says('raised new a level 3')
  await two.report('a', 159, { level: 4, temperature: 22, flow: 6.5 })
  await two.says('raised new a level 3', 'raised quick a flow 6.5')
  await two.report('a', 161, { level: 5, temperature: 23 })
  await until(() => two.told.length, count => count === 4)
  assert.deepEqual(two.told.slice(2).sort(), ['cleared lasting a temperature 23', 'raised slow a level 5'])
  assert.deepEqual(two.since.sort(), [100, 100, 159, 90])
})

onEachDatabase('what waited for long enough when the process ended, and was right meanwhile, begins anew', async (t, database) => {
  const slow: Partial<SavedRule> = { id: 'slow', name: 'slow', types: 'level', condition: 'above', value: 1, for: 600 }
  const before = open(t, database, [])
  for (const [at, level] of [[50, 2], [60, 0], [70, 2]] as const) await before.report('a', at, { level })
  await before.close()
  const row = { node: 'node', rule: 'slow', uuid: 'a', type: 'level', phase: 'pending', since: start + 50_000, right_since: 0, changed_at: 0, value: null, told: 0, told_at: 0, acknowledged: 0 }
  await database.query('alert_states').insert(row)
  const { is, report, says, since } = open(t, database, [slow])
  await is('watching')
  await report('a', 669, { level: 3 })
  await report('a', 671, { level: 4 })
  await says('raised slow a level 4')
  assert.deepEqual(since, [70])
})

onEachDatabase('what is silenced or acknowledged at a process that announces nothing counts for the one that does', async (t, database) => {
  const one = open(t, database, [{ ...hot, repeat: 8 }])
  await one.is('watching')
  const two = open(t, database, [{ ...hot, repeat: 8 }], {}, 'there')
  await two.is('elsewhere')
  await two.report('c', 10, { temperature: 20 })
  await two.alerts.silence({ uuid: 'a', until: Date.now() + 3_600_000 })
  // What it stored before was seen in the same look at the latest.
  await until(() => one.alerts.count().watched, count => count === 1)
  await two.report('c', 20, { temperature: 95 })
  await one.says('raised hot c temperature 95')
  await one.report('a', 10, { temperature: 91 })
  await one.report('d', 10, { temperature: 94 })
  await one.says('raised hot c temperature 95', 'raised hot d temperature 94')
  assert.deepEqual((await one.alerts.silences()).map(({ uuid }) => uuid), ['a'])
  await two.alerts.silence({ uuid: 'a', until: 0 })
  assert.deepEqual(await two.alerts.silences(), [])
  await until(() => one.told, told => told.includes('raised hot a temperature 91'))
  await one.report('b1', 10, { temperature: 92 })
  await one.report('b2', 10, { temperature: 93 })
  await until(() => rowsOf(database), rows => rows.filter(row => /^hot b. temperature raised told$/.test(row)).length === 2)
  // Of when it was raised before.
  await database.query('alert_states').where({ uuid: 'b2' }).update({ since: 1, acknowledged: 1 })
  assert.equal(await two.alerts.acknowledge({ uuid: 'b1' }), 1)
  await until(() => one.told, told => told.includes('raised hot b2 temperature 93 again 1'))
  assert.deepEqual(one.told.filter(said => said.includes('b1')), ['raised hot b1 temperature 92'])
}, files.slice(0, 1))

onEachDatabase('an agent that another process forgot is over', async (t, database) => {
  const one = open(t, database, [hot])
  await one.is('watching')
  const two = open(t, database, [hot], {}, 'there')
  await two.is('elsewhere')
  await one.report('a', 10, { temperature: 95 })
  await one.says('raised hot a temperature 95')
  await until(() => rowsOf(database), rows => rows.join() === 'hot a temperature raised told')
  assert.equal(await two.store.removeAgent('a'), true)
  await one.says('raised hot a temperature 95', 'cleared hot a temperature 95')
  await until(() => rowsOf(database), rows => rows.length === 0)
}, files.slice(0, 1))

onEachDatabase('a process that lost its alerts to another one neither writes nor announces', async (t, database) => {
  const { is, report, told } = open(t, database, [hot])
  await is('watching')
  await database.query('alert_owners').update({ owner: 'another' })
  await report('a', 10, { temperature: 95 })
  await is('elsewhere')
  assert.deepEqual([told, await rowsOf(database)], [[], []])
})
