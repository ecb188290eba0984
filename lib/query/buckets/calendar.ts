import { PlatziverseError } from '../../errors.ts'
import { day } from '../../time.ts'
import { calendarUnits, type CalendarUnit } from '../series/names.ts'

/** ms over which a clock that goes on evenly is not looked at: since 1970 no time zone changed its offset for less than a week. */
const even = 5 * day
/** Most buckets of the calendar in one query: each is looked up in the rules of its time zone. */
const mostStarts = 25_000
/** ms that each is at least about as long as. */
const lengths: Record<CalendarUnit, number> = { day, week: 7 * day, month: 28 * day, year: 365 * day }

type Wall = (instant: number) => number

export function isCalendarUnit (given: unknown): given is CalendarUnit {
  return calendarUnits.some(unit => unit === given)
}

/** Whether this machine knows a time zone of this name, such as `Europe/Madrid`. */
export function isTimeZone (name: string): boolean {
  try {
    wallOf(name)
    return true
  } catch {
    return false
  }
}

/**
 * Where the days, weeks (from Monday), months or years of a time zone begin, from the one that `from` is in to the first that is not
 * before `to`; UTC ms. A day may have 23 or 25 hours, and begins where its first moment is where its midnight was skipped. Days that
 * were skipped as a whole are not there.
 * @throws PlatziverseError QUERY_RANGE_TOO_LARGE
 */
export function calendarStarts (from: number, to: number, unit: CalendarUnit, timezone: string): number[] {
  if ((to - from) / lengths[unit] > mostStarts) throw new PlatziverseError('QUERY_RANGE_TOO_LARGE', `The range has more than ${mostStarts} buckets of a ${unit}.`)
  const wall = wallOf(timezone)
  let date = floorDate(wall(from), unit)
  const starts = [instantOf(date, wall)]
  for (let last = starts[0] as number; last < to;) {
    if (unit === 'day' && wall(last) === date && wall(last + even) === date + even) {
      for (const end = Math.min(last + even, to); last < end; date += day) starts.push(last += day)
      continue
    }
    const next = nextDate(date, unit)
    // Where the clock went on evenly: one look at the rules instead of five.
    const expected = last + next - date
    const start = wall(expected) === next ? expected : instantOf(next, wall)
    if (start > last) starts.push(last = start)
    date = next
  }
  return starts
}

/** Reads the clock on the wall: a UTC instant as that of the same date and time in UTC. @throws RangeError for an unknown time zone */
function wallOf (timeZone: string): Wall {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' })
  return instant => {
    // Such as "12/31/2026, 23:59:59"; its parts one by one take three times as long.
    const [month, day, year, hour, minute, second] = format.format(instant).split(/\D+/).map(Number) as [number, number, number, number, number, number]
    return Date.UTC(year, month - 1, day, hour, minute, second)
  }
}

/** Dates are midnights in UTC. */
function floorDate (wall: number, unit: CalendarUnit): number {
  const date = new Date(wall)
  const [year, month, dayOfMonth] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  switch (unit) {
    case 'day': return Date.UTC(year, month, dayOfMonth)
    case 'week': return Date.UTC(year, month, dayOfMonth - (date.getUTCDay() + 6) % 7)
    case 'month': return Date.UTC(year, month)
    case 'year': return Date.UTC(year, 0)
  }
}

function nextDate (midnight: number, unit: CalendarUnit): number {
  const date = new Date(midnight)
  switch (unit) {
    case 'day': return midnight + day
    case 'week': return midnight + 7 * day
    case 'month': return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
    case 'year': return Date.UTC(date.getUTCFullYear() + 1, 0)
  }
}

/** The first instant of a date. */
function instantOf (date: number, wall: Wall): number {
  const offsets = [date - day, date + day].map(around => wall(around) - around)
  const valid = offsets.map(offset => date - offset).filter(instant => wall(instant) === date)
  if (valid.length > 0) return Math.min(...valid)
  // Midnight was skipped: the clock jumps between these two.
  let [before, after] = [date - Math.max(...offsets), date - Math.min(...offsets)]
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (wall(middle) >= date) after = middle
    else before = middle
  }
  return after
}
