import { day, floor, hour } from '../../time.ts'
import { calendarStarts } from './calendar.ts'
import type { CalendarUnit } from '../series/names.ts'
import type { Source } from '../series/reading.ts'

/** ms, or a unit of the calendar. */
export type Width = number | CalendarUnit

/** What buckets are laid over: `from` is included, `to` is not; UTC ms. */
export interface Extent {
  from: number
  to: number
  bucket: Width
  /** IANA; of calendar units alone. */
  timezone?: string
}

/** The buckets of a range, from the oldest on; each begins where the one before it ends. */
export interface Grid {
  count: number
  /** Most buckets that one statement takes. */
  atOnce: number
  /** Where a bucket begins, in UTC ms; of `count`: where the last one ends. */
  startOf (index: number): number
  /** The SQL expression for the start of the bucket, from `first` to before `end`, that a time is in. */
  sqlOf (time: string, first: number, end: number): string
}

const unitOf: Record<Source, number> = { raw: 1, hours: hour, days: day }

/** Starts that an expression compares with: about 20 KB of SQL. */
const mostCompared = 400

/**
 * The coarsest source that buckets can be made of exactly, as long as its metrics are there.
 * @param starts the borders of calendar buckets
 */
export function bestSource (bucket: Width, starts: readonly number[]): Source {
  const fits = (unit: number): boolean => typeof bucket === 'number' ? bucket % unit === 0 : starts.every(start => start % unit === 0)
  return fits(day) ? 'days' : fits(hour) ? 'hours' : 'raw'
}

/**
 * The borders of calendar buckets, with a day to spare on either side; none where the width is fixed.
 * @throws PlatziverseError QUERY_RANGE_TOO_LARGE
 */
export function bordersOf ({ from, to, bucket, timezone = 'UTC' }: Extent): number[] {
  return typeof bucket === 'number' ? [] : calendarStarts(from - day, to + day, bucket, timezone)
}

/**
 * The whole buckets of a range, made of what a source has: fixed ones are widened to its unit, and borders of the calendar that are
 * inside an hour or a day are moved to the nearer end of it.
 * @param borders as `bordersOf` gives them
 */
export function gridIn (source: Source, { from, to, bucket }: Extent, borders: readonly number[]): Grid & { bucket: Width } {
  const unit = unitOf[source]
  if (typeof bucket === 'number') {
    const width = Math.ceil(bucket / unit) * unit
    return { bucket: width, ...fixedGrid(from, to, width) }
  }
  const moved = [...new Set(borders.map(border => Math.round(border / unit) * unit))]
  const first = moved.findLastIndex(border => border <= from)
  return { bucket, ...calendarGrid(moved.slice(first, moved.findIndex(border => border >= to) + 1)) }
}

function fixedGrid (from: number, to: number, width: number): Grid {
  const begin = floor(from, width)
  return {
    count: Math.ceil(to / width) - begin / width,
    atOnce: Number.MAX_SAFE_INTEGER,
    startOf: index => begin + index * width,
    sqlOf: time => `${time} - ${time} % ${width}`
  }
}

function calendarGrid (borders: number[]): Grid {
  return {
    count: borders.length - 1,
    atOnce: mostCompared,
    startOf: index => borders[index] as number,
    sqlOf: (time, first, end) => searchIn(borders, time, first, end - 1)
  }
}

/** A binary search: every database evaluates it in some nine comparisons, where a join with the borders would take one for each. */
function searchIn (borders: number[], time: string, first: number, last: number): string {
  if (first === last) return String(borders[first])
  const middle = Math.ceil((first + last) / 2)
  return `case when ${time} < ${borders[middle]} then ${searchIn(borders, time, first, middle - 1)} else ${searchIn(borders, time, middle, last)} end`
}
