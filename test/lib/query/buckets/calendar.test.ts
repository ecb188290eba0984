import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calendarStarts, isTimeZone } from '../../../../lib/query/buckets/calendar.ts'
import type { CalendarUnit } from '../../../../lib/query/series/names.ts'

function startsOf (from: string, to: string, unit: CalendarUnit, timezone: string): string[] {
  return calendarStarts(Date.parse(from), Date.parse(to), unit, timezone).map(start => new Date(start).toISOString().replace(':00.000Z', ''))
}

test('days begin at midnight of their time zone, with 23 or 25 hours where the clocks change', () => {
  assert.deepEqual(startsOf('2026-03-28T12:00Z', '2026-03-30T12:00Z', 'day', 'Europe/Madrid'), ['2026-03-27T23:00', '2026-03-28T23:00', '2026-03-29T22:00', '2026-03-30T22:00'])
  assert.deepEqual(startsOf('2026-10-24T12:00Z', '2026-10-25T23:00Z', 'day', 'Europe/Madrid'), ['2026-10-23T22:00', '2026-10-24T22:00', '2026-10-25T23:00'])
  assert.deepEqual(startsOf('2026-10-03T00:00Z', '2026-10-04T12:00Z', 'day', 'Australia/Lord_Howe'), ['2026-10-02T13:30', '2026-10-03T13:30', '2026-10-04T13:00'])
  assert.deepEqual(startsOf('2026-01-01T00:00Z', '2026-01-01T23:00Z', 'day', 'Asia/Kathmandu'), ['2025-12-31T18:15', '2026-01-01T18:15', '2026-01-02T18:15'])
})

test('a day whose midnight was skipped begins with its first moment, and one that has two begins with the first', () => {
  assert.deepEqual(startsOf('2018-11-03T12:00Z', '2018-11-04T12:00Z', 'day', 'America/Sao_Paulo'), ['2018-11-03T03:00', '2018-11-04T03:00', '2018-11-05T02:00'])
  assert.deepEqual(startsOf('2018-02-17T12:00Z', '2018-02-18T12:00Z', 'day', 'America/Sao_Paulo'), ['2018-02-17T02:00', '2018-02-18T03:00', '2018-02-19T03:00'])
  assert.deepEqual(startsOf('2025-11-01T12:00Z', '2025-11-02T12:00Z', 'day', 'America/Havana'), ['2025-11-01T04:00', '2025-11-02T04:00', '2025-11-03T05:00'])
})

test('days, weeks and months have no gap and no end of their own in Morocco, which changes its clocks around Ramadan', () => {
  assert.deepEqual(startsOf('2026-02-14T12:00Z', '2026-02-15T12:00Z', 'day', 'Africa/Casablanca'), ['2026-02-13T23:00', '2026-02-14T23:00', '2026-02-16T00:00'])
  assert.deepEqual(startsOf('2026-03-21T12:00Z', '2026-03-22T12:00Z', 'day', 'Africa/Casablanca'), ['2026-03-21T00:00', '2026-03-22T00:00', '2026-03-22T23:00'])
  assert.deepEqual(startsOf('2026-02-09T12:00Z', '2026-03-23T00:00Z', 'month', 'Africa/Casablanca'), ['2026-01-31T23:00', '2026-03-01T00:00', '2026-03-31T23:00'])
})

test('a clock that was changed for a week alone is not overlooked', () => {
  const starts = startsOf('2000-09-20T12:00Z', '2000-11-01T12:00Z', 'day', 'America/Boa_Vista')
  assert.equal(starts.length, 44)
  const away = starts.filter(start => !start.endsWith('T04:00'))
  assert.deepEqual(away, ['2000-10-09T03:00', '2000-10-10T03:00', '2000-10-11T03:00', '2000-10-12T03:00', '2000-10-13T03:00', '2000-10-14T03:00'])
})

test('a day that was skipped as a whole is not there', () => {
  // Samoa went over the date line and had no 30 December 2011.
  assert.deepEqual(startsOf('2011-12-29T12:00Z', '2011-12-31T12:00Z', 'day', 'Pacific/Apia'), ['2011-12-29T10:00', '2011-12-30T10:00', '2011-12-31T10:00', '2012-01-01T10:00'])
})

test('weeks begin on Monday, months and years with their first day, before 1970 too', () => {
  assert.deepEqual(startsOf('2026-03-22T12:00Z', '2026-04-01T12:00Z', 'week', 'Europe/Madrid'), ['2026-03-15T23:00', '2026-03-22T23:00', '2026-03-29T22:00', '2026-04-05T22:00'])
  assert.deepEqual(startsOf('2026-02-10T00:00Z', '2026-04-01T00:00Z', 'month', 'America/New_York'), ['2026-02-01T05:00', '2026-03-01T05:00', '2026-04-01T04:00'])
  assert.deepEqual(startsOf('2024-02-10T00:00Z', '2026-01-01T00:00Z', 'year', 'UTC'), ['2024-01-01T00:00', '2025-01-01T00:00', '2026-01-01T00:00'])
  assert.deepEqual(startsOf('1970-01-01T00:00Z', '1970-01-05T06:00Z', 'week', 'America/New_York'), ['1969-12-29T05:00', '1970-01-05T05:00', '1970-01-12T05:00'])
})

test('more buckets than anybody looks at are refused before they are looked up', () => {
  assert.throws(() => calendarStarts(0, 8.64e15, 'day', 'Europe/Madrid'), { code: 'QUERY_RANGE_TOO_LARGE' })
  assert.ok(calendarStarts(0, Date.parse('2026-01-01T00:00Z'), 'day', 'Europe/Madrid').length > 20_000)
})

test('time zones have the names of IANA', () => {
  assert.deepEqual(['Europe/Madrid', 'UTC', 'America/Argentina/Buenos_Aires', 'Madrid', 'Europe/Nowhere', ''].map(isTimeZone), [true, true, true, false, false, false])
})
