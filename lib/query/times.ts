import { toTimestamp } from '../messages/timestamp.ts'
import { day, hour } from '../time.ts'

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: hour, d: day, w: 7 * day }
const duration = /^(\d{1,15})(ms|s|m|h|d|w)?$/
const relative = /^(?:now)?([+-])(\d{1,15}(?:ms|s|m|h|d|w))$/

/** ms of `300000`, `'300000'`, `'5m'`, `'1h'`, `'1d'`, …; units are ms, s, m, h, d and w. Undefined when it is none, or zero. */
export function toDuration (input: string | number): number | undefined {
  const [, count, unit = 'ms'] = duration.exec(String(input)) ?? []
  const ms = Number(count) * (units[unit] as number)
  return ms > 0 && Number.isSafeInteger(ms) ? ms : undefined
}

/**
 * UTC ms of a moment: ms since 1970 (as text, too), ISO 8601, `now`, or from now on such as `-24h` or `+1d`.
 * Undefined when it is none of these.
 * @param now UTC ms
 */
export function toTime (input: string | number, now: number): number | undefined {
  if (typeof input === 'number') return toTimestamp(input)
  if (input === 'now') return now
  if (/^\d{1,16}$/.test(input)) return toTimestamp(Number(input))
  const [, sign, length] = relative.exec(input) ?? []
  if (length === undefined) return toTimestamp(input)
  const ms = toDuration(length)
  return ms === undefined ? undefined : toTimestamp(Math.max(0, sign === '-' ? now - ms : now + ms))
}
