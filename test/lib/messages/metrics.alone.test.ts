import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse, type RejectReason } from '../../../lib/messages/parse.ts'
import type { MessagePayload } from '../../../lib/messages/schema.ts'

const agent = { uuid: 'a1' }
const good = [{ type: 'first', value: 1 }, { type: 'last', value: 'ok' }] as const

/** A message whose second metric is `json`. */
function withBad (json: string): string {
  return `{"agent":{"uuid":"a1"},"metrics":[${JSON.stringify(good[0])},${json},${JSON.stringify(good[1])}],"timestamp":5}`
}

const bad: Array<[string, string, RejectReason, RegExp]> = [
  ['a value of null', '{"type":"a","value":null}', 'FIELD_INVALID', /^metrics\[1\]\.value must be a finite number/],
  ['no value', '{"type":"a"}', 'FIELD_INVALID', /^metrics\[1\].*value/],
  ['an object as its value', '{"type":"a","value":{"x":1}}', 'FIELD_INVALID', /^metrics\[1\]\.value/],
  ['a number beyond a double', '{"type":"a","value":1e999}', 'FIELD_INVALID', /^metrics\[1\]\.value/],
  ['a string of more than 1 KiB', `{"type":"a","value":"${'é'.repeat(513)}"}`, 'FIELD_INVALID', /^metrics\[1\]\.value must be at most 1024 bytes/],
  ['a NUL in its value', '{"type":"a","value":"\\u0000"}', 'FIELD_INVALID', /^metrics\[1\] must be Unicode/],
  ['no type', '{"value":1}', 'FIELD_INVALID', /^metrics\[1\].*type/],
  ['an empty type', '{"type":"","value":1}', 'FIELD_INVALID', /^metrics\[1\]\.type/],
  ['half a surrogate pair in its type', '{"type":"\\ud800","value":1}', 'FIELD_INVALID', /^metrics\[1\] must be Unicode/],
  ['the type of one before', '{"type":"first","value":2}', 'METRIC_TYPE_REPEATED', /^metrics\[1\]: the type "first" is given twice/],
  ['null in its place', 'null', 'FIELD_INVALID', /^metrics\[1\] /],
  ['a number in its place', '7', 'FIELD_INVALID', /^metrics\[1\] /],
  ['an array in its place', '[]', 'FIELD_INVALID', /^metrics\[1\] /],
  ...['nan', 'NaN', '-nan', 'inf', '-inf', 'Infinity', '-Infinity', 'INF', 'nan(ind)', '-nan(0x8000)', '1.#QNAN', '-1.#INF', '1.#INF00'].map((token): [string, string, RejectReason, RegExp] =>
    [`${token} as its value`, `{"type":"a","value":${token}}`, 'FIELD_INVALID', /^metrics\[1\]\.value must be a finite number/])
]
for (const [name, json, reason, detail] of bad) {
  test(`a metric with ${name} is left out, and the others stay`, () => {
    const parsed = parse('agent/message', withBad(json), 0)
    assert.ok(parsed.ok, JSON.stringify(parsed))
    assert.deepEqual((parsed.message.payload as MessagePayload).metrics, good)
    assert.deepEqual(parsed.bad.map(({ index, reason }) => [index, reason]), [[1, reason]])
    assert.match(parsed.bad[0]?.detail ?? '', detail)
    assert.match(parsed.bad[0]?.detail ?? '', /\.$/)
  })
}

test('a message without any good metric is rejected', () => {
  assert.deepEqual(parse('agent/message', '{"agent":{"uuid":"a1"},"metrics":[{"type":"a","value":nan},{"type":"b"}]}', 0).ok, false)
})

test('a message whose frame is wrong is rejected for that, whatever its metrics are', () => {
  for (const change of [{ agent: {} }, { timestamp: -1 }, { seq: 'x' }, { metrics: {} }]) {
    const parsed = parse('agent/message', { agent, metrics: [{ type: 'a', value: null }, good[0]], ...change }, 0)
    assert.ok(!parsed.ok)
    assert.match(parsed.detail, new RegExp(`^${Object.keys(change)[0]}`))
  }
})

test('of many metrics each bad one is named, and what the flow gave stays as it was', () => {
  const metrics = Array.from({ length: 20 }, (_, i) => ({ type: `t${i === 15 ? 3 : i}`, value: i === 7 ? Number.NaN : i }))
  const payload = structuredClone({ agent, metrics })
  const parsed = parse('agent/message', payload, 0)
  assert.ok(parsed.ok)
  assert.deepEqual(parsed.bad.map(({ index, reason }) => [index, reason]), [[7, 'FIELD_INVALID'], [15, 'METRIC_TYPE_REPEATED']])
  assert.equal((parsed.message.payload as MessagePayload).metrics.length, 18)
  assert.deepEqual(payload, { agent, metrics })
})

test('words that look like numbers which are none are left alone within texts', () => {
  const metrics = [{ type: 'nan', value: 'inf, "NaN" \\' }, { type: 'bad', value: 0 }]
  const parsed = parse('agent/message', JSON.stringify({ agent, metrics }).replace('"value":0', '"value":-Infinity'), 0)
  assert.ok(parsed.ok)
  assert.deepEqual((parsed.message.payload as MessagePayload).metrics, metrics.slice(0, 1))
})

for (const json of ['{"agent":{"uuid":"a1"},"metrics":[{"type":"a","value":nano}]}', '{"agent":{"uuid":"a1"},"metrics":[{"type":"a","value":1e+inf}]}', '{"agent":{"uuid":"a1"},"metrics":[{"type":"a","value":nan.5}]}']) {
  test(`${json} is no JSON still`, () => {
    const parsed = parse('agent/message', json, 0)
    assert.deepEqual(parsed.ok ? '' : parsed.reason, 'PAYLOAD_NOT_JSON')
  })
}

test('of very many bad metrics the first twenty are named and the rest counted, which takes no longer than to read the message', () => {
  const list = (length: number, json: string) => `{"agent":{"uuid":"a1"},"metrics":[${JSON.stringify(good[0])},${Array(length).fill(json).join(',')}]}`
  for (const json of ['0', '{}', '{"type":"a","value":[]}', '{"type":"first","value":1}', '{"value":1}', `{"type":"${'x'.repeat(129)}","value":1}`]) {
    const took = shortest(() => {
      const parsed = parse('agent/message', list(999, json), 0)
      assert.ok(parsed.ok)
      assert.deepEqual(parsed.bad.map(({ index }) => index), Array.from({ length: 20 }, (_, i) => i + 1))
      assert.deepEqual([parsed.bad[0]?.more, parsed.bad[19]?.more], [undefined, 979])
      assert.match(parsed.bad[19]?.detail ?? '', / 979 more metrics of the message were left out\.$/)
    })
    assert.ok(took < 10, `999 times ${json}: ${took} ms`)
  }
  const took = shortest(() => {
    const parsed = parse('agent/message', list(100_000, '0'), 0)
    assert.ok(!parsed.ok)
    assert.match(parsed.detail, /^metrics must not have more than 1000 items\.$/)
  })
  assert.ok(took < 100, `100,000 metrics: ${took} ms`)
})

/** ms of the fastest of five runs: this machine may have other things to do. */
function shortest (run: () => void): number {
  return Math.min(...Array.from({ length: 5 }, () => {
    const start = performance.now()
    run()
    return performance.now() - start
  }))
}
