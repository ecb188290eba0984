import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Digest } from '../../../lib/alerts/digest.ts'
import { DueTimes, type Due } from '../../../lib/alerts/due-times.ts'

test('items come once each, in the order of their earliest times', () => {
  fc.assert(fc.property(fc.array(fc.record({ item: fc.nat(5), at: fc.nat(20), take: fc.boolean() }), { maxLength: 60 }), steps => {
    const due = new DueTimes<Due & { n: number }>()
    const items = Array.from({ length: 6 }, (_, n) => ({ n, dueAt: Infinity }))
    const model = new Map<number, number>()
    for (const { item, at, take } of steps) {
      if (!take) {
        due.add(items[item] as Due & { n: number }, at)
        model.set(item, Math.min(at, model.get(item) ?? Infinity))
        continue
      }
      for (let found = due.take(at); found !== undefined; found = due.take(at)) {
        const earliest = Math.min(...model.values())
        assert.ok((model.get(found.n) ?? Infinity) === earliest && earliest <= at)
        model.delete(found.n)
      }
      assert.ok([...model.values()].every(time => time > at))
    }
  }))
})

test('more changes than may go through in a span are gathered until it is over', () => {
  const digest = new Digest<string>({ more: 2, within: 60 })
  assert.deepEqual(['a', 'b', 'c', 'd'].map((name, i) => digest.add(name, 100 + i)), [true, true, false, false])
  assert.equal(digest.due, 160)
  assert.deepEqual(digest.take(159), [])
  assert.deepEqual(digest.take(160), ['c', 'd'])
  assert.deepEqual(['e', 'f', 'g'].map(name => digest.add(name, 170)), [true, true, false])
  // What is late counts from then on, and a clock that was set back begins a span.
  const late = new Digest<string>({ more: 1, within: 60 })
  assert.deepEqual(['a', 'b'].map(name => late.add(name, 100)), [true, false])
  assert.deepEqual(late.take(200), ['b'])
  assert.deepEqual(['c', 'd'].map(name => late.add(name, 210)), [true, false])
  assert.equal(late.due, 260)
  assert.deepEqual(late.take(260), ['d'])
  assert.deepEqual(['e', 'f'].map(name => late.add(name, 10)), [true, false])
  assert.equal(late.due, 70)
  late.shift(1_000)
  assert.equal(late.due, 1_070)
  const never = new Digest<string>({ more: 0, within: 60 })
  assert.ok(['a', 'b', 'c'].every(name => never.add(name, 0)))
})
