import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calendarStarts } from '../../../../lib/query/buckets/calendar.ts'
import { widthFor } from '../../../../lib/query/buckets/widths.ts'

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000]
const to = Date.parse('2026-11-29T09:30:15Z')

test('a width is the narrowest round one by which a range has no more points than asked for', () => {
  const cases: Array<[length: number, points: number, width: number]> = [
    [15 * minute, 300, 5 * second], [15 * minute, 1_000, second], [hour, 300, 15 * second], [6 * hour, 300, 2 * minute],
    [24 * hour, 300, 5 * minute], [24 * hour, 289, 5 * minute], [24 * hour, 288, 10 * minute],
    [7 * day, 300, hour], [30 * day, 300, 3 * hour], [365 * day, 300, 7 * day], [365 * day, 400, day], [365 * day, 20, 21 * day], [second, 2, second]
  ]
  for (const [length, points, width] of cases) {
    const range = { from: to - length, to }
    assert.equal(widthFor(points, range, undefined), width, `${points} points of ${length} ms`)
    assert.ok(Math.ceil(range.to / width) - Math.floor(range.from / width) <= points)
  }
})

test('in a time zone, days and more are those of its calendar', () => {
  const cases: Array<[length: number, points: number, width: unknown]> = [
    [24 * hour, 300, 5 * minute], [30 * day, 32, 'day'], [30 * day, 6, 'week'], [365 * day, 12, 'year'], [365 * day, 13, 'month'], [20 * 365 * day, 21, 'year']
  ]
  for (const [length, points, width] of cases) assert.equal(widthFor(points, { from: to - length, to }, 'Europe/Madrid'), width, `${points} points of ${length} ms`)
  assert.equal(calendarStarts(to - 365 * day, to, 'month', 'Europe/Madrid').length - 1, 13)
})

test('any range has a width for any number of points', () => {
  for (const timezone of [undefined, 'Europe/Madrid']) {
    for (const points of [2, 3, 10_000]) {
      for (const from of [0, to - 1, to - 40 * day]) assert.notEqual(widthFor(points, { from, to }, timezone), undefined)
      const width = widthFor(points, { from: 0, to: 8.64e15 }, timezone) as number
      assert.ok(Math.ceil(8.64e15 / width) <= points)
    }
  }
})
