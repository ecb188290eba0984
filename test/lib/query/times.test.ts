import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toDuration, toTime } from '../../../lib/query/times.ts'

const now = 1_700_000_000_000

test('a moment is ms, ISO 8601, now, or so long from now', () => {
  const cases: Array<[string | number, number | undefined]> = [
    [5, 5], ['5', 5], [1.9, 1], ['1700000000000', now], ['2023-11-14T22:13:20Z', now], ['2023-11-14', 1_699_920_000_000],
    ['now', now], ['-24h', now - 86_400_000], ['now-24h', now - 86_400_000], ['+1d', now + 86_400_000], ['-90s', now - 90_000], ['-2w', now - 1_209_600_000],
    ['-999999999999999w', undefined], ['-99999w', 0],
    [-1, undefined], ['', undefined], ['yesterday', undefined], ['24h', undefined], ['-24', undefined], ['-1y', undefined], ['- 1h', undefined], ['2023-02-30', undefined],
    [Number.NaN, undefined], ['9999999999999999', undefined], ['1e3', undefined], ['now; drop table agents', undefined]
  ]
  for (const [input, expected] of cases) assert.equal(toTime(input, now), expected, JSON.stringify(input))
})

test('a span of time is ms, or a number with its unit', () => {
  const cases: Array<[string | number, number | undefined]> = [
    [300_000, 300_000], ['300000', 300_000], ['250ms', 250], ['30s', 30_000], ['5m', 300_000], ['1h', 3_600_000], ['1d', 86_400_000], ['2w', 1_209_600_000],
    [0, undefined], ['0h', undefined], [-5, undefined], [1.5, undefined], ['', undefined], ['1 h', undefined], ['1y', undefined], ['h', undefined],
    ['999999999999999w', undefined], [Number.POSITIVE_INFINITY, undefined]
  ]
  for (const [input, expected] of cases) assert.equal(toDuration(input), expected, JSON.stringify(input))
})
