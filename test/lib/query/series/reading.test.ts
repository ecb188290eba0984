import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allRows } from '../../../../lib/query/series/reading.ts'

test('an answer of a million rows fits where the limit allows it', async () => {
  const rows = Array.from({ length: 1_000_000 }, (_, i) => i)
  assert.deepEqual(await allRows({ about: {}, async * pages () { yield rows } }, rows.length), rows)
})

test('many places with few rows are too much for one answer', async () => {
  const reading = (places: number) => ({ about: {}, places, async * pages () { yield [1] } })
  assert.deepEqual(await allRows(reading(1_000), 10), [1])
  await assert.rejects(allRows(reading(1_001), 10), { code: 'QUERY_RANGE_TOO_LARGE', detail: 'The range has 1001 buckets, and 1000 is the limit of an answer that does not come in parts.' })
})
