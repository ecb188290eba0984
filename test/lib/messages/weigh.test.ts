import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { mostUnfolded, shortPayload, weigh, weighMessage } from '../../../lib/messages/weigh.ts'
import { message, reading } from '../../helpers/messages.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const count = 20_000
const shapes: Array<[string, string]> = [
  ['empty objects', Array(count).fill('{}').join()],
  ['empty arrays', Array(count).fill('[]').join()],
  ['numbers', Array(count).fill('1').join()],
  ['fractions among texts', Array.from({ length: count }, (_, i) => i % 2 ? '1.5' : '"a"').join()],
  ['short texts', Array.from({ length: count }, (_, i) => `"${i.toString(36)}"`).join()],
  ['objects with a field', Array(count).fill('{"a":1}').join()],
  ['objects of many shapes', Array.from({ length: count }, (_, i) => `{"k${i % 500}":1.5}`).join()],
  ['one object of many fields', `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join()}}`],
  ['long texts', Array.from({ length: 200 }, (_, i) => `"${String(i).repeat(2_000)}"`).join()],
  ['nested arrays', Array(count).fill('[[]]').join()]
]
for (const [name, content] of shapes) {
  test(`${name} take no more memory than they weigh`, () => {
    const json = Buffer.from(`[${content}]`)
    const kept: unknown[] = []
    collect()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 5; i++) kept.push(JSON.parse(json.toString()))
    collect()
    const each = (process.memoryUsage().heapUsed - before) / 5
    assert.ok(each < weigh(json).bytes * 1.1, `${Math.round(each)} of ${weigh(json).bytes}`)
    assert.equal(kept.length, 5)
  })
}

const shortShapes: Array<[string, string]> = [
  ['empty objects', Array(299).fill('{}').join()],
  ['empty arrays', Array(299).fill('[]').join()],
  ['nested arrays', '['.repeat(450) + ']'.repeat(450)],
  ['objects of one field each', Array.from({ length: 90 }, (_, i) => `{"k${i}":0}`).join()]
]
for (const [name, content] of shortShapes) {
  test(`short payloads of ${name} take no more than twice what they weigh, and no more than 120 MB when as many wait as may`, () => {
    for (const length of [399, shortPayload]) {
      const inside = content.startsWith('[[') ? '['.repeat(length / 2 - 10) + ']'.repeat(length / 2 - 10) : content.slice(0, content.lastIndexOf(',', length - 20))
      const json = Buffer.from(`{"x":[${inside}]}`)
      const kept: unknown[] = []
      collect()
      const before = process.memoryUsage().heapUsed
      for (let i = 0; i < 500; i++) kept.push(JSON.parse(json.toString()))
      collect()
      const each = (process.memoryUsage().heapUsed - before) / 500 + json.length
      const most = Math.min(10_000, 64_000_000 / weigh(json).bytes)
      assert.ok(most * each < 120_000_000, `${Math.round(most)} of ${Math.round(each)}`)
      if (length === shortPayload) assert.ok(each < weigh(json).bytes * 2, `${Math.round(each)} of ${weigh(json).bytes}`)
      assert.equal(kept.length, 500)
    }
  })
}

test('what is usual weighs a few times its length, whether it is short or long', () => {
  const json = reading()
  assert.equal(weigh(Buffer.from(json)).bytes, json.length * 8)
  const long = Buffer.from(reading('a', { metrics: Array.from({ length: 1_000 }, (_, i) => ({ type: `type-${i}`, value: i / 7 })) }))
  assert.ok(long.length > shortPayload && weigh(long).bytes < long.length * 10 && weigh(long).bytes < mostUnfolded / 10)
})

test('a message that is an object weighs about the same, and what goes round in it ends', () => {
  const weight = weighMessage(message('agent/message', reading()))
  assert.ok(weight > 300 && weight < 2_000, String(weight))
  const { payload } = message('agent/message', { ...JSON.parse(reading()), more: Array(100_000).fill({}) as unknown })
  assert.ok(weighMessage({ payload }) >= mostUnfolded)
  const round: Record<string, unknown> = {}
  round.again = [round, round]
  assert.ok(weighMessage(message('agent/message', { ...JSON.parse(reading()), round })) >= mostUnfolded)
})
