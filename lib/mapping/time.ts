import { show } from '../messages/metrics.ts'
import type { RejectReason } from '../messages/parse.ts'
import { toTimestamp } from '../messages/timestamp.ts'
import type { TimeUnit } from './topic-rule.ts'

/** `timestamp` as `parse` takes it: UTC ms, ISO 8601, or a number whose unit `parse` finds out. */
export type Time = { ok: true, timestamp?: number | string } | { ok: false, reason: RejectReason, detail: string }

/** How many ms a unit has, or how many of it a ms has. */
const toMs: Record<Exclude<TimeUnit, 'auto' | 'iso'>, (time: number) => number> = {
  // Rounded, because seconds with a fraction are not exact in a double.
  s: time => Math.round(time * 1_000),
  ms: time => Math.trunc(time),
  us: time => Math.trunc(time / 1_000),
  // A double is exact to 256 ns only: a whole ms must not become the one before.
  ns: time => Math.trunc(time / 1_000_000 + 0.000_5)
}

const nowhere: Time = { ok: true }

/** The time that a payload gives. @param value what is where the time should be; undefined or null: there is none, and the time of receipt is taken */
export function timeOf (value: unknown, unit: TimeUnit): Time {
  if (value === undefined || value === null) return nowhere
  const number = typeof value === 'number' ? value : typeof value === 'string' && /^\s*\d+(?:\.\d*)?\s*$/.test(value) ? Number(value) : undefined
  if (unit === 'auto' || unit === 'iso') {
    if (unit === 'auto' && number !== undefined) return { ok: true, timestamp: number }
    if (typeof value === 'string' && toTimestamp(value) !== undefined) return { ok: true, timestamp: value }
  } else if (number !== undefined && number >= 0) {
    return { ok: true, timestamp: toMs[unit](number) }
  }
  return { ok: false, reason: 'TIMESTAMP_INVALID', detail: `The time ${show(value)} is not ${unit === 'auto' ? 'a time' : unit === 'iso' ? 'ISO 8601' : `a number of ${unit}`}.` }
}
