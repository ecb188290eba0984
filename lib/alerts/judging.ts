import type { ReceivedMessage } from '../store/writer/changes.ts'
import { alertsOf, heardAt, isHeldBackByAgent, isNewer, repeatFrom, valueOf, waitsToBeGone, type Agent, type Alert, type Series } from './alert.ts'
import type { NewestOfSeries, StoredAgent, StoredValue } from './newest.ts'
import { DueTimes } from './due-times.ts'
import { afterPast, pastFrom } from './past.ts'
import { afterTime, afterValue, isRaised, type AlertState } from './rules/alert-state.ts'
import { addTo, changeOf, comparesNumbers, verdictOf, type Verdict } from './rules/verdict.ts'
import type { WatchList } from './watch-list.ts'

/** ms after which it is written that something is pending or ending: most of it is over sooner. */
const writtenAfter = 30_000
/** ms that agents have at the most to report after this process began to watch. */
const grace = 60_000
/** ms that an agent's clock may be ahead: what is stored of a later time does not make all that follows late. */
const ahead = 60_000
/** ms for which a series counts as one that several processes store. */
export const sharedFor = 60_000

export type Told = Pick<ReceivedMessage, 'message'> & Partial<Pick<ReceivedMessage, 'seq'>>

export interface JudgeOptions {
  /** An alert has to be written, and maybe announced. */
  changed (alert: Alert): void
  /** Whether an agent is connected has to be looked up: the order of messages does not say it. */
  askPresence (uuid: string): void
  /** An agent came back. */
  cameBack (agent: Agent): void
}

/** Judges what was stored, and what did not come, by rules. */
export class Judge {
  readonly due = new DueTimes<Alert>()
  /** When another process was last seen to store metrics of a series of which this one does too; UTC ms. */
  sharedAt = -Infinity
  readonly #options: JudgeOptions
  #startedAt: number
  #watch: WatchList | undefined

  constructor (options: JudgeOptions, now: number) {
    this.#options = options
    this.#startedAt = now
  }

  watch (watch: WatchList): void {
    this.#watch = watch
  }

  /** An alert is watched from now on, or something about it changed, such as when it was told. */
  plan (alert: Alert): void {
    this.#plan(alert)
  }

  /** A message was stored. @param now UTC ms */
  message ({ message, seq = -1 }: Told, now: number): void {
    const watch = this.#watch as WatchList
    const about = message.payload.agent
    const agent = watch.agent(about.uuid, 'name' in about ? about.name : undefined, now)
    if (agent.rules.length === 0) return
    if (message.kind === 'disconnected') return this.#options.askPresence(agent.uuid)
    if (agent.alerts.length > 0) this.#heard(agent, now)
    else agent.heardAt = now
    if (message.kind !== 'message') return
    const { metrics, timestamp } = message.payload
    for (const { type, value } of metrics) {
      const series = watch.series(agent, type)
      if (series === null) continue
      const given = typeof value === 'boolean' ? Number(value) : value
      series.fed++
      if (series.isShared) this.#news(series, given, timestamp, seq, now)
      else this.#value(series, given, timestamp, seq, now, now)
    }
  }

