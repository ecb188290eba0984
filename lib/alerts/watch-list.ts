import { alertsOf, type Agent, type Alert, type Series } from './alert.ts'
import type { StateRow } from './alert-rows.ts'
import type { AlertRule } from './rules/alert-rule.ts'
import { isRaised, ok, type AlertState } from './rules/alert-state.ts'

/** Most alerts that are watched: of rules, each for every series or agent that it is about. */
export const mostAlerts = 200_000
/** Most types that are remembered although no rule is about them; of more, the rules are asked each time. */
const mostOthers = 200_000

/** Agents and series, each with the rules that are about it. Looked up by each message, so that a rule's patterns are asked once. */
export class WatchList {
  /** How many alerts there are, how many of them are raised, and how many more there would be, as far as their types are remembered. */
  size = 0
  raised = 0
  leftOut = 0
  /** How many alerts compare numbers, and have a text as their newest value. */
  ofTexts = 0
  /** Whether alerts were over since some were left out last: there may be room for these. */
  hasRoom = false
  readonly #rules: readonly AlertRule[]
  readonly #agents = new Map<string, Agent>()
  /** What the database knows of alerts that are not watched yet. */
  #rows = new Map<string, StateRow>()
  /** Types that no rule is about, of all agents. */
  #others = 0
  readonly #began: (alert: Alert) => void

  /** @param began called with each alert that is watched from then on */
  constructor (rules: readonly AlertRule[], began: (alert: Alert) => void) {
    this.#rules = rules
    this.#began = began
  }

  get agents (): Iterable<Agent> { return this.#agents.values() }

  /** Alerts that begin to be watched are as these rows say. */
  remember (rows: readonly StateRow[]): void {
    this.#rows = new Map(rows.map(row => [keyOf(row.rule, row.uuid, row.type), row]))
  }

  /** Rows of which no alert came; none while alerts are left out, of which they may be. */
  forgetRows (): StateRow[] {
    if (this.leftOut > 0) return []
    const rows = [...this.#rows.values()]
    this.#rows.clear()
    return rows
  }

  known (uuid: string): Agent | undefined {
    return this.#agents.get(uuid)
  }

  /** @param name undefined: it did not say */
  agent (uuid: string, name: string | null | undefined, now: number): Agent {
    const known = this.#agents.get(uuid)
    if (known !== undefined) {
      if (name !== undefined && name !== known.name) {
        known.name = name
        this.#match(known)
      }
      return known
    }
    const agent: Agent = { uuid, name: name ?? null, isGone: undefined, goneAt: 0, goneFrom: 0, heardAt: now, alerts: [], series: new Map(), rules: [], leftOut: 0 }
    this.#agents.set(uuid, agent)
    this.#match(agent)
    return agent
  }

  /** @returns null: no rule is about this type of this agent, or there are too many alerts already */
  series (agent: Agent, type: string): Series | null {
    const known = agent.series.get(type)
    if (known !== undefined) return known
    const rules = agent.rules.filter(rule => rule.types?.(type) === true)
    // All of them or none: then its newest value is judged by all when there is room.
    const isLeftOut = rules.length > 0 && this.size + rules.length > mostAlerts
    const series: Series | null = rules.length === 0 || isLeftOut ? null : seriesOf(type)
    if (series === null && this.#others >= mostOthers) return null
    agent.series.set(type, series)
    if (series === null) {
      this.#others++
      if (isLeftOut) this.#leaveOut(agent, rules.length)
    } else this.#watch(series.alerts, rules, agent, series)
    return series
  }

  /** @returns the alerts that are over */
  delete (uuid: string): Alert[] {
    const agent = this.#agents.get(uuid)
    if (agent === undefined) return []
    this.#agents.delete(uuid)
    this.leftOut -= agent.leftOut
    for (const series of agent.series.values()) if (series === null) this.#others--
    const alerts = alertsOf(agent)
    for (const alert of alerts) this.#end(alert)
    return alerts
  }

  /** Watches what was left out, as far as there is room now. A series begins with its next value, and it is to be given its newest one. */
  readmit (): void {
    this.hasRoom = false
    for (const agent of this.#agents.values()) {
      if (this.size >= mostAlerts) return
      if (agent.leftOut > 0) this.#match(agent)
    }
  }

  * alerts (): Generator<Alert> {
    for (const agent of this.#agents.values()) yield * alertsOf(agent)
  }

  /** Chooses the rules about an agent anew: another name may be what others are about, or there may be room for more. */
  #match (agent: Agent): void {
    const { uuid, name, rules: before } = agent
    agent.rules = this.#rules.filter(({ agents }) => agents === undefined || agents(uuid) || (name !== null && agents(name)))
    const isSame = agent.leftOut === 0 && before.length === agent.rules.length && before.every((rule, i) => rule === agent.rules[i])
    if (isSame) return
    this.leftOut -= agent.leftOut
    agent.leftOut = 0
    const lost = before.filter(rule => !agent.rules.includes(rule))
    this.#drop(agent.alerts, lost)
    this.#watch(agent.alerts, agent.rules.filter(rule => rule.types === undefined), agent, undefined)
    for (const [type, series] of [...agent.series]) {
      if (series === null) {
        agent.series.delete(type)
        this.#others--
        continue
      }
      this.#drop(series.alerts, lost)
      this.#watch(series.alerts, agent.rules.filter(rule => rule.types?.(type) === true), agent, series)
    }
  }

  #leaveOut (agent: Agent, count: number): void {
    agent.leftOut += count
    this.leftOut += count
  }

  #drop (alerts: Alert[], rules: readonly AlertRule[]): void {
    for (let i = alerts.length - 1; i >= 0; i--) {
      const alert = alerts[i] as Alert
      if (!rules.includes(alert.rule)) continue
      alerts.splice(i, 1)
      this.#end(alert)
    }
  }

  #end (alert: Alert): void {
    alert.isOver = true
    this.size--
    this.hasRoom = this.leftOut > 0
    if (isRaised(alert.state)) this.raised--
    if (alert.isOfText) this.ofTexts--
  }

