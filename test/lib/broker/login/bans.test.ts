import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bans } from '../../../../lib/broker/login/bans.ts'

test('a client id is kept out for its time and no longer', () => {
  let now = 0
  const bans = new Bans(() => now)
  bans.add('a', 10)
  assert.equal(bans.has('a'), true)
  assert.equal(bans.has('b'), false)
  now = 10_001
  assert.equal(bans.has('a'), false)
})

test('bans are bounded, and none is lifted for another: one too many is refused until one is over', () => {
  let now = 0
  const bans = new Bans(() => now)
  for (let i = 0; i < 10_000; i++) assert.equal(bans.add(String(i), i === 5 ? 30 : 60), true)
  assert.equal(bans.add('10000', 60), false)
  assert.deepEqual(['0', '10000'].map(id => bans.has(id)), [true, false])
  // One that is there can be made longer.
  assert.equal(bans.add('0', 90), true)
  now = 30_000
  assert.equal(bans.add('10000', 60), true)
  assert.deepEqual(['0', '5', '10000'].map(id => bans.has(id)), [true, false, true])
})
