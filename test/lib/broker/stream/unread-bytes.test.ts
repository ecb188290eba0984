import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnreadBytes } from '../../../../lib/broker/stream/unread-bytes.ts'

test('when clients together leave too much unread, those with the most are cut off; what they have read since does not count', () => {
  const readers = new Set(Array.from({ length: 10 }, (_, i) => ({ i, unread: 0, counted: 0 })))
  const gone: number[] = []
  const unread = new UnreadBytes(800, readers, reader => {
    gone.push(reader.i)
    readers.delete(reader)
  })
  const leave = (bytes: (i: number) => number): void => {
    for (const reader of readers) unread.count(reader, reader.unread = bytes(reader.i))
  }
  leave(() => 75)
  for (const reader of readers) reader.unread = 0
  leave(() => 70)
  assert.deepEqual(gone, [])
  leave(i => i * 20)
  assert.deepEqual(gone, [9, 8])
  unread.limit = 0
  leave(() => 10_000)
  assert.deepEqual(gone, [9, 8])
})
