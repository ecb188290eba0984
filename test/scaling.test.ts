import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { assumed, crowds, describeNeeds, measured, needsOf } from '../bench/remote/scale.ts'

test('docs/scaling.md has the table that is computed from what was measured and assumed', async () => {
  const page = await readFile(new URL('../docs/scaling.md', import.meta.url), 'utf8')
  assert.ok(page.includes(describeNeeds(crowds.map(agents => needsOf(agents, measured, assumed)))))
})

test('every cost grows with the messages, and no part is less than one', () => {
  const [small, large] = [needsOf(1, measured, assumed), needsOf(1_000_000, measured, assumed)]
  assert.deepEqual([small.brokers, small.workers, small.databases, small.cores, small.gigabytes], [1, 1, 1, 1, 1])
  const twice = needsOf(2_000_000, measured, assumed)
  assert.equal(twice.messagesPerSecond, 2 * large.messagesPerSecond)
  for (const part of ['brokers', 'workers', 'databases', 'cores', 'gigabytes'] as const) assert.ok(Math.abs(twice[part] - 2 * large[part]) <= 1, part)
})
