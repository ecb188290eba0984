import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toTimestamp } from '../../../lib/messages/timestamp.ts'

const valid: Array<[string | number, string]> = [
  [1_700_000_000_000, '2023-11-14T22:13:20.000Z'],
  [1_700_000_000_000.9, '2023-11-14T22:13:20.000Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z'],
  ['2024-02-29T12:30Z', '2024-02-29T12:30:00.000Z'],
  ['2024-02-29T12:30:15.123456Z', '2024-02-29T12:30:15.123Z'],
  ['2024-02-29T12:30:15,5Z', '2024-02-29T12:30:15.500Z'],
  ['2024-02-29 12:30:15', '2024-02-29T12:30:15.000Z'],
  ['2024-02-29T12:30:15+05:30', '2024-02-29T07:00:15.000Z'],
  ['2024-02-29T12:30:15-0800', '2024-02-29T20:30:15.000Z']
]
for (const [input, expected] of valid) {
  test(`${input} is ${expected}`, () => { assert.equal(toTimestamp(input), Date.parse(expected)) })
}

for (const input of ['', '5', 'yesterday', '2023-02-29', '2024-13-01', '2024-01-01T24:00Z', '2024-01-01T10:60Z', '2024-01-01T10:00:60Z', '2024-01-01T10:00+25:00', '1969-12-31T23:59:59Z', '2024-1-1', -1, 8.64e15 + 2, Number.NaN]) {
  test(`${JSON.stringify(input)} is no timestamp`, () => { assert.equal(toTimestamp(input), undefined) })
}