  /** What the database has of an agent. */
  agent (stored: StoredAgent, now: number): Agent {
    const watch = this.#watch as WatchList
    const isNew = watch.known(stored.uuid) === undefined
    const seenAt = Math.min(now, stored.lastSeenAt ?? now)
    const agent = watch.agent(stored.uuid, stored.name, seenAt)
    if (agent.alerts.length === 0) return agent
    if (isNew || seenAt > agent.heardAt) {
      if (!isNew) this.#heard(agent, seenAt)
      for (const alert of agent.alerts) this.#plan(alert)
    }
    this.presence(agent, !stored.connected, seenAt, now, isNew ? this.#startedAt + grace : now)
    return agent
  }

  /**
   * From when on the metrics of a series have to be read before its newest one is judged: those that nobody told since the last one that was judged, or those that
   * tell since when something is wrong.
   * @param newFrom from when on they are new where the series is; UTC ms, Infinity: never
   * @returns UTC ms; Infinity: the newest one is enough
   */
  pastFrom (agent: Agent, { type, ...newest }: NewestOfSeries, newFrom: number): number {
    const series = (this.#watch as WatchList).series(agent, type)
    if (series === null || !isNewer(series, newest) || series.alerts.every(({ rule }) => rule.condition === 'noNews')) return Infinity
    return series.ts > -Infinity ? series.ts : Math.min(newFrom, ...series.alerts.map(alert => pastFrom(alert, newest)))
  }

  /**
   * What the database has as the newest metric of a series.
   * @param past the metrics before it from `pastFrom` on, in their order
   * @param newFrom as of `pastFrom`
   * @param heardAt when a metric of a time came, by our clock; UTC ms
   */
  newest (agent: Agent, { type, ...newest }: NewestOfSeries, past: readonly StoredValue[], newFrom: number, heardAt: (ts: number) => number, now: number): void {
    const series = (this.#watch as WatchList).series(agent, type)
    if (series === null) return
    this.#share(series, [...past, newest], now)
    if (!isNewer(series, newest)) return
    if (series.ts === -Infinity) this.#begin(series, newest, past.filter(({ ts }) => ts < newFrom), heardAt)
    for (const { ts, seq, value } of past) if (series.ts > -Infinity || ts >= newFrom) this.#value(series, value, ts, seq, heardAt(ts), now)
    this.#value(series, newest.value, newest.ts, newest.seq, heardAt(newest.ts), now)
  }

  /** Finds out whether this process and others store metrics of a series: what this one stores is then not all that there is up to its newest one. */
  #share (series: Series, found: readonly StoredValue[], now: number): void {
    const { fed } = series
    series.fed = 0
    if (fed > 0 && series.ts > -Infinity && found.filter(value => isNewer(series, value)).length > (series.isShared ? fed : 0)) {
      series.isShared = true
      series.sharedAt = this.sharedAt = now
    } else if (now - series.sharedAt >= sharedFor) series.isShared = false
  }

  /** A series is there, whatever its value is. */
  #news (series: Series, value: number | string, ts: number, seq: number, now: number): void {
    if (!isNewer(series, { ts, seq })) return
    series.heardAt = now
    for (const alert of series.alerts) if (alert.rule.condition === 'noNews') this.#judge(alert, 'right', Math.min(ts, now), now, value)
  }

  /** Where the alerts of a series are when its newest metric comes. */
  #begin (series: Series, newest: StoredValue, past: readonly StoredValue[], heardAt: (ts: number) => number): void {
    const before = past.filter(({ ts, seq }) => ts < newest.ts || (ts === newest.ts && seq < newest.seq))
    for (const alert of series.alerts) {
      const { state, span, turn } = afterPast(alert, pastFrom(alert, newest), before, heardAt)
      alert.span = span
      if (state !== alert.state) this.#become(alert, state, turn?.at ?? 0, turn?.value ?? null)
    }
  }

  /**
   * Whether an agent is gone, as the database says.
   * @param at since when
   * @param from when that counts; UTC ms
   */
  presence (agent: Agent, isGone: boolean, at: number, now: number, from = now): void {
    const isBack = !isGone && agent.isGone === true
    agent.isGone = isGone
    agent.goneAt = at
    agent.goneFrom = from
    // Its silence begins anew.
    if (isBack) for (const series of agent.series.values()) if (series !== null && series.alerts.length > 0) series.heardAt = now
    for (const alert of agent.alerts) {
      if (alert.rule.condition !== 'agentGone') continue
      if (isGone && now < from) this.#plan(alert)
      else this.#judge(alert, isGone ? 'wrong' : 'right', at, now, null)
    }
    if (!isBack) return
    for (const alert of alertsOf(agent)) if (alert.rule.condition === 'noNews') this.#plan(alert)
    this.#options.cameBack(agent)
  }

  /** Looks at some of what is due. @returns when the next is, UTC ms */
  ring (now: number, most = 5_000): number {
    for (let i = 0; i < most; i++) {
      const alert = this.due.take(now)
      if (alert === undefined) break
      this.#look(alert, now)
    }
    return this.due.next
  }

  /** The clock was set forward by so many ms: spans that are measured by it go on from where they were. */
  shift (step: number, now: number): void {
    const shifted = (time: number): number => Math.min(time + step, now)
    this.#startedAt = shifted(this.#startedAt)
    this.due.clear()
    for (const agent of (this.#watch as WatchList).agents) {
      agent.heardAt = shifted(agent.heardAt)
      agent.goneFrom += step
      for (const series of agent.series.values()) if (series !== null) series.heardAt = shifted(series.heardAt)
      for (const alert of alertsOf(agent)) {
        if (alert.state.due < Infinity) alert.state = { ...alert.state, due: alert.state.due + step }
        alert.toldAt = shifted(alert.toldAt)
        this.#plan(alert)
      }
    }
  }

  #heard (agent: Agent, now: number): void {
    agent.heardAt = now
    for (const alert of agent.alerts) {
      if (alert.rule.condition === 'agentGone') {
        if (agent.isGone !== false) this.#options.askPresence(agent.uuid)
      } else if (alert.state.phase !== 'ok') {
        this.#judge(alert, 'right', now, now, null)
      }
    }
  }

