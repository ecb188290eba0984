import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse, type RejectReason, type Rules } from '../../../lib/messages/parse.ts'
import { fieldsOf, schemas } from '../../../lib/messages/schema.ts'

const received = 1_700_000_000_000
const agent = { uuid: 'a1', username: 'u', name: 'n', hostname: 'h', pid: 1 }
const metrics = [{ type: 'cpu', value: 1 }]

function parsed (topic: string, payload: unknown) {
  const result = parse(topic, payload, received)
  assert.ok(result.ok, JSON.stringify(result))
  return result.message
}

function rejected (payload: unknown, topic = 'agent/message') {
  const result = parse(topic, payload, received)
  assert.ok(!result.ok, 'it was not rejected')
  return result
}

test('each kind is parsed from bytes, text and objects', () => {
  for (const [topic, payload] of [['agent/connected', { agent }], ['agent/disconnected', { agent: { uuid: 'a1' } }], ['agent/message', { agent, metrics, timestamp: 5 }]] as const) {
    for (const form of [payload, JSON.stringify(payload), Buffer.from(JSON.stringify(payload))]) {
      assert.deepEqual(parsed(topic, form).payload, payload)
    }
  }
})

test('unknown fields pass through', () => {
  const payload = { agent: { ...agent, colour: 'red' }, metrics: [{ type: 'a', value: 1, unit: '%' }], timestamp: 1, more: { deep: [1] } }
  assert.deepEqual(parsed('agent/message', JSON.stringify(payload)).payload, payload)
})

test('of who disconnects only the uuid is looked at: anything else may be anything', () => {
  for (const other of [null, true, 5, [], {}, { length: 1 }, 'half a pair: \ud800']) {
    const payload = { agent: { uuid: 'a1', username: other, name: other, hostname: other, pid: other }, metrics: other }
    assert.deepEqual(parsed('agent/disconnected', JSON.stringify({ ...payload, timestamp: other, seq: other })).payload, payload)
  }
})

test('of who comes and goes a time that is none, or of a clock that was never set, counts as absent', () => {
  for (const topic of ['agent/connected', 'agent/disconnected']) {
    for (const timestamp of ['tomorrow', '', -1, 5, '1999-12-31', 1e300, {}]) {
      assert.deepEqual(parsed(topic, { agent, timestamp, seq: 3 }).payload, { agent }, String(timestamp))
    }
    for (const seq of ['3', -1, 1.5, null]) {
      assert.deepEqual(parsed(topic, { agent, timestamp: received, seq }).payload, { agent, timestamp: received }, String(seq))
    }
    for (const timestamp of [received, received / 1_000, new Date(received).toISOString()]) {
      assert.deepEqual(parsed(topic, { agent, timestamp, seq: 0 }).payload, { agent, timestamp: received, seq: 0 })
    }
  }
})

test('of who comes and goes a time in the future is treated as that of a message, and one long ago is none of our business', () => {
  const day = 86_400_000
  const rules: Rules = { past: day, future: day, outside: 'reject', numericText: false }
  for (const topic of ['agent/connected', 'agent/disconnected']) {
    const good = (timestamp: number, outside: Rules['outside'] = 'reject') => parse(topic, { agent, timestamp }, received, undefined, { ...rules, outside })
    const old = good(received - 900 * day)
    assert.deepEqual(old.ok && [old.message.payload, old.notice], [{ agent, timestamp: received - 900 * day }, undefined])
    const rejected = good(received + 2 * day)
    assert.equal(!rejected.ok && rejected.reason, 'TIMESTAMP_OUT_OF_RANGE')
    const replaced = good(received + 2 * day, 'receipt')
    assert.deepEqual(replaced.ok && [replaced.message.payload, replaced.notice?.kind], [{ agent }, 'receipt'])
  }
})

test('a message without a timestamp gets the time of receipt, and the sender\'s object stays as it was', () => {
  const payload = { agent, metrics }
  assert.equal((parsed('agent/message', payload).payload as { timestamp: number }).timestamp, received)
  assert.deepEqual(payload, { agent, metrics })
})

