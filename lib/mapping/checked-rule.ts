import { isObject } from '../is-object.ts'
import { show } from '../messages/metrics.ts'
import type { TimeUnit, TopicRule } from './topic-rule.ts'
import { invalid } from './topic-pattern.ts'

const units: readonly TimeUnit[] = ['auto', 's', 'ms', 'us', 'ns', 'iso']

/**
 * A row as saved, with only fields of the right kind: those that are empty are left out.
 * @throws PlatziverseError TOPIC_RULE_INVALID
 */
export function checkedRule (saved: unknown): TopicRule {
  if (!isObject(saved)) throw invalid('It is no row.')
  const rule: TopicRule = { topic: text(saved, 'topic') ?? '', format: (text(saved, 'format') ?? '') as TopicRule['format'] }
  for (const field of ['uuid', 'name', 'username', 'type', 'separator'] as const) {
    const given = text(saved, field)
    if (given !== undefined) rule[field] = given
  }
  for (const field of ['take', 'leave', 'columns'] as const) {
    const given = list(saved, field)
    if (given.length > 0) rule[field] = given
  }
  const { rename, time, presence } = saved
  if (isGiven(rename)) {
    const given = fieldsOf(rename, 'rename')
    rule.rename = Object.fromEntries(Object.keys(given).map(path => [path, text(given, path) ?? '']))
  }
  const path = isGiven(time) ? text(fieldsOf(time, 'time'), 'path') : undefined
  // In these two the time has a place of its own, and only its unit may differ.
  if (path !== undefined || (isGiven(time) && ['influx', 'telegraf'].includes(rule.format))) {
    const unit = text(time as object, 'unit') ?? 'auto'
    if (!units.some(known => known === unit)) throw invalid(`There is no unit of time ${show(unit)}: it is one of ${units.join(', ')}.`)
    rule.time = { path: path ?? '', unit: unit as TimeUnit }
  }
  if (isGiven(presence)) {
    const given = fieldsOf(presence, 'presence')
    const at = text(given, 'path')
    rule.presence = { online: text(given, 'online') ?? 'online', offline: text(given, 'offline') ?? 'offline', ...at === undefined ? {} : { path: at } }
  }
  return rule
}

function isGiven (value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

function fieldsOf (value: unknown, field: string): Record<string, unknown> {
  if (!isObject(value) || Array.isArray(value)) throw invalid(`Its field ${field} is no object.`)
  return value
}

function text (of: object, field: string): string | undefined {
  const value: unknown = Object.hasOwn(of, field) ? of[field as never] : undefined
  if (!isGiven(value)) return undefined
  if (typeof value !== 'string') throw invalid(`Its field ${field} is no text.`)
  return value
}

function list (of: Record<string, unknown>, field: string): string[] {
  const value = of[field]
  if (!isGiven(value)) return []
  if (!Array.isArray(value) || !value.every(item => typeof item === 'string')) throw invalid(`Its field ${field} is no list of texts.`)
  return value.filter(item => item !== '')
}
