import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sayIn } from '../../nodes/shared/language.ts'
import { warningsOf } from '../../nodes/shared/warnings.ts'
import { until } from '../helpers/events.ts'

test('of many warnings of a kind the first comes at once, and one for the others after a while', async t => {
  const said: string[] = []
  const warnings = warningsOf({ warn: (text: string) => { said.push(text) } }, sayIn('en'), 50)
  t.after(() => { warnings.close() })
  for (const text of ['a', 'b', 'c']) warnings.warn('one', text)
  warnings.warn('another', 'x')
  assert.deepEqual(said, ['a', 'x'])
  await until(() => said.length, n => n === 3)
  assert.equal(said[2], 'c And 1 more like it in the last 0.05 s.')
})
