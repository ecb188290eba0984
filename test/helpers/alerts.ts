import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Alerts } from '../../lib/alerts/alerts.ts'
import { alertRules } from '../../lib/alerts/rules/alert-rule.ts'
import { savedRuleDefaults, type SavedRule } from '../../lib/alerts/rules/saved-rule.ts'
import type { AlertsOptions, AlertsState } from '../../lib/alerts/terms.ts'
import { topics } from '../../lib/messages/topics.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store } from '../../lib/store/store.ts'
import type { OpenDatabase } from './databases.ts'
import { until } from './events.ts'
import { message } from './messages.ts'

/** UTC ms; the seconds of reports are from then on. */
export const start = Date.now() - 3_600_000
const quietly = { more: 0, within: 60_000 }

/** A process that stores and watches. `told` has what it announced: `raised hot a temperature 95`. */
export function openAlerts (t: TestContext, { options }: OpenDatabase, rules: Array<Partial<SavedRule>>, others: Partial<AlertsOptions> = {}, home = 'here') {
  const store = new Store(dialectOf(options), { instance: home, home })
  const told: string[] = []
  /** Since when it was wrong, in seconds after `start`, of each change. */
  const since: number[] = []
  const failed: unknown[] = []
  let state: AlertsState | undefined
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
  const write = (topic: string, payload: object, at = Date.now()): Promise<void> => new Promise((resolve, reject) => {
    store.write(message(topic, payload), at, error => { if (error === null) resolve(); else reject(error) })
  })
  return {
    store,
    alerts,
    told,
    since,
    failed,
    close,
    is: async (wanted: AlertsState) => { await until(() => state, found => found === wanted) },
    /** @param at when it comes, by the clock of this process; UTC ms */
    report: (uuid: string, seconds: number, metrics: Record<string, number | string | boolean>, seq = 1, at = Date.now()) => write(topics.message, {
      agent: { uuid, name: uuid.toUpperCase() }, metrics: Object.entries(metrics).map(([type, value]) => ({ type, value })), timestamp: start + seconds * 1000, seq
    }, at),
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
export async function rowsOf ({ query }: OpenDatabase): Promise<string[]> {
  const rows = await query('alert_states').orderBy(['rule', 'uuid']).select<Array<Record<string, string | number>>>()
  return rows.map(({ rule, uuid, type, phase, told }) => `${rule} ${uuid} ${type} ${phase} ${told === 1 ? 'told' : 'not told'}`)
}

/** A rule. */
export const hot: Partial<SavedRule> = { id: 'hot', name: 'hot', types: 'temp*', condition: 'above', value: 90, end: 80 }
