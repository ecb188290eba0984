import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentMap } from '../../lib/recent-map.ts'

test('what was set last is known, at least half of the most and never more', () => {
  const recent = new RecentMap<number>(10)
  assert.equal(recent.isEmpty, true)
  for (let i = 0; i < 1_000; i++) {
    recent.set(`n${i}`, i)
    for (let back = 0; back < Math.min(5, i); back++) assert.equal(recent.get(`n${i - back}`), i - back)
    assert.equal(recent.get(`n${i - 10}`), undefined)
  }
  assert.equal(recent.isEmpty, false)
})

test('what is set again stays, and what is deleted is gone', () => {
  const recent = new RecentMap<string>(4)
  recent.set('kept', 'x')
  for (let i = 0; i < 100; i++) {
    recent.set(`n${i}`, 'y')
    recent.set('kept', 'z')
    assert.equal(recent.get('kept'), 'z')
  }
  recent.delete('kept')
  assert.equal(recent.get('kept'), undefined)
})
