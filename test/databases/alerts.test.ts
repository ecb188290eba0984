import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Alerts } from '../../lib/alerts/alerts.ts'
import { alertRules } from '../../lib/alerts/rules/alert-rule.ts'
import { savedRuleDefaults, type SavedRule } from '../../lib/alerts/rules/saved-rule.ts'
import type { AlertsOptions, AlertsState } from '../../lib/alerts/terms.ts'
import { topics } from '../../lib/messages/topics.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Forgetting } from '../../lib/store/forgetting/forgetting.ts'
import { Store } from '../../lib/store/store.ts'
import { files, onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'
import { message } from '../helpers/messages.ts'

const start = Date.now() - 3_600_000
const quietly = { more: 0, within: 60_000 }

/** A process that stores and watches. `told` has what it announced: `raised hot a temperature 95`. */
function open (t: TestContext, { options }: OpenDatabase, rules: Array<Partial<SavedRule>>, others: Partial<AlertsOptions> = {}, home = 'here') {
  const store = new Store(dialectOf(options), { instance: home, home })
  const told: string[] = []
  /** Since when it was wrong, in seconds after `start`, of each change. */
  const since: number[] = []
  const failed: unknown[] = []
  let state: AlertsState = 'closed'
  const alerts = new Alerts(store, {
    node: 'node',
    rules: alertRules(rules.map(rule => ({ ...savedRuleDefaults, ...rule }))),
    maintenance: [],
    digest: quietly,
    announce: notices => {
      since.push(...notices.map(notice => (notice.since - start) / 1000))
      const said = notices.map(({ state, rule, uuid, type, value, repeat }) => [state, rule.name, uuid, type, value, ...repeat > 0 ? [`again ${repeat}`] : []].filter(part => part !== '' && part !== null).join(' '))
      told.push(notices.length > 1 ? `[${said.sort().join(', ')}]` : said.join())
    },
    state: now => { state = now },
    failed: error => { failed.push(error) },
    ...others
  })
  const close = async (): Promise<void> => {
    await alerts.close()
    await store.close()
  }
  t.after(close)
  alerts.start()
  const write = (topic: string, payload: object): Promise<void> => new Promise((resolve, reject) => {
    store.write(message(topic, payload), Date.now(), error => { if (error === null) resolve(); else reject(error) })
  })
  return {
    store,
    alerts,
    told,
    since,
    close,
    is: async (wanted: AlertsState) => { await until(() => state, found => found === wanted) },
    report: (uuid: string, seconds: number, metrics: Record<string, number | string | boolean>, seq = 1) => write(topics.message, {
      agent: { uuid, name: uuid.toUpperCase() }, metrics: Object.entries(metrics).map(([type, value]) => ({ type, value })), timestamp: start + seconds * 1000, seq
    }),
    come: (uuid: string) => write(topics.connected, { agent: { uuid } }),
    go: (uuid: string) => write(topics.disconnected, { agent: { uuid } }),
    says: async (...expected: string[]) => {
      await until(() => told.length, count => count >= expected.length).catch(() => undefined)
      assert.deepEqual(told, expected)
      assert.deepEqual(failed, [])
    }
  }
}

/** What the database remembers. */
async function rowsOf ({ query }: OpenDatabase): Promise<string[]> {
  const rows = await query('alert_states').orderBy(['rule', 'uuid']).select<Array<Record<string, string | number>>>()
  return rows.map(({ rule, uuid, type, phase, told }) => `${rule} ${uuid} ${type} ${phase} ${told === 1 ? 'told' : 'not told'}`)
}

const hot: Partial<SavedRule> = { id: 'hot', name: 'hot', types: 'temp*', condition: 'above', value: 90, end: 80 }

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
})

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

onEachDatabase('a process that lost its alerts to another one neither writes nor announces', async (t, database) => {
  const { is, report, told } = open(t, database, [hot])
  await is('watching')
  await database.query('alert_owners').update({ owner: 'another' })
  await report('a', 10, { temperature: 95 })
  await is('elsewhere')
  assert.deepEqual([told, await rowsOf(database)], [[], []])
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
  assert.deepEqual(next.alerts.silences().map(({ uuid }) => uuid), ['a'])
  await next.alerts.silence({ uuid: 'a', until: 0 })
  await next.says('raised hot c temperature 94', 'raised hot a temperature 95')
})

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
  const { store, alerts, is, report, told, says } = open(t, database, [hot, ...many, { id: 'gone', name: 'gone', agents: 'late', condition: 'agentGone' }], { failed: ({ message }) => { errors.push(message) } })
  const forgetting = new Forgetting(store)
  t.after(() => forgetting.stop())
  await is('watching')
  const values = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`temp${i}`, 1]))
  await report('a', 10, values)
  await report('b', 10, values)
  await report('late', 10, { temperature: 95 })
  assert.deepEqual([alerts.count(), told], [{ watched: 200_000, raised: 0, leftOut: 101 }, []])
  assert.match(errors.join(), /^ALERTS_TOO_MANY: The rules are about more than 200000 series and agents: 101 are not watched\./)
  await forgetting.forget('a')
  await says('raised hot late temperature 95')
  assert.deepEqual(alerts.count(), { watched: 100_101, raised: 1, leftOut: 0 })
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