  #value (series: Series, value: number | string, ts: number, seq: number, heardAt: number, now: number): void {
    // Late, or there already.
    if (!isNewer(series, { ts, seq }) && series.ts <= now + ahead) return
    series.ts = ts
    series.seq = seq
    series.value = value
    if (typeof value === 'number') series.number = value
    series.heardAt = heardAt
    const at = Math.min(ts, now)
    for (const alert of series.alerts) {
      const { rule } = alert
      const isOfText = typeof value === 'string' && comparesNumbers(rule)
      if (isOfText !== alert.isOfText) {
        alert.isOfText = isOfText;
        (this.#watch as WatchList).ofTexts += isOfText ? 1 : -1
      }
      let changed = 0
      if (rule.within > 0 && typeof value === 'number') {
        alert.span = addTo(alert.span, value, at, rule.within)
        changed = changeOf(alert.span, rule.within)
      }
      // Its news is over a while ago: the clock looks at it.
      const verdict = rule.condition === 'noNews' && now - heardAt >= rule.value ? undefined : verdictOf(rule, value, changed)
      if (verdict !== undefined) this.#judge(alert, verdict, at, heardAt, value)
    }
  }

  #judge (alert: Alert, verdict: Verdict, at: number, now: number, value: number | string | null): void {
    const after = afterValue(alert.state, verdict, at, now, alert.rule)
    if (after !== alert.state) this.#become(alert, after, at, value)
  }

  #become (alert: Alert, after: AlertState, at: number, value: number | string | null): void {
    const before = alert.state
    alert.state = after
    if (isRaised(before) !== isRaised(after)) {
      (this.#watch as WatchList).raised += isRaised(after) ? 1 : -1
      if (isRaised(after)) alert.since = after.since
      else if (!alert.told) alert.passed ??= { since: alert.since, changedAt: alert.changedAt, value: alert.value }
      alert.changedAt = at
      alert.value = value
      alert.acknowledged = false
      alert.repeats = 0
      alert.repeatIsDue = false
      this.#options.changed(alert)
    } else if (alert.written !== undefined && alert.written !== after.phase && (after.phase === 'ok' || after.phase === 'raised')) {
      this.#options.changed(alert)
    }
    this.#plan(alert)
  }

  #look (alert: Alert, now: number): void {
    if (alert.isOver) return
    const { rule, agent, state } = alert
    if (rule.condition === 'noNews' && state.phase !== 'raised' && now >= this.#silentFrom(alert) && !isHeldBackByAgent(agent)) {
      const silentAt = heardAt(alert)
      this.#judge(alert, 'wrong', silentAt, Math.min(now, silentAt + rule.value), null)
    }
    // Nobody saw it since this process began.
    if (waitsToBeGone(alert) && now >= agent.goneFrom) this.#judge(alert, 'wrong', agent.goneAt, Math.max(agent.goneAt, this.#startedAt), null)
    const after = afterTime(alert.state, now)
    if (after !== alert.state) this.#become(alert, after, now, valueOf(alert))
    const { phase } = alert.state
    if ((phase === 'pending' || phase === 'ending') && alert.written !== phase && now >= this.#writtenFrom(alert)) this.#options.changed(alert)
    if (now >= repeatFrom(alert)) {
      alert.repeatIsDue = true
      this.#options.changed(alert)
    }
    this.#plan(alert, now)
  }

  /** @param now where it was looked at just now: what is due then is done, or waits for somebody who plans it again */
  #plan (alert: Alert, now = -Infinity): void {
    const { rule, state } = alert
    let next = state.due
    const by = (time: number): void => { if (time > now && time < next) next = time }
    if (rule.condition === 'noNews' && (state.phase === 'ok' || state.phase === 'ending')) by(this.#silentFrom(alert))
    if ((state.phase === 'pending' || state.phase === 'ending') && alert.written !== state.phase) by(this.#writtenFrom(alert))
    if (waitsToBeGone(alert)) by(alert.agent.goneFrom)
    if (!alert.repeatIsDue) by(repeatFrom(alert))
    if (next < Infinity) this.due.add(alert, next)
  }

  #silentFrom (alert: Alert): number {
    return Math.max(heardAt(alert) + alert.rule.value, this.#startedAt + Math.min(alert.rule.value, grace))
  }

  /** Of what is shorter nothing is written. */
  #writtenFrom ({ state, rule }: Alert): number {
    const span = state.phase === 'pending' ? rule.for : rule.endFor
    return span <= writtenAfter ? Infinity : state.due - span + writtenAfter
  }
}
