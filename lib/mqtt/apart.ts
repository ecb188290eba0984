import { covers, overlaps, parseFilter, type Filter } from './topic-filters.ts'

/**
 * Filters that match whatever the given ones match, and of which no two match the same topic: a broker may give a message once for each subscription
 * that matches it. What one filter covers is left out, and two that have topics in common become one: `tele/+/SENSOR` and `+/status/+` become `+/+/+`.
 * @param filters those that are no filters are left out
 */
export function apart (filters: Iterable<string>): string[] {
  const found: Filter[] = []
  for (const text of filters) {
    let filter = parseFilter(text)
    if (filter === undefined) continue
    // One that grew may reach others.
    for (let i = 0; i < found.length;) {
      const other = found[i]!
      if (overlaps(filter, other)) {
        filter = joined(filter, other)
        found.splice(i, 1)
        i = 0
      } else i++
    }
    found.push(filter)
  }
  return found.map(textOf).sort()
}

/** The narrowest filter that matches whatever one of two matches that have a topic in common. */
function joined (one: Filter, other: Filter): Filter {
  if (covers(one, other)) return one
  if (covers(other, one)) return other
  const length = Math.min(one.levels.length, other.levels.length)
  const levels = one.levels.slice(0, length).map((level, i) => level === other.levels[i] ? level : '+')
  return { levels, rest: one.rest || other.rest }
}

function textOf ({ levels, rest }: Filter): string {
  if (rest && levels.length === 1 && levels[0] === '+') return '#'
  return [...levels, ...rest ? ['#'] : []].join('/')
}
