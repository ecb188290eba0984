import { textOf, type AlertRule } from './alert-rule.ts'

/** What a value says: `between` neither begins nor ends anything. */
export type Verdict = 'wrong' | 'between' | 'right'

/** The values of a span, for `changedFaster`. */
export interface Span {
  /** When it begins, and the newest value of it; UTC ms. */
  from: number
  at: number
  least: number
  most: number
  last: number
}

/** Whether a text says nothing by a rule. */
export function comparesNumbers ({ condition }: AlertRule): boolean {
  return condition !== 'equals' && condition !== 'noNews' && condition !== 'agentGone'
}

/**
 * What a value says by a rule; undefined: nothing, because it cannot be compared.
 * @param changed by how much the value changed, of `changedFaster`
 */
export function verdictOf (rule: AlertRule, value: number | string, changed = 0): Verdict | undefined {
  if (rule.condition === 'equals') return textOf(value) === rule.text ? 'wrong' : 'right'
  if (typeof value === 'string') return undefined
  switch (rule.condition) {
    case 'above': return aboveOf(rule, value)
    case 'changedFaster': return aboveOf(rule, changed)
    case 'below': return value < rule.value ? 'wrong' : value >= rule.end ? 'right' : 'between'
    case 'outside': return value < rule.value || value > rule.high ? 'wrong' : value >= rule.end && value <= rule.endHigh ? 'right' : 'between'
    case 'noNews': return 'right'
    case 'agentGone': return undefined
  }
}

function aboveOf (rule: AlertRule, value: number): Verdict {
  return value > rule.value ? 'wrong' : value <= rule.end ? 'right' : 'between'
}

/**
 * Adds a value to a span, which begins anew with the value before where it got longer than it may. Changes it where it is there.
 * @param within ms
 */
export function addTo (span: Span | undefined, value: number, at: number, within: number): Span {
  if (span === undefined) return { from: at, at, least: value, most: value, last: value }
  if (at - span.from > within) {
    span.from = span.at
    span.least = span.most = span.last
  }
  span.at = at
  span.last = value
  if (value < span.least) span.least = value
  if (value > span.most) span.most = value
  return span
}

/** How much the values of a span differ; of two that are further apart than `within`, what that is in so much time. */
export function changeOf ({ from, at, least, most }: Span, within: number): number {
  const change = most - least
  return at - from > within ? change * within / (at - from) : change
}
