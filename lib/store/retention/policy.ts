import { errorsOf } from '../../errors.ts'
import { day, floor, hour } from '../../time.ts'
import { mostDays } from './most-days.ts'

/** For how many days metrics are kept as they came, by hour and by day; whole numbers, 0 = for ever. */
export interface KeptDays {
  rawDays: number
  hourDays: number
  dayDays: number
}

/** For how long metrics are kept; an override applies to the series of exactly its type. */
export interface RetentionOptions extends KeptDays {
  overrides: Array<KeptDays & { type: string }>
}

/** The times (UTC ms) from which metrics are kept: `raw` is the start of a UTC hour, the others of a UTC day. */
export interface Limits { raw: number, hours: number, days: number }

const invalid = errorsOf('STORE_RETENTION_INVALID')

const fields = ['rawDays', 'hourDays', 'dayDays'] as const

/**
 * Check that fine data is never kept for longer than coarse data.
 * @throws PlatziverseError STORE_RETENTION_INVALID, which names the field
 */
export function checkRetention (options: RetentionOptions): void {
  checkDays(options, '')
  const types = new Set<string>()
  for (const override of options.overrides) {
    if (typeof override.type !== 'string' || override.type === '') throw invalid('An override has no type.')
    if (types.has(override.type)) throw invalid(`The type ${JSON.stringify(override.type)} has two overrides.`)
    types.add(override.type)
    checkDays(override, ` of the type ${JSON.stringify(override.type)}`)
  }
}

function checkDays (kept: KeptDays, whose: string): void {
  for (const field of fields) {
    const isValid = Number.isInteger(kept[field]) && kept[field] >= 0 && kept[field] <= mostDays
    if (!isValid) throw invalid(`${field}${whose} is not a whole number from 0 to ${mostDays}.`)
  }
  for (const [i, coarse] of fields.entries()) {
    const fine = fields[i - 1]
    if (fine === undefined || kept[coarse] === 0) continue
    if (kept[fine] === 0) throw invalid(`${fine}${whose} is 0, for ever, but ${coarse} is ${kept[coarse]}.`)
    if (kept[fine] > kept[coarse]) throw invalid(`${fine}${whose} is ${kept[fine]}, more than ${coarse}, which is ${kept[coarse]}.`)
  }
}

/** The limits of a series, by its type. Types are compared here, because some databases take `CPU` for `cpu`. */
export function limitsAt (options: RetentionOptions, now: number): (type: string) => Limits {
  const others = limitsOf(options, now)
  const byType = new Map(options.overrides.map(override => [override.type, limitsOf(override, now)]))
  return type => byType.get(type) ?? others
}

/** The time (UTC ms) before which metrics of no type are kept. */
export function rawLimitAt (options: RetentionOptions, now: number): number {
  return Math.min(...[options, ...options.overrides].map(kept => limitsOf(kept, now).raw))
}

/** The time (UTC ms) from which on metrics of all types are kept. */
export function newestRawLimitAt (options: RetentionOptions, now: number): number {
  return Math.max(...[options, ...options.overrides].map(kept => limitsOf(kept, now).raw))
}

function limitsOf ({ rawDays, hourDays, dayDays }: KeptDays, now: number): Limits {
  const from = (days: number, unit: number): number => days === 0 ? 0 : Math.max(0, floor(now, unit) - days * day)
  return { raw: from(rawDays, hour), hours: from(hourDays, day), days: from(dayDays, day) }
}
