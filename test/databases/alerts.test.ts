import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { SavedRule } from '../../lib/alerts/rules/saved-rule.ts'
import { Forgetting } from '../../lib/store/forgetting/forgetting.ts'
import { hot, openAlerts as open, rowsOf } from '../helpers/alerts.ts'
import { files, onEachDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'

onEachDatabase('a value raises an alert once and ends it once, whatever comes late, again or after a restart', async (t, database) => {
  const one = open(t, database, [hot])
  await one.is('watching')
  await one.report('a', 10, { temperature: 95, other: 99 })
  await one.says('raised hot a temperature 95')
  await one.report('a', 20, { temperature: 85 })
  await one.report('a', 20, { temperature: 85 })
  await one.report('a', 5, { temperature: 10 })
  await one.report('a', 30, { temperature: 97 })
  await until(() => rowsOf(database), rows => rows.join() === 'hot a temperature raised told')
  await one.close()
  const two = open(t, database, [hot])
  await two.is('watching')
  await two.report('a', 40, { temperature: 96 })
  await two.report('a', 50, { temperature: 80 })
  await two.says('cleared hot a temperature 80')
  await two.report('a', 10, { temperature: 95 })
  await two.report('a', 50, { temperature: 95 })
  await until(() => rowsOf(database), rows => rows.length === 0)
  await two.report('b', 60, { temperature: 91 })
  await two.says('cleared hot a temperature 80', 'raised hot b temperature 91')
})

onEachDatabase('what changed while nobody watched is told by the newest value, and a new rule begins at once', async (t, database) => {
  const one = open(t, database, [hot])
  await one.is('watching')
  await one.report('a', 10, { temperature: 95, level: 1 })
  await one.says('raised hot a temperature 95')
  await until(() => rowsOf(database), rows => rows.join() === 'hot a temperature raised told')
  await one.alerts.close()
  await one.report('a', 20, { temperature: 20 })
  await one.report('b', 20, { temperature: 99 })
  await one.close()
  const two = open(t, database, [hot, { id: 'low', name: 'low', agents: 'A', types: 'level', condition: 'below', value: 2 }])
  await until(() => two.told.length, count => count === 3)
  assert.deepEqual(two.told.sort(), ['cleared hot a temperature 20', 'raised hot b temperature 99', 'raised low a level 1'])
})

onEachDatabase('what was committed and not announced is announced after a restart, and what belongs to no rule is forgotten', async (t, database) => {
  const mute = open(t, database, [hot], { announce: () => { throw new Error('killed') }, failed: () => undefined })
  await mute.is('watching')
  process.once('uncaughtException', () => undefined)
  await mute.report('a', 10, { temperature: 95 })
  await until(() => rowsOf(database), rows => rows.length === 1)
  await database.query('alert_states').update({ told: 0 })
  await mute.close()
  await database.query('alert_states').update({ told: 0 })
  const next = open(t, database, [hot])
  await next.says('raised hot a temperature 95')
  await until(() => rowsOf(database), rows => rows.join() === 'hot a temperature raised told')
  await next.close()
  const without = open(t, database, [{ ...hot, id: 'another' }])
  await without.says('raised hot a temperature 95')
  await until(() => rowsOf(database), rows => rows.join() === 'another a temperature raised told')
})

onEachDatabase('an agent that is gone says so, and holds its other alerts back until it is here again', async (t, database) => {
  const { is, come, go, report, says, told } = open(t, database, [
    { id: 'gone', name: 'gone', condition: 'agentGone', severity: 'critical' }, hot, { id: 'level', name: 'level', types: 'level', condition: 'above', value: 1, for: 0.3 }
  ])
  await is('watching')
  await come('a')
  await report('a', 10, { temperature: 20, level: 2 })
  await go('a')
  await says('raised gone a')
  // The level has been wrong for long enough meanwhile.
  await until(() => rowsOf(database), rows => rows.includes('level a level raised not told'))
  await come('a')
  await until(() => told.length, count => count === 3)
  assert.deepEqual(told.slice(1), ['cleared gone a', 'raised level a level 2'])
})

onEachDatabase('no news of a series, and of an agent', async (t, database) => {
  const rules: Array<Partial<SavedRule>> = [
    { id: 'series', name: 'silent', types: 'temperature', condition: 'noNews', value: 1 }, { id: 'agent', name: 'mute', agents: 'b', condition: 'noNews', value: 1 }
  ]
  const { is, report, told, close } = open(t, database, rules)
  await is('watching')
  await report('a', 10, { temperature: 20 })
  await report('b', 10, { level: 2 })
  await until(() => told.length, count => count === 2)
  assert.deepEqual(told.sort(), ['raised mute b', 'raised silent a temperature'])
  await until(() => rowsOf(database), rows => rows.filter(row => / told/.test(row) && !/not/.test(row)).length === 2)
  await close()
  const next = open(t, database, rules)
  await next.is('watching')
  await next.report('a', 20, { temperature: 21 })
  await next.report('b', 20, { level: 2 })
  await until(() => next.told.length, count => count >= 2)
  assert.deepEqual(next.told.slice(0, 2).sort(), ['cleared mute b', 'cleared silent a temperature 21'])
})

onEachDatabase('after a start agents have their time to come back, and a node that is removed leaves nothing', async (t, database) => {
  const rules: Array<Partial<SavedRule>> = [hot, { id: 'gone', name: 'gone', condition: 'agentGone' }]
  const before = open(t, database, [])
  await before.come('a')
  await before.report('a', 10, { temperature: 95 })
  await before.go('a')
  await before.close()
  const { is, alerts, go, told, says } = open(t, database, rules)
  await is('watching')
  await says('raised hot a temperature 95')
  // What is heard now counts now.
  await go('a')
  await until(() => told, said => said.includes('raised gone a'))
  await until(() => rowsOf(database), rows => rows.filter(row => / told/.test(row) && !/not/.test(row)).length === 2)
  await alerts.close(true)
  assert.deepEqual(await rowsOf(database), [])
})

onEachDatabase('during a silence nothing is announced, and at its end what is still wrong', async (t, database) => {
  const { is, alerts, report, says, close } = open(t, database, [hot])
  await is('watching')
  await alerts.silence({ uuid: 'a', until: Date.now() + 3_600_000 })
  await alerts.silence({ type: 'tempo', until: Date.now() + 1_500 })
  await report('a', 10, { temperature: 95, temp: 95 })
  await report('b', 10, { temperature: 91, tempo: 92 })
  await report('a', 20, { temp: 20 })
  await says('raised hot b temperature 91', 'raised hot b tempo 92')
  await until(() => rowsOf(database), rows => rows.filter(row => row.includes('not told')).length === 1)
  await close()
  const next = open(t, database, [hot])
  await next.is('watching')
  await next.report('c', 10, { temperature: 94 })
  await next.says('raised hot c temperature 94')
  assert.deepEqual((await next.alerts.silences()).map(({ uuid }) => uuid), ['a'])
  await next.alerts.silence({ uuid: 'a', until: 0 })
  await next.says('raised hot c temperature 94', 'raised hot a temperature 95')
})

onEachDatabase('a silence ends in time although something else is looked at shortly before', async (t, database) => {
  const { is, alerts, report, says } = open(t, database, [hot, { id: 'silent', name: 'silent', agents: 'a', types: 'level', condition: 'noNews', value: 3 }])
  await is('watching')
  const began = Date.now()
  await alerts.silence({ uuid: 'b', until: began + 3_500 })
  await report('a', 10, { level: 1 })
  await report('b', 10, { temperature: 95 })
  await until(() => Date.now(), now => now >= began + 1_500)
  // After three seconds there was news.
  await report('a', 20, { level: 1 })
  await says('raised hot b temperature 95', 'raised silent a level')
}, files.slice(0, 1))

// One kind is enough: the clock is that of the process.
onEachDatabase('a clock that is set, or a machine that slept, is no silence', async (t, database) => {
  const { is, report, says } = open(t, database, [
    { id: 'silent', name: 'silent', types: 'temperature', condition: 'noNews', value: 10 }, { ...hot, agents: 'b', for: 3_600 },
    { id: 'full', name: 'full', agents: 'b', types: 'level', value: 1, for: 1 }
  ])
  await is('watching')
  await report('a', 10, { temperature: 20 })
  await report('b', 10, { temp1: 95 })
  const { now } = Date
  t.mock.method(Date, 'now', () => now() + 86_400_000)
  await report('b', 20, { level: 2 })
  await says('raised full b level 2')
  await setTimeout(1_000)
  await says('raised full b level 2')
  // Set back: it counts from there.
  t.mock.restoreAll()
  await says('raised full b level 2', 'raised silent a temperature')
}, files.slice(0, 1))

onEachDatabase('no news of what was silent already when nobody watched is raised after the start', async (t, database) => {
  const before = open(t, database, [])
  await before.report('a', 10, { temperature: 20 })
  // By a clock that is ahead.
  await before.report('b', 10, { temperature: 20 }, 1, Date.now() + 3_600_000)
  await before.close()
  const { says } = open(t, database, [{ id: 'silent', name: 'silent', types: 'temperature', condition: 'noNews', value: 1 }])
  await says('raised silent a temperature', 'raised silent b temperature')
}, files.slice(0, 1))

onEachDatabase('an alert is told again until somebody acknowledges it', async (t, database) => {
  const { is, alerts, report, told } = open(t, database, [{ ...hot, repeat: 0.5 }])
  await is('watching')
  await report('a', 10, { temperature: 95 })
  await until(() => told.length, count => count >= 3)
  assert.deepEqual(told.slice(0, 3), ['raised hot a temperature 95', 'raised hot a temperature 95 again 1', 'raised hot a temperature 95 again 2'])
  assert.equal(await alerts.acknowledge({ uuid: 'a' }), 1)
  assert.deepEqual((await alerts.current()).map(({ uuid, name, acknowledged }) => [uuid, name, acknowledged]), [['a', 'A', true]])
  // Of the two only this one is told again.
  await report('b', 10, { temperature: 95 })
  const before = told.length
  await until(() => told.length, count => count >= before + 2)
  assert.ok(told.slice(before).every(said => said.startsWith('raised hot b ')), told.join())
})

onEachDatabase('only what was chosen is acknowledged', async (t, database) => {
  const { is, alerts, report, told } = open(t, database, [{ ...hot, repeat: 0.5 }, { ...hot, id: 'warm', name: 'warm', value: 85, repeat: 0.5 }])
  await is('watching')
  await report('a', 10, { temp1: 95, temp2: 95 })
  await report('b', 10, { temp1: 95 })
  await until(() => told.length, count => count >= 6)
  // What only waits is not raised.
  const [row] = await database.query('alert_states')
  await database.query('alert_states').insert({ ...row, uuid: 'z', phase: 'pending', told: 0 })
  assert.equal(await alerts.acknowledge({ uuid: 'a', type: 'temp1', rule: 'warm' }), 1)
  const known = (await alerts.current()).map(({ rule, name, type, acknowledged }) => `${rule.name} ${name} ${type} ${acknowledged}`)
  assert.deepEqual(known.sort(), ['hot A temp1 false', 'hot A temp2 false', 'hot B temp1 false', 'warm A temp1 true', 'warm A temp2 false', 'warm B temp1 false'])
  const before = told.length
  await until(() => told.length, count => count >= before + 10)
  assert.deepEqual(new Set(told.slice(before).map(said => said.split(' ').slice(1, 4).join(' '))), new Set(['hot a temp1', 'hot a temp2', 'hot b temp1', 'warm a temp2', 'warm b temp1']))
}, files.slice(0, 1))

onEachDatabase('of many agents that go at once each is told, once it is gone for long enough', async (t, database) => {
  const { is, come, go, told } = open(t, database, [{ id: 'gone', name: 'gone', condition: 'agentGone', for: 0.3 }])
  await is('watching')
  // More than are looked up at once.
  const uuids = Array.from({ length: 501 }, (_, i) => `a${i}`)
  await Promise.all(uuids.map(come))
  await Promise.all(uuids.map(go))
  await until(() => told.length, count => count >= uuids.length)
  assert.deepEqual(told.toSorted(), uuids.map(uuid => `raised gone ${uuid}`).sort())
}, files.slice(0, 1))

onEachDatabase('more changes than a few at once become one message', async (t, database) => {
  const { is, report, says } = open(t, database, [hot], { digest: { more: 2, within: 1_000 } })
  await is('watching')
  await report('a', 10, { temp1: 91, temp2: 92, temp3: 93, temp4: 94, temp5: 95 })
  await report('a', 20, { temp4: 20 })
  await says('raised hot a temp1 91', 'raised hot a temp2 92', '[raised hot a temp3 93, raised hot a temp5 95]')
})

// One kind is enough: what there is to read is the same.
onEachDatabase('what is left out because there are too many alerts is counted and said, and watched once there is room', async (t, database) => {
  const many = Array.from({ length: 99 }, (_, i) => ({ id: `r${i}`, name: `r${i}`, types: 't*', value: 1e9 }))
  const errors: string[] = []
  const rules = [hot, ...many, { id: 'gone', name: 'gone', agents: 'late', condition: 'agentGone' } as const]
  const { alerts, is, report, told, close } = open(t, database, rules, { failed: ({ message }) => { errors.push(message) } })
  await is('watching')
  const values = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`temp${i}`, 1]))
  await report('a', 10, values)
  await report('b', 10, values)
  for (const at of [10, 11]) await report('late', at, { temperature: 95 })
  assert.deepEqual([alerts.count(), told], [{ watched: 200_000, raised: 0, ofTexts: 0, leftOut: 101 }, []])
  assert.equal(errors.length, 1, 'it is said once')
  assert.match(errors.join(), /^ALERTS_TOO_MANY: The rules are about more than 200000 series and agents: 101 are not watched\./)
  await close()
  // It may be of what is left out, as long as anything is.
  await database.query('alert_states').insert({ node: 'node', rule: 'old', uuid: 'a', type: 't', phase: 'raised', since: 0, right_since: 0, changed_at: 0, told: 1, told_at: 0, acknowledged: 0 })
  const next = open(t, database, rules, { failed: () => undefined })
  const forgetting = new Forgetting(next.store)
  t.after(() => forgetting.stop())
  await next.is('watching')
  assert.equal((await rowsOf(database)).length, 1)
  await forgetting.forget('a')
  await next.says('raised hot late temperature 95')
  assert.deepEqual(next.alerts.count(), { watched: 100_101, raised: 1, ofTexts: 0, leftOut: 0 })
  await until(() => rowsOf(database), rows => rows.join() === 'hot late temperature raised told')
}, files.slice(0, 1))

onEachDatabase('with its agent an alert is forgotten, and said to be over', async (t, database) => {
  const { store, is, report, says } = open(t, database, [hot])
  const forgetting = new Forgetting(store)
  t.after(() => forgetting.stop())
  await is('watching')
  await report('a', 10, { temperature: 95 })
  await says('raised hot a temperature 95')
  await until(() => rowsOf(database), rows => rows.join() === 'hot a temperature raised told')
  await forgetting.forget('a')
  await says('raised hot a temperature 95', 'cleared hot a temperature 95')
  await until(() => rowsOf(database), rows => rows.length === 0)
  await report('a', 5, { temperature: 94 })
  await says('raised hot a temperature 95', 'cleared hot a temperature 95', 'raised hot a temperature 94')
})
