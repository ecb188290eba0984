import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoadAverage } from '../../../../lib/broker/watching/load-average.ts'

const second = 1000

function loadWithClock (count = 0) {
  const clock = { now: 5 }
  const load = new LoadAverage(count, () => clock.now)
  const update = (count: number, elapsed: number) => {
    clock.now += elapsed
    load.update(count)
    return Object.fromEntries(Object.entries(load.values).map(([span, value]) => [span, value.toFixed(2)]))
  }
  return { load, update }
}

test('the averages are those that Mosquitto published after a client connected', () => {
  // Mosquitto 2.0.11 updates every 2 s at the least. 1 connection, then none.
  const { update } = loadWithClock()
  assert.deepEqual(update(1, 2 * second), { '1min': '0.98', '5min': '0.20', '15min': '0.07' })
  const later = [0, 0, 0].map(() => update(1, 2 * second)['1min'])
  assert.deepEqual(later, ['0.95', '0.92', '0.89'])
})

test('what the counter had before is not its growth', () => {
  const { update } = loadWithClock(1_000_000)
  assert.deepEqual(update(1_000_000, 10 * second), { '1min': '0.00', '5min': '0.00', '15min': '0.00' })
})

test('a steady growth is the average, whatever the interval, and the longer the span the later', () => {
  for (const interval of [second, 10 * second, 61 * second]) {
    const { load, update } = loadWithClock()
    let count = 0
    const grow = (minutes: number) => {
      for (let at = 0; at < minutes * 60 * second; at += interval) update(count += 5 * interval / second, interval)
    }
    grow(5)
    const { '1min': one, '5min': five, '15min': fifteen } = load.values
    assert.ok(one > 297 && five > 180 && five < 210 && fifteen > 80 && fifteen < 100, JSON.stringify(load.values))
    grow(120)
    for (const value of Object.values(load.values)) assert.ok(Math.abs(value - 300) < 0.2, JSON.stringify(load.values))
  }
})

test('it does not matter how often a steady growth is looked at', () => {
  const often = loadWithClock()
  const seldom = loadWithClock()
  for (let at = 1; at <= 60; at++) often.update(at * 10, second)
  assert.deepEqual(often.update(600, 0), seldom.update(600, 60 * second))
})

test('two updates at one time lose no growth', () => {
  const { update } = loadWithClock()
  update(5, 0)
  assert.equal(update(10, 60 * second)['1min'], (10 * (1 - Math.exp(-1))).toFixed(2))
})
