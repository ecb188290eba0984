import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeWithin, toTimestamp } from '../../../lib/messages/timestamp.ts'

const valid: Array<[string | number, string]> = [
  [1_700_000_000_000, '2023-11-14T22:13:20.000Z'],
  [1_700_000_000_000.9, '2023-11-14T22:13:20.000Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z'],
  ['2024-02-29T12:30Z', '2024-02-29T12:30:00.000Z'],
  ['2024-02-29T12:30:15.123456Z', '2024-02-29T12:30:15.123Z'],
  ['2024-02-29T12:30:15,5Z', '2024-02-29T12:30:15.500Z'],
  ['2024-02-29 12:30:15', '2024-02-29T12:30:15.000Z'],
  ['2024-02-29T12:30:15+05:30', '2024-02-29T07:00:15.000Z'],
  ['2024-02-29T12:30:15-0800', '2024-02-29T20:30:15.000Z'],
  ['2024-02-29T12:30:15+02', '2024-02-29T10:30:15.000Z'],
  ['2024-02-29T12:30:15+0200', '2024-02-29T10:30:15.000Z'],
  ['2024-02-29 12:30:15 +0200', '2024-02-29T10:30:15.000Z'],
  ['20261128T204500Z', '2026-11-28T20:45:00.000Z'],
  ['20261128T2045', '2026-11-28T20:45:00.000Z'],
  ['20261128T204500.25+0530', '2026-11-28T15:15:00.250Z'],
  ['20261128', '2026-11-28T00:00:00.000Z'],
  ['2026-W48-6', '2026-11-28T00:00:00.000Z'],
  ['2026W486T204500Z', '2026-11-28T20:45:00.000Z'],
  ['2020-W53-7', '2021-01-03T00:00:00.000Z'],
  ['2009-W01-1', '2008-12-29T00:00:00.000Z'],
  ['2026-332T20:45:00Z', '2026-11-28T20:45:00.000Z'],
  ['2024-366', '2024-12-31T00:00:00.000Z'],
  ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.000Z'],
  ['2016-12-31T23:59:60.5Z', '2016-12-31T23:59:59.500Z'],
  ['2017-01-01T01:59:60+02:00', '2016-12-31T23:59:59.000Z']
]
for (const [input, expected] of valid) {
  test(`${input} is ${expected}`, () => { assert.equal(toTimestamp(input), Date.parse(expected)) })
}

for (const input of ['', '5', 'yesterday', '2023-02-29', '2024-13-01', '2024-01-01T24:00Z', '2024-01-01T10:60Z', '2024-01-01T10:00:60Z', '2024-01-01T10:00+25:00', '1969-12-31T23:59:59Z', '2024-1-1', '2024-W54-1', '2021-W53-1', '2024-W01-8', '2023-366', '2024-000', '20241301', '20240230', '2016-12-31T23:59:61Z', '2016-12-31T22:59:60Z', '2024-01-01T10:00+2', '1733000000', -1, 8.64e15 + 2, Number.NaN]) {
  test(`${JSON.stringify(input)} is no timestamp`, () => { assert.equal(toTimestamp(input), undefined) })
}

test('a whole ms in s, µs or ns is that ms, whichever it is', () => {
  const range = { past: 1e11, future: 1e9 }
  for (let ms = 1_795_902_759_000; ms < 1_795_902_761_000; ms++) {
    assert.deepEqual(timeWithin(ms / 1_000, ms, range), { ms, unit: 's' })
    assert.deepEqual(timeWithin(ms * 1_000, ms, range), { ms, unit: 'µs' })
    assert.deepEqual(timeWithin(ms * 1_000_000, ms, range), { ms, unit: 'ns' })
  }
})

test('a number that fits several units, or none, is out of range', () => {
  const now = 1_795_902_759_000
  assert.equal(timeWithin(now * 1_000, now, { past: 0, future: 1e9 }), 'outside')
  assert.equal(timeWithin(5, now, { past: 1e11, future: 1e9 }), 'outside')
  assert.equal(timeWithin('x', now, { past: 1e11, future: 1e9 }), undefined)
})
