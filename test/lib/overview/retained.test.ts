import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivered } from '../../../lib/broker/publication.ts'
import { retainedOf } from '../../../lib/overview/retained.ts'
import { findBroker } from '../../../lib/registry/registry.ts'
import { openBroker } from '../../helpers/broker.ts'

test('the retained messages of a broker are found by their topics, with the beginnings of their payloads', async t => {
  const { place: broker } = await openBroker(t)
  const payloads = { 'plant/press': '21.5', 'plant/oven': 'é'.repeat(150), 'Plant/Photo': Buffer.from([0xff, 0xd8, 0]), 'gate': 'open' }
  for (const [topic, payload] of Object.entries(payloads)) await broker.publish({ topic, payload, qos: 1, retain: true })

  const found = await retainedOf(broker, { search: 'plant', most: 10 })
  assert.deepEqual(found, {
    more: false,
    rows: [
      { topic: 'Plant/Photo', payload: null, bytes: 3, qos: 1 },
      { topic: 'plant/oven', payload: `${'é'.repeat(100)}…`, bytes: 300, qos: 1 },
      { topic: 'plant/press', payload: '21.5', bytes: 4, qos: 1 }
    ]
  })
  const { rows, more } = await retainedOf(broker, { search: '', most: 2 })
  assert.deepEqual([rows.length, more], [2, true])
})

test('a broker that is not open is not waited for', async () => {
  await assert.rejects(retainedOf(findBroker('not there'), { search: '', most: 10 }), { name: 'AbortError' })
})

test('what is retained grows the count of changes, and nothing else does', async t => {
  const { place: broker } = await openBroker(t, { sys: 1 })
  const counts: number[] = []
  const say = async (topic: string, payload: string, retain: boolean): Promise<void> => {
    await broker.publish({ topic, payload, qos: 1, retain })
    counts.push(broker.retainedChanges)
  }
  await say('gate', 'open', true)
  await say('gate', 'closed', true)
  await say('gate', 'open', false)
  await say('$SYS/other', 'x', true)
  await say('gate', '', true)
  await say('gate', '', true)
  assert.deepEqual(counts, [1, 2, 2, 2, 3, 3])
})

test('of very many retained messages not all are looked at', async () => {
  let looked = 0
  async function * retained (): AsyncGenerator<Delivered> {
    for (;;) yield { topic: `t/${++looked}`, payload: Buffer.from('x'), qos: 0, retain: true, clientId: undefined, origin: undefined }
  }
  const { rows, more } = await retainedOf({ retained }, { search: 'nothing', most: 10 })
  assert.deepEqual([rows, more, looked < 30_000], [[], true, true])
})

test('of retained messages with long topics so many are told as fit into an answer', async () => {
  async function * retained (): AsyncGenerator<Delivered> {
    for (let i = 0; i < 500; i++) yield { topic: `${i}/${'x'.repeat(60_000)}`, payload: Buffer.from('x'), qos: 0, retain: true, clientId: undefined, origin: undefined }
  }
  const answer = await retainedOf({ retained }, { search: '', most: 500 })
  assert.equal(answer.more, true)
  assert.ok(answer.rows.length > 0 && JSON.stringify(answer).length < 1_000_000, `${answer.rows.length} rows`)
})