  /** Watches by those of the rules that are not watched yet. */
  #watch (alerts: Alert[], rules: readonly AlertRule[], agent: Agent, series: Series | undefined): void {
    for (const rule of rules) {
      if (alerts.some(alert => alert.rule === rule)) continue
      if (this.size >= mostAlerts) {
        this.#leaveOut(agent, 1)
        continue
      }
      this.size++
      const key = keyOf(rule.id, agent.uuid, series?.type ?? '')
      const row = this.#rows.get(key)
      this.#rows.delete(key)
      const alert: Alert = {
        rule,
        agent,
        series,
        state: row === undefined ? ok : continued(row.state, rule),
        span: undefined,
        since: row?.state.since ?? 0,
        changedAt: row?.changedAt ?? 0,
        value: row?.value ?? null,
        passed: undefined,
        told: row?.told ?? false,
        toldAt: row?.toldAt ?? 0,
        repeats: 0,
        repeatIsDue: false,
        acknowledged: row?.acknowledged ?? false,
        written: row?.state.phase,
        isOver: false,
        isOfText: false,
        dueAt: Infinity
      }
      if (isRaised(alert.state)) this.raised++
      alerts.push(alert)
      this.#began(alert)
    }
  }
}

function seriesOf (type: string): Series {
  return { type, ts: -Infinity, seq: -1, value: null, number: null, heardAt: 0, fed: 0, isShared: false, sharedAt: 0, alerts: [] }
}

/** What is pending or ending goes on from when it began. */
function continued (state: AlertState, rule: AlertRule): AlertState {
  if (state.phase === 'ok') return ok
  const due = state.phase === 'pending' ? state.since + rule.for : state.phase === 'ending' ? state.right + rule.endFor : Infinity
  return { ...state, due }
}

function keyOf (rule: string, uuid: string, type: string): string {
  return `${rule}\0${uuid}\0${type}`
}
