import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { afterTime, afterValue, isRaised, ok, type AlertState } from '../../../../lib/alerts/rules/alert-state.ts'
import type { Verdict } from '../../../../lib/alerts/rules/verdict.ts'

const s = 1000

/** The phases that values and ticks lead to: `wrong 3` is a value measured and heard at 3 s, `tick 3` is the clock alone. */
function phases (spans: { for: number, endFor: number }, ...events: string[]): string[] {
  let state = ok
  return events.map(event => {
    const [what, seconds] = event.split(' ') as [Verdict | 'tick', string]
    const at = Number(seconds) * s
    state = what === 'tick' ? afterTime(state, at) : afterValue(state, what, at, at, spans)
    return state.phase
  })
}

test('without spans a value raises and ends it at once', () => {
  assert.deepEqual(phases({ for: 0, endFor: 0 }, 'right 1', 'wrong 2', 'wrong 3', 'between 4', 'right 5', 'between 6'), ['ok', 'raised', 'raised', 'raised', 'ok', 'ok'])
})

test('it is raised once it was wrong for long enough, by values or by the clock', () => {
  assert.deepEqual(phases({ for: 10 * s, endFor: 0 }, 'wrong 1', 'wrong 10', 'wrong 11'), ['pending', 'pending', 'raised'])
  assert.deepEqual(phases({ for: 10 * s, endFor: 0 }, 'wrong 1', 'tick 10', 'tick 11'), ['pending', 'pending', 'raised'])
  assert.deepEqual(phases({ for: 10 * s, endFor: 0 }, 'wrong 1', 'between 5', 'wrong 6', 'tick 11', 'tick 16'), ['pending', 'ok', 'pending', 'pending', 'raised'])
})

test('it ends once it was right for long enough', () => {
  assert.deepEqual(phases({ for: 0, endFor: 10 * s }, 'wrong 1', 'right 2', 'between 8', 'right 9', 'right 18', 'right 19'), ['raised', 'ending', 'raised', 'ending', 'ending', 'ok'])
  assert.deepEqual(phases({ for: 0, endFor: 10 * s }, 'wrong 1', 'right 2', 'tick 11', 'tick 12'), ['raised', 'ending', 'ending', 'ok'])
})

test('values that were kept back count by the time at which they were measured', () => {
  const spans = { for: 60 * s, endFor: 0 }
  const now = 1_000 * s
  let state: AlertState = ok
  for (const at of [10, 40]) state = afterValue(state, 'wrong', at * s, now, spans)
  assert.equal(state.phase, 'pending')
  // The clock waits for what may still come of them.
  assert.equal(afterTime(state, now + s).phase, 'pending')
  assert.equal(afterValue(state, 'wrong', 70 * s, now, spans).phase, 'raised')
  assert.equal(afterValue(state, 'right', 70 * s, now, spans).phase, 'ok')
  const ending = afterValue({ phase: 'raised', since: 0, right: 0, due: Infinity }, 'right', 10 * s, now, { for: 0, endFor: 60 * s })
  assert.deepEqual([afterTime(ending, now + s).phase, afterTime(ending, now + 60 * s).phase], ['ending', 'ok'])
})

test('whatever comes, nothing is raised or ended before its time, and what changes nothing makes no new state', () => {
  const events = fc.array(fc.record({ verdict: fc.constantFrom<Verdict | 'tick'>('wrong', 'between', 'right', 'tick'), after: fc.integer({ min: 0, max: 20 }) }), { maxLength: 60 })
  fc.assert(fc.property(events, fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 }), (events, span, endFor) => {
    const spans = { for: span, endFor }
    let state = ok
    let now = 0
    let wrongFrom: number | undefined
    let rightFrom: number | undefined
    for (const { verdict, after } of events) {
      now += after
      if (verdict !== 'tick') {
        wrongFrom = verdict === 'wrong' ? wrongFrom ?? now : undefined
        rightFrom = verdict === 'right' ? rightFrom ?? now : undefined
      }
      const before = state
      state = verdict === 'tick' ? afterTime(state, now) : afterValue(state, verdict, now, now, spans)
      if (!isRaised(before) && isRaised(state)) {
        assert.ok(wrongFrom !== undefined && now - wrongFrom >= span)
        assert.equal(state.since, wrongFrom)
      } else if (isRaised(before) && !isRaised(state)) {
        assert.ok(rightFrom !== undefined && now - rightFrom >= endFor)
      }
      // Long enough is enough: nothing stays pending.
      if (wrongFrom !== undefined && now - wrongFrom >= span) assert.ok(isRaised(state))
      if (rightFrom !== undefined && now - rightFrom >= endFor) assert.equal(isRaised(state), false)
      assert.equal(verdict === 'tick' ? afterTime(state, now) : afterValue(state, verdict, now, now, spans), state)
    }
  }))
})
