import type { Alert } from './alert.ts'
import type { StoredValue } from './newest.ts'
import { afterValue, isRaised, type AlertState } from './rules/alert-state.ts'
import { addTo, changeOf, verdictOf, type Span } from './rules/verdict.ts'

/** What an alert came to by the metrics before the newest one of its series. */
export interface Outcome {
  state: AlertState
  span: Span | undefined
  /** The last value by which it was raised or ended, and when that was measured, UTC ms; undefined: by none. */
  turn: { at: number, value: number | string } | undefined
}

/**
 * From when on metrics tell what the newest one does not, when an alert begins to be watched: since when it is wrong, or right again, and how fast the value changes.
 * @returns UTC ms; Infinity: nothing has to be read
 */
export function pastFrom ({ rule, state, changedAt }: Alert, newest: Pick<StoredValue, 'ts' | 'value'>): number {
  if (rule.condition === 'noNews') return Infinity
  const isFast = rule.condition === 'changedFaster'
  const verdict = isFast ? undefined : verdictOf(rule, newest.value)
  const within = (span: number): number => newest.ts - 2 * span - rule.within
  switch (state.phase) {
    case 'ok': return isFast || (verdict === 'wrong' && rule.for > 0) ? within(rule.for) : Infinity
    case 'pending': return isFast || verdict === 'wrong' ? state.since + 1 : Infinity
    // What was measured before it was raised does not end it.
    case 'raised': return isFast || (verdict === 'right' && rule.endFor > 0) ? Math.max(within(rule.endFor), changedAt + 1) : Infinity
    case 'ending': return isFast || verdict === 'right' ? state.right + 1 : Infinity
  }
}

/**
 * @param values in their order
 * @param heardAt when a value that was measured at a time came, by our clock; UTC ms
 */
export function afterPast (alert: Alert, from: number, values: readonly StoredValue[], heardAt: (ts: number) => number): Outcome {
  const { rule } = alert
  let { state, span } = alert
  let turn: Outcome['turn']
  for (const { ts, value } of values) {
    if (ts < from) continue
    const came = heardAt(ts)
    const at = Math.min(ts, came)
    if (rule.within > 0 && typeof value === 'number') span = addTo(span, value, at, rule.within)
    const verdict = verdictOf(rule, value, span === undefined ? 0 : changeOf(span, rule.within))
    if (verdict === undefined) continue
    const after = afterValue(state, verdict, at, came, rule)
    if (isRaised(after) !== isRaised(state)) turn = { at, value }
    state = after
  }
  return { state, span, turn }
}
