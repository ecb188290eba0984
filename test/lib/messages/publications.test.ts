import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodePayload, publicationsOf } from '../../../lib/messages/publications.ts'
import { fingerprint } from '../../../lib/messages/fingerprint.ts'
import { mayGive } from '../../../lib/messages/template-fields.ts'

const agent = { uuid: 'a1', name: 'n' }
const payload = { agent, metrics: [{ type: 'cpu', value: 1 }, { type: 'ram', value: 2 }], timestamp: 5 }

function topicsOf (template: string, topic = 'agent/message', body: unknown = payload) {
  const result = publicationsOf(topic, body, template)
  return result.ok ? result.publications.map(({ topic }) => topic) : result.error.message
}

test('without a template the message goes to its own topic, whatever it is', () => {
  assert.deepEqual(publicationsOf('any/topic', { a: 1 }, ''), { ok: true, publications: [{ topic: 'any/topic', payload: { a: 1 } }] })
})

test('a template with {type} sends each metric alone', () => {
  const result = publicationsOf('agent/message', payload, 'agent/{uuid}/{type}')
  assert.ok(result.ok)
  assert.deepEqual(result.publications.map(({ topic, payload }) => [topic, (payload as { metrics: unknown }).metrics]), [
    ['agent/a1/cpu', [{ type: 'cpu', value: 1 }]],
    ['agent/a1/ram', [{ type: 'ram', value: 2 }]]
  ])
})

test('for the other kinds {type} is the kind', () => {
  assert.deepEqual(topicsOf('agent/{uuid}/{type}', 'agent/connected', { agent }), ['agent/a1/connected'])
  assert.deepEqual(topicsOf('x/{kind}/{name}'), ['x/message/n'])
})

test('a template that needs a field takes it as missing where it is neither text nor a number', () => {
  for (const name of [null, true, {}, [], { toString: 1, valueOf: 1 }]) {
    assert.match(String(topicsOf('x/{name}', 'agent/disconnected', { agent: { uuid: 'a1', name } })), /The template x\/\{name\} needs \{name\}, which the message does not have\./)
  }
})

test('what a metric is may have several levels, and a template may begin with $', () => {
  assert.deepEqual(topicsOf('$site/{uuid}/{type}', 'agent/message', { ...payload, metrics: [{ type: 'disk/used', value: 1 }] }), ['$site/a1/disk/used'])
})

test('a fixed topic needs no message of the contract', () => {
  assert.deepEqual(topicsOf('fixed', 'whatever', 'text'), ['fixed'])
})

for (const [name, template, topic, body, expected] of [
  ['a field that the message lacks', '{hostname}/x', 'agent/message', payload, /PUBLISH_TOPIC_INVALID: The template \{hostname\}\/x needs \{hostname\}/],
  ['a field that nobody knows', '{nothing}', 'agent/message', payload, /needs \{nothing\}/],
  ['a payload outside the contract', '{uuid}', 'agent/message', {}, /needs a message of the contract/],
  ['a slash in the uuid', 'a/{uuid}/{type}', 'agent/message', { ...payload, agent: { uuid: 'b1/cpu' } }, /makes one level of \{uuid\}, and "b1\/cpu" has a slash/],
  ['a slash in the name', '{name}', 'agent/connected', { agent: { uuid: 'a1', name: 'a/b' } }, /makes one level of \{name\}/],
  ['a $ that the uuid brings', '{uuid}/x', 'agent/connected', { agent: { uuid: '$SYS' } }, /gives "\$SYS\/x", which begins with \$/],
  ['a $ that a metric brings', '{type}/{uuid}', 'agent/message', { ...payload, metrics: [{ type: '$SYS/broker', value: 1 }] }, /begins with \$/],
  ['a wildcard in the uuid', 'a/{uuid}', 'agent/connected', { agent: { uuid: 'a+b' } }, /has a wildcard/],
  ['a wildcard', '', 'a/#', payload, /has a wildcard/],
  ['no topic', '', '', payload, /no topic/],
  ['a NUL', '', 'a\0b', payload, /NUL/],
  ['a topic that is too long', '', 'a'.repeat(65_536), payload, /longer than/]
] as const) {
  test(`${name} is refused`, () => { assert.match(String(topicsOf(template, topic, body)), expected) })
}

test('a payload is sent as it is when it is text or bytes, else as JSON', () => {
  assert.deepEqual([encodePayload('x'), encodePayload(Buffer.from('x')), encodePayload(undefined), encodePayload({ a: 1 })], ['x', Buffer.from('x'), '', '{"a":1}'])
  const loop: Record<string, unknown> = {}
  loop.self = loop
  assert.throws(() => encodePayload(loop), /PUBLISH_FAILED/)
})

test('a fingerprint is a whole number below 2^48, and tells payloads apart', () => {
  const one = fingerprint(JSON.stringify(payload))
  assert.ok(Number.isInteger(one) && one >= 0 && one < 2 ** 48)
  assert.equal(fingerprint(Buffer.from(JSON.stringify(payload))), one)
  assert.notEqual(fingerprint(JSON.stringify({ ...payload, timestamp: 6 })), one)
})

test('as values, each metric goes out alone and as text, and the other kinds do not', () => {
  const values = publicationsOf('agent/message', { agent, metrics: [{ type: 't', value: 21.5 }, { type: 'on', value: false }, { type: 'door', value: 'open' }] }, 'agent/{uuid}/{type}', true)
  assert.deepEqual(values, { ok: true, publications: [{ topic: 'agent/a1/t', payload: '21.5' }, { topic: 'agent/a1/on', payload: 'false' }, { topic: 'agent/a1/door', payload: 'open' }] })
  assert.deepEqual(publicationsOf('agent/connected', { agent }, 'agent/{uuid}/{type}', true), { ok: true, publications: [] })
  const refused = publicationsOf('agent/message', payload, 'fixed', true)
  assert.match(refused.ok ? '' : refused.error.message, /PUBLISH_TOPIC_INVALID: The template fixed needs \{type\}/)
})

test('a template may give the topics that its fields have room for', () => {
  for (const template of ['', 'agent/message', 'agent/{kind}', 'agent/{uuid}', '{username}/message', '{uuid}/{kind}', '{type}', 'agent/m{name}', '{name}{kind}']) {
    const [topic] = template === '{name}{kind}' ? ['message'] : ['agent/message']
    assert.equal(mayGive(template, topic as string), true, template)
  }
  for (const template of ['agent', 'agent/messages', 'platform/{kind}', 'agent/{uuid}/{type}', 'agent.message', 'agent/{kind}/', '{uuid}', 'agent/[message]', 'AGENT/message']) {
    assert.equal(mayGive(template, 'agent/message'), false, template)
  }
  assert.equal(mayGive('agent/{uuid}/{type}', 'agent/north/message'), true)
  assert.equal(mayGive('a{', 'a{'), true)
})
