import type { StateRow } from './alert-rows.ts'
import type { Due } from './due-times.ts'
import type { StoredValue } from './newest.ts'
import type { AlertRule } from './rules/alert-rule.ts'
import { isRaised, type AlertState, type Phase } from './rules/alert-state.ts'
import type { Span } from './rules/verdict.ts'

/** A rule for a series, or for an agent as a whole. */
export interface Alert extends Due {
  readonly rule: AlertRule
  readonly agent: Agent
  /** Undefined: it is about the agent as a whole. */
  readonly series: Series | undefined
  state: AlertState
  /** The values of late, of `changedFaster`. */
  span: Span | undefined
  /** Since when it is wrong, or was when it was raised last; UTC ms. */
  since: number
  /** When it was raised or ended, UTC ms, and with which value. */
  changedAt: number
  value: number | string | null
  /** What was raised and ended before anybody was told of it. */
  passed: Passed | undefined
  /** Whether it was announced last as raised, and when; UTC ms. */
  told: boolean
  toldAt: number
  /** How often it was told again, and whether that is due. */
  repeats: number
  repeatIsDue: boolean
  acknowledged: boolean
  /** As the database has it; undefined: it has no row of it. */
  written: Phase | undefined
  /** Its agent was forgotten, or its rule is no longer about it. */
  isOver: boolean
  /** It compares numbers, and its newest value is a text. */
  isOfText: boolean
}

/** Since when it was wrong, when it was raised, UTC ms, and with which value. */
export type Passed = Pick<Alert, 'since' | 'changedAt' | 'value'>

export interface Series {
  readonly type: string
  /** The newest metric, by `ts` and then `seq`; UTC ms. */
  ts: number
  seq: number
  value: number | string | null
  /** The newest one that is a number: what a rule was raised by says it, whatever came after that. */
  number: number | null
  /** When it came, by our clock. */
  heardAt: number
  /** How many metrics this process stored since the database was looked at, and whether others store some too: then these are judged when it is looked at, all in their order. */
  fed: number
  isShared: boolean
  /** When another process was last seen to store some; UTC ms. */
  sharedAt: number
  readonly alerts: Alert[]
}

export interface Agent {
  readonly uuid: string
  name: string | null
  /** Whether the database says that it is not connected; undefined: nobody asked yet. */
  isGone: boolean | undefined
  /** Since when, and when that counts: after a start agents have their time to come back; UTC ms. */
  goneAt: number
  goneFrom: number
  /** When it was heard last, by our clock. */
  heardAt: number
  /** Of the agent as a whole. */
  alerts: Alert[]
  /** What is known of its types; null: no rule is about it. */
  readonly series: Map<string, Series | null>
  /** The rules about it. */
  rules: readonly AlertRule[]
  /** How many alerts of it are not watched because there are too many. */
  leftOut: number
}

/** All alerts of an agent: of the agent as a whole, and of its series. */
export function alertsOf (agent: Agent): Alert[] {
  return [...agent.alerts, ...[...agent.series.values()].flatMap(series => series?.alerts ?? [])]
}

/** What the database has to know of an alert; undefined: nothing. */
export function rowOf ({ rule, agent, series, state, since, changedAt, value, told, toldAt, acknowledged }: Alert): StateRow | undefined {
  if (state.phase === 'ok' && !told) return undefined
  return { rule: rule.id, uuid: agent.uuid, type: series?.type ?? '', state: state.phase === 'ok' ? { ...state, since } : state, changedAt, value, told, toldAt, acknowledged }
}

/** Whether what was announced last is no longer so. */
export function isNews (alert: Alert): boolean {
  return isRaised(alert.state) !== alert.told
}

/** Whether a metric comes after the newest one of its series. */
export function isNewer (series: Series, { ts, seq }: Pick<StoredValue, 'ts' | 'seq'>): boolean {
  return ts > series.ts || (ts === series.ts && seq > series.seq)
}

/** The value that says what is so by the rule; null: there is none. */
export function valueOf ({ rule, series }: Alert): number | string | null {
  if (series === undefined || rule.condition === 'noNews') return null
  return rule.condition === 'equals' ? series.value : series.number
}

/** Whether an agent is gone since before this process began. */
export function waitsToBeGone ({ rule, agent, state }: Alert): boolean {
  return rule.condition === 'agentGone' && agent.isGone === true && state.phase === 'ok'
}

/** When an alert's series or agent was heard last, by our clock; UTC ms. */
export function heardAt ({ agent, series }: Alert): number {
  return series === undefined ? agent.heardAt : series.heardAt
}

/** From when on it is told again, UTC ms; Infinity: never. */
export function repeatFrom ({ rule, state, told, toldAt, acknowledged }: Alert): number {
  return rule.repeat > 0 && told && !acknowledged && isRaised(state) ? toldAt + rule.repeat : Infinity
}

/** Whether an agent is said to be gone, which says all that its other alerts could say. */
export function isHeldBackByAgent (agent: Agent): boolean {
  return agent.alerts.some(({ rule, state }) => rule.condition === 'agentGone' && isRaised(state))
}
