import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Spacing } from '../../lib/spacing.ts'

test('the first time is at once, each further one after a wait twice as long', () => {
  const spacing = new Spacing({ min: 5, max: 40 }, 10)
  const done = Array.from({ length: 200 }, (_, now) => now).filter(now => spacing.mayNow('a', now))
  assert.deepEqual(done, [0, 5, 15, 35, 75, 115, 155, 195])
  assert.equal(spacing.mayNow('b', 100), true, 'each name has waits of its own')
})

test('whoever was left alone for the longest wait begins anew', () => {
  const spacing = new Spacing({ min: 5, max: 40 }, 10)
  for (const now of [0, 5, 15, 35]) spacing.mayNow('a', now)
  assert.deepEqual([36, 75, 116, 121].map(now => spacing.mayNow('a', now)), [false, true, true, true])
})

test('names are remembered up to a number, and those beyond it wait until the oldest had its shortest wait', () => {
  const spacing = new Spacing({ min: 5, max: 40 }, 100)
  const granted = (now: number): number => Array.from({ length: 100_000 }, (_, i) => `${now} ${i}`).filter(name => spacing.mayNow(name, now)).length
  const started = performance.now()
  assert.deepEqual([granted(0), granted(4), granted(5), granted(9), granted(10)], [100, 0, 100, 0, 100])
  assert.ok(performance.now() - started < 5_000, `${performance.now() - started} ms`)
})
