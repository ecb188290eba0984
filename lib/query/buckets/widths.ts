import { day, hour } from '../../time.ts'
import { calendarStarts } from './calendar.ts'
import type { Width } from './grid.ts'
import { calendarUnits } from '../series/names.ts'

const [second, minute, week] = [1_000, 60_000, 7 * day]
/** Widths that clocks and calendars show. */
const round = [
  ...[1, 2, 5, 10, 15, 30].map(count => count * second),
  ...[1, 2, 5, 10, 15, 30].map(count => count * minute),
  ...[1, 2, 3, 6, 12].map(count => count * hour)
]

/** ms of the longest of each. */
const longest = { day: 25 * hour, week: week + hour, month: 31 * day + hour, year: 366 * day }

/** Most points that may be asked for. */
export const mostPoints = 10_000

/**
 * The narrowest round width by which a range has at most `points` buckets, of which the first and the last may stick out. Past
 * twelve hours those are days and weeks, and in a time zone the days, weeks, months and years of its calendar.
 * @param points from 2 to `mostPoints`
 */
export function widthFor (points: number, { from, to }: { from: number, to: number }, timezone: string | undefined): Width {
  const fits = (width: number): boolean => Math.ceil(to / width) - Math.floor(from / width) <= points
  const found = (timezone === undefined ? [...round, day, week] : round).find(fits)
  if (found !== undefined) return found
  if (timezone !== undefined) {
    // What cannot fit is not looked up in the rules of the time zone.
    const mayFit = calendarUnits.filter(unit => (to - from) / longest[unit] <= points)
    const unit = mayFit.find(unit => calendarStarts(from, to, unit, timezone).length - 1 <= points)
    if (unit !== undefined) return unit
  }
  let weeks = Math.max(1, Math.ceil((to - from) / week / points))
  while (!fits(weeks * week)) weeks++
  return weeks * week
}
