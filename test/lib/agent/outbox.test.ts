import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Outbox } from '../../../lib/agent/outbox.ts'

const message = (seq: number) => ({ agent: { uuid: 'a' }, metrics: [{ type: 'a', value: 1 }], timestamp: 1, seq })
const seqOf = (entry?: { payload: { seq?: number } }) => entry?.payload.seq

test('messages go out in order, no more than the window at once', () => {
  const outbox = new Outbox(10, 2)
  for (const seq of [1, 2, 3]) outbox.add(message(seq))
  const one = outbox.next()!
  assert.equal(seqOf(one), 1)
  assert.equal(seqOf(outbox.next()), 2)
  assert.equal(outbox.next(), undefined)
  outbox.acknowledge(one)
  assert.equal(seqOf(outbox.next()), 3)
  assert.equal(outbox.next(), undefined)
  assert.equal(outbox.size, 2)
})

test('acknowledgements may come in any order and twice', async () => {
  const outbox = new Outbox(10, 3)
  const entries = [1, 2, 3].map(seq => outbox.add(message(seq)).added)
  for (let i = 0; i < 3; i++) outbox.next()
  for (const i of [2, 0, 0, 1]) outbox.acknowledge(entries[i]!)
  assert.equal(outbox.size, 0)
  await outbox.drained()
})

test('a lost connection puts what was on its way before what waits', () => {
  const outbox = new Outbox(10, 2)
  for (const seq of [1, 2, 3]) outbox.add(message(seq))
  const one = outbox.next()!
  outbox.next()
  outbox.acknowledge(one)
  outbox.rewind()
  assert.deepEqual([outbox.next(), outbox.next(), outbox.next()].map(seqOf), [2, 3, undefined])
})

test('past the capacity the oldest that is not on its way is dropped', () => {
  const outbox = new Outbox(2, 1)
  assert.equal(outbox.add(message(1)).dropped, undefined)
  outbox.next()
  assert.equal(outbox.add(message(2)).dropped, undefined)
  assert.equal(outbox.full, true)
  assert.equal(seqOf(outbox.add(message(3)).dropped), 2)
  assert.deepEqual(outbox.clear().map(seqOf), [1, 3])
  assert.equal(outbox.size, 0)
})

test('where everything is on its way the new one is dropped', () => {
  const outbox = new Outbox(1, 1)
  outbox.add(message(1))
  outbox.next()
  const { added, dropped } = outbox.add(message(2))
  assert.equal(dropped, added)
})

test('past the capacity what was never sent is dropped before what was, also after a lost connection', () => {
  const outbox = new Outbox(3, 2)
  for (const seq of [1, 2, 3]) outbox.add(message(seq))
  const one = outbox.next()!
  outbox.next()
  outbox.rewind()
  assert.equal(seqOf(outbox.add(message(4)).dropped), 3)
  outbox.next()
  outbox.acknowledge(one)
  outbox.add(message(5))
  assert.equal(seqOf(outbox.add(message(6)).dropped), 4)
  assert.deepEqual(outbox.clear().map(seqOf), [2, 5, 6])
})
