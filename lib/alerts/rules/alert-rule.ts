import { PlatziverseError } from '../../errors.ts'
import { matcherOf, type Matcher } from './patterns.ts'
import { flawOf, numberIn, type Condition, type SavedRule, type Severity } from './saved-rule.ts'

/** A rule, ready to judge by; what its condition does not use is 0. Spans are in ms. */
export interface AlertRule {
  id: string
  name: string
  /** By uuid or name; undefined: all. */
  agents: Matcher | undefined
  /** Undefined: the rule is about agents as a whole. */
  types: Matcher | undefined
  condition: Condition
  /** Of `noNews`: ms. */
  value: number
  /** Of `equals`, which compares texts too. */
  text: string
  high: number
  end: number
  endHigh: number
  for: number
  endFor: number
  within: number
  severity: Severity
  repeat: number
}

/** @throws PlatziverseError ALERT_RULE_INVALID */
export function alertRules (saved: readonly SavedRule[]): AlertRule[] {
  const rules = saved.map(alertRule)
  const ids = new Set<string>()
  for (const { id, name } of rules) {
    if (ids.has(id)) throw new PlatziverseError('ALERT_RULE_INVALID', `The rule "${name}" has the id of another one.`)
    ids.add(id)
  }
  return rules
}

/**
 * @param place of the rule in its list, from 0
 * @throws PlatziverseError ALERT_RULE_INVALID
 */
export function alertRule (saved: SavedRule, place: number): AlertRule {
  const { condition } = saved
  const name = String(saved.name).trim() || String(place + 1)
  refuseFlaw(saved, name)
  const isOutside = condition === 'outside'
  const isCompared = condition !== 'equals' && condition !== 'agentGone'
  const value = isCompared ? numberIn(saved.value) : 0
  const high = isOutside ? numberIn(saved.high) : 0
  return {
    // As much as a column of the database holds.
    id: (saved.id || name).slice(0, 64),
    name,
    agents: matcherOf(saved.agents),
    types: condition === 'agentGone' ? undefined : matcherOf(saved.types),
    condition,
    value: condition === 'noNews' ? ms(value) : value,
    text: condition === 'equals' ? textOf(saved.value) : '',
    high,
    end: isCompared && condition !== 'noNews' ? numberIn(saved.end, value) : 0,
    endHigh: isOutside ? numberIn(saved.endHigh, high) : 0,
    for: ms(numberIn(saved.for, 0)),
    endFor: ms(numberIn(saved.endFor, 0)),
    within: condition === 'changedFaster' ? ms(numberIn(saved.within)) : 0,
    severity: saved.severity,
    repeat: ms(numberIn(saved.repeat, 0))
  }
}

function refuseFlaw (saved: SavedRule, name: string): void {
  const found = flawOf(saved)
  if (found === undefined) return
  const { field, flaw } = found
  const refuse = (problem: string): PlatziverseError => new PlatziverseError('ALERT_RULE_INVALID', problem)
  switch (flaw) {
    case 'choice': throw refuse(`The rule "${name}" has no such ${field}: "${saved[field]}".`)
    case 'types': throw refuse(`The rule "${name}" needs types.`)
    case 'number': throw refuse(`The rule "${name}" needs a number as "${field}".`)
    case 'seconds': throw refuse(`The rule "${name}" needs seconds as "${field}".`)
    case 'end': throw refuse(`The rule "${name}" could not end: where it ends is wrong itself.`)
  }
}

function ms (seconds: number): number {
  return Math.round(seconds * 1000)
}

/** As values are compared by `equals`: booleans are 1 and 0, as the database has them. */
export function textOf (value: unknown): string {
  const text = String(value).trim()
  if (text === 'true') return '1'
  if (text === 'false') return '0'
  return text !== '' && Number.isFinite(Number(text)) ? String(Number(text)) : text
}
