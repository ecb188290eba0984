import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { alertsOf } from '../../lib/alerts/alert.ts'
import type { StateRow } from '../../lib/alerts/alert-rows.ts'
import { Judge } from '../../lib/alerts/judging.ts'
import { Quiet } from '../../lib/alerts/quiet.ts'
import { alertRules } from '../../lib/alerts/rules/alert-rule.ts'
import { Maintenance } from '../../lib/alerts/rules/maintenance.ts'
import { savedMaintenanceDefaults, type SavedMaintenance } from '../../lib/alerts/rules/saved-maintenance.ts'
import { savedRuleDefaults, type SavedRule } from '../../lib/alerts/rules/saved-rule.ts'
import { Teller, type Notice } from '../../lib/alerts/telling.ts'
import { WatchList } from '../../lib/alerts/watch-list.ts'
import { topics } from '../../lib/messages/topics.ts'
import { message } from './messages.ts'

export interface ClockOptions {
  maintenance?: Array<Partial<SavedMaintenance>>
  digest?: { more: number, within: number }
  /** When it begins. */
  at?: string
}

/** Rules with a clock that the test moves, and no database. `told` has what was announced: `12 raised hot a temperature 95`, with the seconds since it began. */
export function clocked (t: TestContext, rules: Array<Partial<SavedRule>>, { maintenance = [], digest = { more: 0, within: 60_000 }, at = '2026-11-30T00:00:00Z' }: ClockOptions = {}) {
  const start = Date.parse(at)
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: start })
  const quiet = new Quiet(maintenance.map(times => new Maintenance({ ...savedMaintenanceDefaults, timezone: 'UTC', ...times })))
  const told: string[] = []
  const notices: Notice[] = []
  let during: (() => void) | undefined
  const rows = new Map<string, StateRow>()
  let fails = 0
  const judge: Judge = new Judge({ changed: alert => { teller.changed(alert) }, askPresence: () => undefined, cameBack: () => { teller.reconsider() } }, start)
  const watch = new WatchList(alertRules(rules.map(rule => ({ ...savedRuleDefaults, ...rule }))), alert => { judge.plan(alert) })
  judge.watch(watch)
  const seconds = (): number => (Date.now() - start) / 1000
  const teller: Teller = new Teller({
    quiet,
    digest,
    write: async (changed, gone) => {
      if (fails-- > 0) throw new Error('away')
      const what = during
      during = undefined
      if (what !== undefined) {
        await Promise.resolve()
        what()
      }
      for (const row of changed) rows.set(`${row.rule} ${row.uuid} ${row.type}`, row)
      for (const { rule, uuid, type } of gone) rows.delete(`${rule} ${uuid} ${type}`)
    },
    announce: some => {
      notices.push(...some)
      const said = some.map(({ state, rule, uuid, type, value, repeat }) => {
        return [state, rule.name, uuid, type, value, repeat > 0 ? `again ${repeat}` : ''].filter(part => part !== '' && part !== null).join(' ')
      })
      told.push(`${Math.round(seconds())} ${some.length > 1 ? `[${said.join(', ')}]` : said.join()}`)
    },
    told: alert => { judge.plan(alert) },
    waits: () => undefined,
    failed: () => undefined
  })
  const settle = async (): Promise<void> => { for (let i = 0; i < 3; i++) await setImmediate() }
  /** Looks as an alarm does. */
  const ring = async (): Promise<void> => {
    judge.ring(Date.now())
    teller.ring(Date.now())
    await settle()
  }
  return {
    /** When it began, UTC ms. */
    started: start,
    told,
    /** What `told` has, in full. */
    notices,
    rows,
    /** While the next changes are written. */
    during: (what: () => void) => { during = what },
    /** When there is something to look at next, UTC ms. */
    next: () => teller.next,
    close: () => teller.close(),
    /** The next writes fail. */
    fail: (times: number) => { fails = times },
    /** A message with metrics comes. @param late seconds before which it was measured */
    report: async (uuid: string, metrics: Record<string, number | string>, { late = 0, seq = 1 } = {}): Promise<void> => {
      const values = Object.entries(metrics).map(([type, value]) => ({ type, value }))
      const payload = { agent: { uuid, name: uuid.toUpperCase() }, metrics: values, timestamp: Date.now() - late * 1000, seq }
      judge.message({ message: message(topics.message, payload), seq }, Date.now())
      t.mock.timers.tick(1)
      await settle()
    },
    /** What the database says of an agent. */
    presence: (uuid: string, connected: boolean): void => {
      const now = Date.now()
      const agent = watch.known(uuid)
      if (agent === undefined) judge.agent({ id: 1, uuid, name: null, connected, lastSeenAt: now, spokeAt: now }, now)
      else judge.presence(agent, !connected, now, now)
    },
    /** What the database has of an agent that was heard some seconds ago. */
    known: (uuid: string, ago: number, connected = true): void => {
      const now = Date.now()
      judge.agent({ id: 1, uuid, name: null, connected, lastSeenAt: now - ago * 1000, spokeAt: now - ago * 1000 }, now)
    },
    forget: (uuid: string): void => {
      for (const alert of watch.delete(uuid)) if (alert.written !== undefined) teller.changed(alert)
    },
    /** How many alerts are raised. */
    raised: (): number => watch.raised,
    /** What the database has of a series: values by how many seconds ago they came, the newest one last. */
    stored: (uuid: string, type: string, ...values: Array<[ago: number, value: number]>): void => {
      const now = Date.now()
      const metrics = values.map(([ago, value], seq) => ({ ts: now - ago * 1000, seq, value }))
      const newest = { seriesId: 1, agentId: 1, type, ...metrics.at(-1) as { ts: number, seq: number, value: number } }
      const agent = watch.agent(uuid, null, now)
      const from = judge.pastFrom(agent, newest, Infinity)
      judge.newest(agent, newest, metrics.filter(({ ts }) => ts >= from), Infinity, ts => ts, now)
    },
    silence: (uuid: string | undefined, until: number, type?: string): void => {
      quiet.silence({ ...uuid === undefined ? {} : { uuid }, ...type === undefined ? {} : { type }, until: start + until * 1000 }, Date.now())
      teller.reconsider()
    },
    acknowledge: (uuid: string): void => {
      const agent = watch.known(uuid)
      for (const alert of agent === undefined ? [] : alertsOf(agent)) alert.acknowledged = true
    },
    /** The time goes by. */
    pass: async (span: number): Promise<void> => {
      const end = Date.now() + span * 1000
      while (Date.now() < end) {
        t.mock.timers.tick(Math.min(end - Date.now(), 100))
        await ring()
      }
    },
    /** The clock is set forward, or back, by so many seconds. */
    set: async (step: number): Promise<void> => {
      t.mock.timers.setTime(Date.now() + step * 1000)
      judge.shift(step * 1000, Date.now())
      teller.shift(step * 1000)
      await ring()
    }
  }
}
