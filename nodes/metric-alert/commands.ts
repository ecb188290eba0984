import type { Alerts } from '../../lib/alerts/alerts.ts'
import type { AlertRule } from '../../lib/alerts/rules/alert-rule.ts'
import type { AlertChoice } from '../../lib/alerts/terms.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { isObject } from '../../lib/is-object.ts'
import type { RedMessage } from '../shared/red.ts'
import { testNotice, type Announcing } from './messages.ts'

/** Numbers up to this one are seconds from now, and not ms since 1970. */
const mostSeconds = 1e10

/** What `msg.topic` may ask of the node; the answer goes to the third output. @throws PlatziverseError ALERT_INPUT_INVALID, or as the store does */
export async function obey (msg: RedMessage, alerts: Alerts, rules: readonly AlertRule[], announce: Announcing): Promise<unknown> {
  const given = isObject(msg.payload) ? msg.payload : {}
  const text = (field: string): string | undefined => {
    const value = given[field]
    if (value === undefined || value === null || value === '') return undefined
    if (typeof value === 'string') return value
    throw invalid(`"${field}" is not a text.`)
  }
  const choice = (...fields: Array<keyof AlertChoice>): AlertChoice => {
    return Object.fromEntries(fields.map(field => [field, text(field)] as const).filter(([, value]) => value !== undefined))
  }
  switch (msg.topic) {
    case 'silence':
      await alerts.silence({ ...choice('uuid', 'type'), until: timeOf(given.until) })
      return await alerts.silences()
    case 'acknowledge': return { acknowledged: await alerts.acknowledge(choice('uuid', 'type', 'rule')) }
    case 'state': {
      const raised = (await alerts.current()).map(({ rule, ...raised }) => ({ rule: rule.name, severity: rule.severity, ...raised }))
      const { watched, leftOut } = alerts.count()
      return { raised, silences: await alerts.silences(), watched, leftOut }
    }
    case 'test': {
      const name = text('rule')
      const rule = rules.find(rule => name === undefined || rule.name === name)
      if (rule === undefined) throw invalid(`There is no rule "${name ?? '1'}".`)
      for (const state of ['raised', 'cleared'] as const) announce([testNotice(rule, state, choice('uuid', 'type'))], true)
      return { tested: rule.name }
    }
    default: throw invalid('msg.topic is none of silence, acknowledge, test and state.')
  }
}

/** UTC ms. */
function timeOf (given: unknown): number {
  const number = typeof given === 'number' ? given : typeof given === 'string' && given.trim() !== '' ? Number(given) : Number.NaN
  const time = Number.isFinite(number) ? (number < mostSeconds ? Date.now() + number * 1000 : number) : typeof given === 'string' ? Date.parse(given) : Number.NaN
  if (Number.isSafeInteger(Math.round(time))) return Math.round(time)
  throw invalid('until is no time to come: ms since 1970, ISO 8601, or seconds from now such as 3600.')
}

function invalid (detail: string): PlatziverseError {
  return new PlatziverseError('ALERT_INPUT_INVALID', detail)
}
