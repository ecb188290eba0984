import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WindowWatch } from '../../../../../lib/broker/remote/session/window-watch.ts'

/** Messages that come `ms` apart in rounds of `round`, each of which is acknowledged as a whole. */
function rounds (watch: WindowWatch, clock: { now: number }, round: (i: number) => number, ms: number, count: number): boolean {
  let warned = false
  for (let i = 0; i < count; i++) {
    for (let inFlight = 1; inFlight <= round(i); inFlight++) {
      clock.now += ms
      if (watch.sees(inFlight, 1000)) warned = true
    }
  }
  return warned
}

test('a broker that gives twenty messages and waits is noticed', () => {
  const clock = { now: 0 }
  const watch = new WindowWatch(() => clock.now)
  assert.equal(rounds(watch, clock, () => 20, 1, 1000), true)
  assert.equal(watch.widest, 20)
})

test('as many as come by chance, few messages, and a window that is wide enough are not', () => {
  for (const [round, ms, count] of [[(i: number) => 1 + i * 7 % 40, 1, 2000], [() => 3, 1000, 300], [() => 200, 1, 300]] as const) {
    const clock = { now: 0 }
    assert.equal(rounds(new WindowWatch(() => clock.now), clock, round, ms, count), false)
  }
})
