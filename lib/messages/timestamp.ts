// ISO 8601: extended or basic; calendar, week or ordinal date; also the date alone, no seconds, a blank before the time and no zone, as real senders write it.
const date = '(?<year>\\d{4})(?:-(?<month>\\d\\d)-(?<day>\\d\\d)|(?<basicMonth>\\d\\d)(?<basicDay>\\d\\d)|-?W(?<week>\\d\\d)-?(?<weekday>[1-7])|-(?<ordinal>\\d{3}))'
const time = '(?<hour>\\d\\d):?(?<minute>\\d\\d)(?::?(?<second>\\d\\d)(?:[.,](?<fraction>\\d+))?)?'
const zone = '[Zz]|(?<sign>[+-])(?<zoneHour>\\d\\d)(?::?(?<zoneMinute>\\d\\d))?'
const iso = new RegExp(`^${date}(?:[Tt ]${time}(?: ?(?:${zone}))?)?$`)

const aDay = 86_400_000
const latest = 8.64e15

/**
 * UTC ms since 1970 of an ISO 8601 text, or of a number that is that already; undefined when it is neither.
 * A text without a zone is UTC: the zone of this machine says nothing about the sender's. Fractions of a ms are dropped.
 * A leap second counts as the second before it, as on Unix clocks.
 */
export function toTimestamp (input: string | number): number | undefined {
  if (typeof input === 'number') return input >= 0 && input <= latest ? Math.trunc(input) : undefined
  const parts = iso.exec(input)?.groups
  if (parts === undefined) return undefined
  const day = dayOf(parts)
  if (day === undefined) return undefined
  const { hour = 0, minute = 0, second = 0, fraction = '', sign, zoneHour = 0, zoneMinute = 0 } = parts
  const isLeap = Number(second) === 60
  if (Number(hour) > 23 || Number(minute) > 59 || (Number(second) > 59 && !isLeap) || Number(zoneHour) > 23 || Number(zoneMinute) > 59) return undefined
  const offset = (sign === '-' ? -1 : 1) * (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000
  const ofDay = (Number(hour) * 60 + Number(minute)) * 60_000 + (isLeap ? 59 : Number(second)) * 1_000 + Number(fraction.slice(0, 3).padEnd(3, '0'))
  const ms = day + ofDay - offset
  // Leap seconds occur only at the end of a UTC day.
  if (isLeap && Math.floor(ms / 1_000) % 86_400 !== 86_399) return undefined
  return ms >= 0 ? ms : undefined
}

/** Midnight of a date, in UTC ms; undefined when there is no such date. */
function dayOf ({ year, month, day, basicMonth = month, basicDay = day, week, weekday, ordinal }: Partial<Record<string, string>>): number | undefined {
  const first = new Date(0).setUTCFullYear(Number(year), 0, 1)
  let ms: number
  if (week !== undefined) {
    // Week 1 has the 4th of January.
    const fourth = first + 3 * aDay
    const monday = fourth - (new Date(fourth).getUTCDay() + 6) % 7 * aDay
    ms = monday + ((Number(week) - 1) * 7 + Number(weekday) - 1) * aDay
    // A week belongs to the year of its Thursday.
    return new Date(ms + (4 - Number(weekday)) * aDay).getUTCFullYear() === Number(year) ? ms : undefined
  }
  if (ordinal !== undefined) {
    ms = first + (Number(ordinal) - 1) * aDay
    return new Date(ms).getUTCFullYear() === Number(year) ? ms : undefined
  }
  ms = new Date(0).setUTCFullYear(Number(year), Number(basicMonth) - 1, Number(basicDay))
  // 30 February would have rolled over into March.
  return new Date(ms).getUTCMonth() === Number(basicMonth) - 1 && new Date(ms).getUTCDate() === Number(basicDay) ? ms : undefined
}

/** How far from now a time may be, in ms. 0: any. */
export interface TimeRange { past: number, future: number }

const units: Array<[unit: 's' | 'µs' | 'ns', toMs: (time: number) => number]> = [
  // Rounded, because seconds with a fraction are not exact in a double.
  ['s', time => Math.round(time * 1_000)],
  ['µs', time => Math.trunc(time / 1_000)],
  // A double is exact to 256 ns only: a whole ms must not become the one before.
  ['ns', time => Math.trunc(time / 1_000_000 + 0.000_5)]
]
export type Unit = typeof units[number][0]

/**
 * A time that a sender gave, in UTC ms. A number that is out of range in ms, and in range in exactly one other unit, is taken as that unit.
 * @returns undefined: it is no time; outside: it is out of range
 */
export function timeWithin (input: string | number, now: number, range: TimeRange): { ms: number, unit?: Unit } | 'outside' | undefined {
  const ms = toTimestamp(input)
  if (ms !== undefined && isWithin(ms, now, range)) return { ms }
  if (typeof input === 'string') return ms === undefined ? undefined : 'outside'
  const fitting = units.map(([unit, toMs]) => ({ unit, ms: toMs(input) })).filter(({ ms }) => isWithin(ms, now, range))
  const [first] = fitting
  return first !== undefined && fitting.length === 1 ? first : 'outside'
}

function isWithin (ms: number, now: number, { past, future }: TimeRange): boolean {
  return ms >= 0 && ms <= latest && (past === 0 || ms >= now - past) && (future === 0 || ms <= now + future)
}
