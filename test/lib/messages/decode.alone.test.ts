import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode } from '../../../lib/messages/decode.ts'

const json = '{"a":[1,"é"]}'
const value = JSON.parse(json) as unknown

const taken: Array<[string, Uint8Array | string]> = [
  ['a BOM before it', Buffer.from(`\uFEFF${json}`)],
  ['a NUL behind it', Buffer.from(`${json}\0`)],
  ['NULs and blanks behind it', Buffer.from(`${json}\r\n\0\0 \0`)],
  ['both', Buffer.from(`\uFEFF${json}\0`)],
  ['what was in the buffer of a program in C', Buffer.concat([Buffer.from(`${json}\0`), Buffer.from([0xff, 0xfe, 0x41])])],
  ['a BOM in a text', `\uFEFF${json}`],
  ['a NUL in a text', `${json}\0\0`],
  ['blanks around', `\n\t ${json} \r\n`]
]
for (const [name, payload] of taken) {
  test(`JSON with ${name} is taken`, () => { assert.deepEqual(decode(payload), { ok: true, value }) })
}

for (const [given, expected] of [
  ['{"a":1,}', { a: 1 }],
  ['[1,2, \n]', [1, 2]],
  ['{"a":[{"b":nan,},],"c":"x,}",}', { a: [{ b: null }], c: 'x,}' }],
  ['{"a":[1,NaN]}', { a: [1, null] }],
  ['{"text":"a, ] \\", }","b":[,]}', { text: 'a, ] ", }', b: [] }],
  ['{,"a":1}', undefined],
  ['{"a":1,,}', undefined],
  ['{"a":,}', undefined]
] as const) {
  test(`of ${given} a comma behind the last value is taken away, and no other`, () => {
    const decoded = decode(given)
    if (expected === undefined) assert.equal(decoded.ok, false)
    else assert.deepEqual(decoded, { ok: true, value: expected })
  })
}

for (const [name, payload, reason] of [
  ['only a BOM', '\uFEFF', 'PAYLOAD_NOT_JSON'],
  ['two BOMs', `\uFEFF\uFEFF${json}`, 'PAYLOAD_NOT_JSON'],
  ['a NUL before it', `\0${json}`, 'PAYLOAD_NOT_JSON'],
  ['a NUL within', '{"a":\0[1]}', 'PAYLOAD_NOT_JSON'],
  ['a BOM within', '{"a":\uFEFF1}', 'PAYLOAD_NOT_JSON'],
  ['UTF-16', Buffer.from(json, 'utf16le'), 'PAYLOAD_NOT_JSON'],
  ['Latin-1', Buffer.from(json, 'latin1'), 'PAYLOAD_NOT_UTF8'],
  ['Latin-1 before a NUL', Buffer.from(`${json}\0`, 'latin1'), 'PAYLOAD_NOT_UTF8']
] as const) {
  test(`${name} is rejected as ${reason}`, () => {
    const decoded = decode(payload)
    assert.equal(decoded.ok ? '' : decoded.reason, reason)
  })
}

for (const [name, text] of [
  ['of nan', `{"a":"${'nan'.repeat(300_000)}","b":[${'nan,'.repeat(250_000)}`],
  ['of blanks behind commas', `[1,${' '.repeat(1_000_000)}2,${' '.repeat(1_000_000)}`],
  ['of commas', `[1${', '.repeat(300_000)}]`]
] as const) {
  test(`2 MB ${name} that are no JSON cost no more than a few readings of them`, () => {
    const started = performance.now()
    assert.equal(decode(text).ok, false)
    assert.ok(performance.now() - started < 2_000)
  })
}

test('a payload of 2 MB that would unfold to hundreds is refused before it is read', () => {
  const json = Buffer.from(`{"x":[${'{},'.repeat(665_999)}{}]}`)
  const started = performance.now()
  const decoded = decode(json)
  assert.ok(performance.now() - started < 500)
  assert.deepEqual(decoded, { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: 'The payload would take 68 MB of memory, and at most 8 MB are allowed: send fewer or shorter fields.' })
  assert.deepEqual(decode(json.toString()), decoded)
})

test('a text of 2 MB is no more than it is', () => {
  assert.equal(decode(JSON.stringify({ x: '{,'.repeat(1_000_000) })).ok, true)
})
