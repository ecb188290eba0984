// ISO 8601 as RFC 3339 profiles it, with the date alone, the minutes alone and the missing zone that real senders use.
const iso = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?)?$/

/**
 * UTC ms since 1970 of an ISO 8601 text or of a number that is already so; undefined when it is neither.
 * A text without a zone is UTC: the zone of this machine says nothing about the sender's. Fractions of a ms are dropped.
 */
export function toTimestamp (input: string | number): number | undefined {
  if (typeof input === 'number') return input >= 0 && input <= 8.64e15 ? Math.trunc(input) : undefined
  const parts = iso.exec(input)
  if (parts === null) return undefined
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = '', , sign, zoneHour = 0, zoneMinute = 0] = parts
  const ms = Number(fraction.slice(0, 3).padEnd(3, '0'))
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  // 30 February would roll over into March.
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59 || Number(zoneHour) > 23 || Number(zoneMinute) > 59) return undefined
  const offset = (sign === '-' ? -1 : 1) * (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000
  const time = date.setUTCHours(Number(hour), Number(minute), Number(second), ms) - offset
  return time >= 0 ? time : undefined
}
