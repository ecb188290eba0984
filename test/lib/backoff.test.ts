import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff } from '../../lib/backoff.ts'

test('each wait is twice as long as the one before, up to the longest, until an attempt succeeds', () => {
  const backoff = new Backoff({ min: 100, max: 1_000 })
  assert.deepEqual(Array.from({ length: 6 }, () => backoff.next()), [100, 200, 400, 800, 1_000, 1_000])
  backoff.reset()
  assert.deepEqual([backoff.next(), backoff.next()], [100, 200])
})

test('with jitter a wait is between half of that and all of it', () => {
  const backoff = new Backoff({ min: 100, max: 1_000 }, { jitter: true })
  for (const full of [100, 200, 400, 800, ...Array<number>(50).fill(1_000)]) {
    const wait = backoff.next()
    assert.ok(wait >= full / 2 && wait <= full, `${wait} of ${full}`)
  }
})
