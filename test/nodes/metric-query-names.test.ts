import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesIn, textOf } from '../../nodes/metric-query/names.ts'
import { lastOf } from '../../nodes/shared/editor/last-of.ts'

test('names in a field have commas between them, and quotes around those that a comma or a blank would change', () => {
  const cases: Array<[string, string | string[]]> = [
    ['', ''], ['kitchen', 'kitchen'], ['kitchen, attic', ['kitchen', 'attic']], ['"a, b"', 'a, b'], ['"a, b", c', ['a, b', 'c']], ['" a "', ' a '],
    ['5" pipe', '5" pipe'], ['"""quoted"""', '"quoted"'], ['${AGENT}', '${AGENT}'], ['a b, c d', ['a b', 'c d']]
  ]
  for (const [text, names] of cases) {
    assert.deepEqual(namesIn(text), names, text)
    assert.equal(textOf(names), text)
  }
  assert.deepEqual(namesIn(' kitchen ,, attic , '), ['kitchen', 'attic'])
})

test('what is typed last is completed, and the names before it stay', () => {
  assert.deepEqual(lastOf('kit'), { before: '', text: 'kit' })
  assert.deepEqual(lastOf('kitchen, at'), { before: 'kitchen, ', text: 'at' })
  assert.deepEqual(lastOf('kitchen,'), { before: 'kitchen, ', text: '' })
})
