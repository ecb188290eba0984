import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest, NearTopics } from '../../../lib/messages/near-topics.ts'

for (const [topic, meant] of [
  ['agent/mesage', 'agent/message'],
  ['agents/message', 'agent/message'],
  ['/agent/message', 'agent/message'],
  ['agent/message/', 'agent/message'],
  ['Agent/Message', 'agent/message'],
  ['AGENT/CONNECTED', 'agent/connected'],
  ['agent/messages', 'agent/message'],
  ['agent_message', 'agent/message'],
  ['agent/connect', 'agent/connected'],
  ['agent/disconected', 'agent/disconnected'],
  ['agent/message', undefined],
  ['agent/a1/cpu', undefined],
  ['agent/status', undefined],
  ['sensor/message', undefined]
] as const) {
  test(`${topic} is ${meant === undefined ? 'near none' : `near ${meant}`}`, () => { assert.equal(nearest(topic), meant) })
}

test('each topic is told once, and inventing topics costs little', () => {
  const near = new NearTopics()
  assert.deepEqual([near.look('agent/mesage'), near.look('agent/mesage')], ['agent/message', undefined])
  const started = performance.now()
  for (let i = 0; i < 1_000_000; i++) near.look(`agent/m${i}`)
  assert.ok(performance.now() - started < 3_000)
})
