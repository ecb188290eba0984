/** What may be wrong. `changedFaster`: the value changed by more than `value` within `within`; `noNews`: nothing came for `value` seconds. */
export const conditions = ['above', 'below', 'outside', 'equals', 'changedFaster', 'noNews', 'agentGone'] as const
export type Condition = typeof conditions[number]

export const severities = ['info', 'warning', 'critical'] as const
export type Severity = typeof severities[number]

/** A rule as it is saved; spans are in seconds, and empty ones are 0. */
export interface SavedRule {
  /** Stands for the rule in the database. */
  id: string
  name: string
  /** Patterns of uuids and names, with commas between them; empty: all agents. */
  agents: string
  /** Patterns of types; empty only where the rule is about agents as a whole. */
  types: string
  condition: Condition
  /** What a value is compared with. Of `outside`: the lowest value that is right; of `noNews`: seconds. */
  value: number | string
  /** Of `outside`: the highest value that is right. */
  high: number | string
  /** The value at which it ends, where that is another one; of `outside`: the lowest one. Empty: as soon as the value is right. */
  end: number | string
  /** Of `outside`: the highest value at which it ends. */
  endHigh: number | string
  /** How long it has to be wrong, and then right. */
  for: number | string
  endFor: number | string
  /** Of `changedFaster`. */
  within: number | string
  severity: Severity
  /** How often it is told again while nobody acknowledged it; 0: never. */
  repeat: number | string
}

export const savedRuleDefaults: SavedRule = {
  id: '', name: '', agents: '', types: '', condition: 'above', value: '', high: '', end: '', endHigh: '', for: 0, endFor: 0, within: 60, severity: 'warning', repeat: 0
}

/** The fields that a condition uses, beside those that all use. */
export const fieldsOf: Record<Condition, ReadonlyArray<keyof SavedRule>> = {
  above: ['types', 'value', 'end'],
  below: ['types', 'value', 'end'],
  outside: ['types', 'value', 'high', 'end', 'endHigh'],
  equals: ['types', 'value'],
  changedFaster: ['types', 'value', 'end', 'within'],
  noNews: ['types', 'value'],
  agentGone: []
}

/** What is wrong with a field: it is none of the choices, no types, no number, no seconds, or an end that is wrong itself. */
export interface Flaw { field: keyof SavedRule, flaw: 'choice' | 'types' | 'number' | 'seconds' | 'end' }

/** The first thing that is wrong with a rule. */
export function flawOf (rule: SavedRule): Flaw | undefined {
  const { condition, severity, types } = rule
  if (!conditions.includes(condition)) return { field: 'condition', flaw: 'choice' }
  if (!severities.includes(severity)) return { field: 'severity', flaw: 'choice' }
  const used = fieldsOf[condition]
  if (used.includes('types') && condition !== 'noNews' && types.split(',').every(type => type.trim() === '')) return { field: 'types', flaw: 'types' }
  for (const field of ['for', 'endFor', 'repeat', ...condition === 'changedFaster' ? ['within'] as const : []] as const) {
    if (!(numberIn(rule[field], 0) >= 0)) return { field, flaw: 'seconds' }
  }
  if (condition === 'changedFaster' && numberIn(rule.within) === 0) return { field: 'within', flaw: 'seconds' }
  if (condition === 'noNews') return numberIn(rule.value) > 0 ? undefined : { field: 'value', flaw: 'seconds' }
  if (condition === 'equals' || condition === 'agentGone') return undefined
  const value = numberIn(rule.value)
  const high = condition === 'outside' ? numberIn(rule.high) : value
  const end = numberIn(rule.end, value)
  const endHigh = condition === 'outside' ? numberIn(rule.endHigh, high) : end
  const wanted = { value, high, end, endHigh }
  for (const field of ['value', 'high', 'end', 'endHigh'] as const) if (used.includes(field) && Number.isNaN(wanted[field])) return { field, flaw: 'number' }
  if (condition === 'outside') return value > high ? { field: 'high', flaw: 'end' } : end < value || end > endHigh ? { field: 'end', flaw: 'end' } : endHigh > high ? { field: 'endHigh', flaw: 'end' } : undefined
  return (condition === 'below' ? end < value : end > value) ? { field: 'end', flaw: 'end' } : undefined
}

/** A finite number as it was saved, maybe as text; NaN: it is none. */
export function numberIn (saved: number | string, whenEmpty = Number.NaN): number {
  const text = String(saved).trim()
  const number = text === '' ? whenEmpty : Number(text)
  return Number.isFinite(number) ? number : Number.NaN
}