const reasons: Array<[string, RejectReason, RegExp, unknown, string?]> = [
  ['another topic', 'TOPIC_UNKNOWN', /"agent\/other" is none of/, {}, 'agent/other'],
  ['bytes that are not UTF-8', 'PAYLOAD_NOT_UTF8', /not UTF-8/, Buffer.from([0x22, 0xff, 0x22])],
  ['text that is not JSON', 'PAYLOAD_NOT_JSON', /not JSON/, '{'],
  ['an empty payload', 'PAYLOAD_NOT_JSON', /not JSON/, Buffer.alloc(0)],
  ['a payload of 501 levels', 'PAYLOAD_TOO_DEEP', /deeper than 500/, `{"agent":{"uuid":"a"},"metrics":[{"type":"a","value":1}],"x":${'['.repeat(500)}${']'.repeat(500)}}`],
  ['an array', 'FIELD_INVALID', /object/, '[]'],
  ['no agent', 'FIELD_INVALID', /agent/, { metrics }],
  ['an empty uuid', 'FIELD_INVALID', /agent\.uuid/, { agent: { uuid: '' }, metrics }],
  ['a uuid of 129 characters', 'FIELD_INVALID', /agent\.uuid/, { agent: { uuid: 'x'.repeat(129) }, metrics }],
  ['a uuid with a control character', 'FIELD_INVALID', /agent\.uuid must be 1 to 128 printable/, { agent: { uuid: 'a\nb' }, metrics }],
  ['a name of 256 characters', 'FIELD_INVALID', /agent\.name/, { agent: { uuid: 'a', name: 'x'.repeat(256) }, metrics }],
  ['a negative pid', 'FIELD_INVALID', /agent\.pid/, { agent: { uuid: 'a', pid: -1 }, metrics }],
  ['no metrics', 'FIELD_INVALID', /metrics/, { agent, metrics: [] }],
  ['1,001 metrics', 'FIELD_INVALID', /metrics/, { agent, metrics: Array.from({ length: 1001 }, (_, i) => ({ type: `t${i}`, value: 1 })) }],
  ['a value of null', 'FIELD_INVALID', /metrics\[0\]\.value must be a finite number/, { agent, metrics: [{ type: 'a', value: null }] }],
  ['a number that JSON makes infinite', 'FIELD_INVALID', /metrics\[0\]\.value/, '{"agent":{"uuid":"a"},"metrics":[{"type":"a","value":1e999}]}'],
  ['NaN from a flow', 'FIELD_INVALID', /metrics\[0\]\.value/, { agent, metrics: [{ type: 'a', value: Number.NaN }] }],
  ['a string of more than 1 KiB', 'FIELD_INVALID', /metrics\[0\]\.value must be at most 1024 bytes/, { agent, metrics: [{ type: 'b', value: 'é'.repeat(513) }] }],
  ['half a surrogate pair in a type', 'FIELD_INVALID', /metrics\[0\] must be Unicode/, '{"agent":{"uuid":"a"},"metrics":[{"type":"\\ud800","value":1}]}'],
  ['a NUL in a value', 'FIELD_INVALID', /metrics\[0\] must be Unicode text/, '{"agent":{"uuid":"a"},"metrics":[{"type":"a","value":"x\\u0000"}]}'],
  ['half a surrogate pair in a value', 'FIELD_INVALID', /metrics\[0\] must be Unicode/, '{"agent":{"uuid":"a"},"metrics":[{"type":"a","value":"x\\udc00"}]}'],
  ['half a surrogate pair in a name', 'FIELD_INVALID', /agent\.name must be Unicode/, '{"agent":{"uuid":"a","name":"\\ud800"},"metrics":[{"type":"a","value":1}]}'],
  ['half a surrogate pair in a uuid', 'FIELD_INVALID', /agent\.uuid/, '{"agent":{"uuid":"\\ud800"},"metrics":[{"type":"a","value":1}]}'],
  ['an empty type', 'FIELD_INVALID', /metrics\[0\]\.type/, { agent, metrics: [{ type: '', value: 1 }] }],
  ['a date in words', 'TIMESTAMP_INVALID', /"yesterday"/, { agent, metrics, timestamp: 'yesterday' }],
  ['a negative timestamp', 'FIELD_INVALID', /timestamp/, { agent, metrics, timestamp: -1 }],
  ['a fractional seq', 'FIELD_INVALID', /seq/, { agent, metrics, seq: 1.5 }]
]
for (const [name, reason, detail, payload, topic] of reasons) {
  test(`${name} is rejected as ${reason}`, () => {
    const result = rejected(payload, topic)
    assert.equal(result.reason, reason)
    assert.match(result.detail, detail)
    assert.match(result.detail, /\.$/)
  })
}

test('brackets within texts are no levels', () => {
  parsed('agent/message', JSON.stringify({ agent, metrics: [{ type: 'a', value: '\\"[{'.repeat(200) }], x: '['.repeat(1000) }))
})

test('the limits themselves are allowed', () => {
  parsed('agent/message', `{"agent":{"uuid":"a"},"metrics":[{"type":"a","value":1}],"x":${'['.repeat(499)}${']'.repeat(499)},"y":"${'['.repeat(600)}"}`)
  parsed('agent/message', {
    agent: { uuid: 'x'.repeat(128), username: '', name: 'é'.repeat(255), pid: 0 },
    metrics: Array.from({ length: 1000 }, (_, i) => ({ type: `t${i}`, value: i === 0 ? 'x'.repeat(1024) : false })),
    timestamp: 0,
    seq: Number.MAX_SAFE_INTEGER
  })
})

test('every field of the schemas is described', () => {
  for (const schema of Object.values(schemas)) {
    for (const row of fieldsOf(schema)) assert.notEqual(row.description, '', row.field)
  }
  assert.ok(fieldsOf(schemas.message).some(row => row.field === 'metrics[].value' && row.required))
})
