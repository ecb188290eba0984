import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SlotTable } from '../../../lib/intake/slot-table.ts'

test('a value is found by its id until it is deleted, and its slot is used again under another id', () => {
  const table = new SlotTable<string>('t')
  const [first, second] = [table.add('first'), table.add('second')]
  assert.equal(table.get(first), 'first')
  assert.equal(table.delete(first), true)
  assert.equal(table.delete(first), false)
  assert.equal(table.get(first), undefined)
  const third = table.add('third')
  assert.equal(third.split('-').at(-1), first.split('-').at(-1))
  assert.notEqual(third, first)
  assert.equal(table.get(first), undefined)
  assert.deepEqual([table.get(second), table.get(third)], ['second', 'third'])
})

test('values are listed in the order in which they were added, whatever their slots', () => {
  const table = new SlotTable<number>('t')
  const ids = [1, 2, 3, 4].map(value => table.add(value))
  for (const id of ids.slice(0, 3)) table.delete(id)
  for (const value of [5, 6, 7]) table.add(value)
  assert.deepEqual(table.filter(() => true), [4, 5, 6, 7])
  assert.deepEqual(table.filter(value => value % 2 === 1), [5, 7])
})

test('what is no id of the table finds nothing', () => {
  const table = new SlotTable<string>('t')
  const id = table.add('value')
  for (const other of ['', '-', '0', 'u-1-0', 't-1-1', 't-2-0', 't-1-0.0', `${id} `, table.nextId()]) {
    assert.equal(table.get(other), undefined, other)
    assert.equal(table.delete(other), false, other)
  }
  assert.equal(table.get(id), 'value')
})
