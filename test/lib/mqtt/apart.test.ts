import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { apart } from '../../../lib/mqtt/apart.ts'
import { matches, overlaps, parseFilter, type Filter } from '../../../lib/mqtt/topic-filters.ts'

test('filters with topics in common become one, and those of one that covers them are left out', () => {
  assert.deepEqual(apart(['tele/+/SENSOR', 'tele/+/LWT', 'stat/+/RESULT']), ['stat/+/RESULT', 'tele/+/LWT', 'tele/+/SENSOR'])
  assert.deepEqual(apart(['a/+', 'a/b', 'a/#', 'b', 'b']), ['a/#', 'b'])
  assert.deepEqual(apart(['tele/+/SENSOR', '+/status/+', 'x/y']), ['+/+/+', 'x/y'])
  // The second one alone has nothing in common with the first.
  assert.deepEqual(apart(['a/+/c', 'b/x/#', '+/x/c']), ['+/+/#'])
  assert.deepEqual(apart(['a', '#', '$aws/+']), ['#', '$aws/+'])
  assert.deepEqual(apart(['a/#b', '']), [])
})

const level = fc.constantFrom('a', 'b', '+', '$x', '')
const filter = fc.tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean()).map(([levels, rest]) => [...levels, ...rest ? ['#'] : []].join('/')).filter(text => parseFilter(text) !== undefined)

test('in any order they are the same ones: whatever one of the given matches, exactly one of them matches', () => {
  const read = (text: string): Filter => parseFilter(text)!
  fc.assert(fc.property(fc.array(filter, { maxLength: 8 }), fc.array(fc.constantFrom('a', 'b', 'c', '$x', ''), { minLength: 1, maxLength: 5 }), fc.nat(), (filters, topic, seed) => {
    const found = apart(filters)
    assert.deepEqual(apart(filters.map((_, i) => filters[(i + seed) % filters.length]!)), found)
    assert.deepEqual(apart(found), found)
    const parsed = found.map(read)
    assert.ok(parsed.every((one, i) => parsed.every((other, j) => i === j || !overlaps(one, other))))
    if (filters.some(text => matches(read(text), topic))) assert.equal(parsed.filter(one => matches(one, topic)).length, 1)
  }), { numRuns: 2_000 })
})
