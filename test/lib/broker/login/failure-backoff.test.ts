import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailureBackoff } from '../../../../lib/broker/login/failure-backoff.ts'

const minute = 60_000

test('of too many keys, those with the oldest failures are forgotten, and never more than an eighth of them', () => {
  const backoff = new FailureBackoff({ allowed: 1, now: () => 0, most: 80 })
  const known = (): number[] => Array.from({ length: 1_000 }, (_, i) => i).filter(i => backoff.knows(`key ${i}`))
  for (let i = 0; i < 1_000; i++) {
    backoff.count(`key ${i}`)
    const keys = known()
    assert.deepEqual(keys, Array.from({ length: keys.length }, (_, back) => i - keys.length + 1 + back))
    assert.ok(keys.length >= Math.min(i + 1, 70) && keys.length <= 80, `${keys.length} keys`)
  }
})

test('a key that fails again is not among the oldest any more', () => {
  const backoff = new FailureBackoff({ allowed: 1, now: () => 0, most: 8 })
  for (let i = 0; i < 100; i++) {
    backoff.count(`key ${i}`)
    backoff.count('again')
    assert.equal(backoff.knows('again'), true)
  }
})

test('without a bound nothing is forgotten before its time', () => {
  const clock = { now: 0 }
  const backoff = new FailureBackoff({ allowed: 2, now: () => clock.now, most: Infinity })
  for (let i = 0; i < 20_000; i++) backoff.count(`key ${i}`)
  clock.now = 10 * minute - 1
  backoff.count('late')
  assert.equal(backoff.knows('key 0'), true)
  clock.now = 10 * minute
  backoff.count('later')
  assert.deepEqual(['key 0', 'late', 'later'].map(key => backoff.knows(key)), [false, true, true])
})
