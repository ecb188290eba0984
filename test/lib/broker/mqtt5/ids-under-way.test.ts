import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IdsUnderWay } from '../../../../lib/broker/mqtt5/ids-under-way.ts'

test('ids under way are those that a Map would have, over all ids and in any order', () => {
  const ids = new IdsUnderWay()
  const map = new Map<number, boolean>()
  let seed = 1
  const below = (most: number): number => (seed = seed * 48_271 % 2_147_483_647) % most
  for (let i = 0; i < 200_000; i++) {
    const id = 1 + (i % 3 === 0 ? below(65_535) : (i + below(300)) % 65_535)
    if (below(2) === 0) {
      ids.add(id, i % 5 > 0)
      map.set(id, i % 5 > 0)
    } else {
      assert.equal(ids.delete(id), map.get(id) === true)
      map.delete(id)
    }
    assert.equal(ids.has(id), map.has(id))
    const other = 1 + below(65_535)
    assert.equal(ids.has(other), map.has(other))
  }
})

test('so are those that are acknowledged in order, but for some, past the last id', () => {
  const ids = new IdsUnderWay()
  const map = new Map<number, boolean>()
  const waiting: number[] = []
  let id = 65_000
  for (let i = 0; i < 200_000; i++) {
    id = id % 65_535 + 1
    // An id that is still in use is skipped, as by a session.
    if (map.has(id)) continue
    ids.add(id, i % 1_000 > 0)
    map.set(id, i % 1_000 > 0)
    waiting.push(id)
    if (waiting.length < 50) continue
    const [acknowledged] = waiting.splice(i % 7 === 0 ? 3 : 0, 1)
    assert.equal(ids.delete(acknowledged!), map.get(acknowledged!))
    map.delete(acknowledged!)
    for (const other of [acknowledged!, waiting[0]!, waiting.at(-1)!, id % 65_535 + 1]) assert.equal(ids.has(other), map.has(other))
  }
  for (const left of waiting) assert.equal(ids.delete(left), map.get(left))
})
