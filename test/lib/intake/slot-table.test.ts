import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SlotTable, type Slotted } from '../../../lib/intake/slot-table.ts'

interface Named extends Slotted { name: string }

function named (...names: string[]): Named[] {
  return names.map(name => ({ id: '', name }))
}

function namesOf (values: Named[]): string {
  return values.map(({ name }) => name).join('')
}

test('a value is found by its id until it is deleted, and its slot is used again under another id', () => {
  const table = new SlotTable<Named>('t')
  const [a, b, c] = named('a', 'b', 'c') as [Named, Named, Named]
  const first = table.add(a)
  const second = table.add(b)
  assert.equal(table.get(first), a)
  assert.equal(table.delete(a), true)
  assert.equal(table.delete(a), false)
  assert.equal(table.get(first), undefined)
  const third = table.add(c)
  assert.equal(third.split('-').at(-1), first.split('-').at(-1))
  assert.notEqual(third, first)
  assert.equal(table.get(first), undefined)
  assert.equal(table.delete(a), false)
  assert.deepEqual([table.get(second), table.get(third)], [b, c])
})

test('values are listed in the order in which they were added, whatever their slots', () => {
  const table = new SlotTable<Named>('t')
  const early = named('a', 'b', 'c', 'd')
  for (const value of early) table.add(value)
  for (const value of early.slice(0, 3)) table.delete(value)
  for (const value of named('e', 'f', 'g')) table.add(value)
  assert.equal(namesOf(table.filter(() => true)), 'defg')
  assert.equal(namesOf(table.filter(({ name }) => 'fd'.includes(name))), 'df')
})

test('what is no id of the table finds nothing', () => {
  const table = new SlotTable<Named>('t')
  const [value] = named('a') as [Named]
  const id = table.add(value)
  for (const other of ['', '-', '0', 'u-1-0', 't-1-1', 't-2-0', 't-1-0.0', `${id} `, table.nextId()]) assert.equal(table.get(other), undefined, other)
  assert.equal(table.get(id), value)
})
