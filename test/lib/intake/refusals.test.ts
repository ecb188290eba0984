import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import type { Connection, Refusal } from '../../../lib/broker/publication.ts'
import type { IntakeHandler } from '../../../lib/intake/intake-handler.ts'
import { Intake } from '../../../lib/intake/intake.ts'
import type { IntakeOptions } from '../../../lib/intake/intake-options.ts'
import { claimDelivery, type Delivery } from '../../../lib/intake/pending-deliveries.ts'
import { refusalOf } from '../../../lib/intake/refusal.ts'
import type { MessageProperties } from '../../../lib/mqtt/message-properties.ts'
import { reasonCodes } from '../../../lib/mqtt/reason-codes.ts'
import { SlotIntakes } from '../../../lib/registry/slot-intakes.ts'
import { openBroker, openIntake } from '../../helpers/broker.ts'
import { until } from '../../helpers/events.ts'
import { reading } from '../../helpers/messages.ts'

const connection: Connection = { number: 1, clientId: 'c1', username: undefined, verified: false, address: undefined, gone: false }
const owners = { mostPerUser: 0, claim: () => 'theirs' as const, mayEnd: () => undefined, forget: async () => undefined, forgetUser: async () => 0 }
const options: IntakeOptions = { acknowledge: 'arrival', timeLimit: 10_000, clientWindow: 20, totalWindow: 100 }

function intakeOf (t: TestContext, given: Partial<IntakeOptions> = {}, ownership: 'theirs' | 'another' | 'tooMany' = 'theirs') {
  const deliveries: Delivery[] = []
  const handler: IntakeHandler = {
    message: (_message, delivery) => { deliveries.push(delivery) },
    rejected: (_rejected, delivery) => { deliveries.push(delivery) },
    unsettled: () => undefined
  }
  const intake = new Intake({ ...options, ...given }, () => ({ ...owners, claim: () => ownership }), async () => undefined)
  intake.attach(handler, { ...options, ...given })
  t.after(() => { intake.close() })
  return { intake, deliveries }
}

/** How a taker settles a message. */
function settled (taker: Pick<Intake, 'take'>, payload: string, properties?: MessageProperties): Array<{ error: Error | undefined, refusal: Refusal | undefined }> {
  const all: ReturnType<typeof settled> = []
  taker.take({ topic: 'agent/message', payload: Buffer.from(payload), qos: 1, retain: false, will: false, connection, ...properties && { properties } }, (error, refusal) => { all.push({ error, refusal }) })
  return all
}

for (const { what, payload, ownership, refusal } of [
  { what: 'no JSON', payload: '{oops', refusal: { code: reasonCodes.payloadFormatInvalid, text: /^PAYLOAD_NOT_JSON: / } },
  { what: 'a bad metric alone', payload: '{"agent":{"uuid":"a1"},"metrics":[{"type":"a","value":{}}]}', refusal: { code: reasonCodes.payloadFormatInvalid, text: /^FIELD_INVALID: metrics\[0\]\.value must be / } },
  { what: 'no agent', payload: '{"metrics":[{"type":"a","value":1}]}', refusal: { code: reasonCodes.payloadFormatInvalid, text: /^FIELD_INVALID: / } },
  { what: 'a payload that unfolds to too much', payload: `{"agent":{"uuid":"a1"},"metrics":[${'{},'.repeat(200_000)}{}]}`, refusal: { code: reasonCodes.quotaExceeded, text: /^PAYLOAD_TOO_LARGE: / } },
  { what: "another user's agent", payload: reading(), ownership: 'another' as const, refusal: { code: reasonCodes.notAuthorized, text: /^AGENT_NOT_THEIRS: / } },
  { what: 'one agent too many', payload: reading(), ownership: 'tooMany' as const, refusal: { code: reasonCodes.quotaExceeded, text: /^AGENTS_TOO_MANY: / } }
]) {
  test(`the publisher of ${what} is acknowledged, and told why the message is refused`, t => {
    const { intake } = intakeOf(t, {}, ownership)
    const [told, ...others] = settled(intake, payload)
    assert.deepEqual([others, told?.error, told?.refusal?.code], [[], undefined, refusal.code])
    assert.match(told?.refusal?.text ?? '', refusal.text)
  })
}

test('a message is not refused, with or without bad metrics', t => {
  const { intake } = intakeOf(t)
  assert.deepEqual(settled(intake, reading()), [{ error: undefined, refusal: undefined }])
  assert.deepEqual(settled(intake, '{"agent":{"uuid":"a1"},"metrics":[{"type":"a","value":1},{"type":"b"}]}'), [{ error: undefined, refusal: undefined }])
})

test('what a publisher is told has at most 500 bytes of whole characters', () => {
  const { text } = refusalOf({ reason: 'FIELD_INVALID', detail: `x${'€'.repeat(300)}` })
  assert.equal(text, `FIELD_INVALID: x${'€'.repeat(161)}`)
  assert.equal(Buffer.byteLength(text), 499)
  assert.equal(refusalOf({ reason: 'FIELD_INVALID', detail: '😀'.repeat(300) }).text.isWellFormed(), true)
})

test('a message that one agent-in takes and another rejects is not refused; one that all reject is', t => {
  const slot = new SlotIntakes()
  const rules = { past: 1_000, future: 1_000, outside: 'reject' as const, numericText: false }
  slot.set('strict', intakeOf(t, { rules }).intake)
  slot.set('mild', intakeOf(t).intake)
  const old = JSON.stringify({ agent: { uuid: 'a1' }, metrics: [{ type: 'a', value: 1 }], timestamp: 1_000_000_000_000 })
  assert.deepEqual(settled(slot, old), [{ error: undefined, refusal: undefined }])
  const [both] = settled(slot, '{oops')
  assert.equal(both?.refusal?.code, reasonCodes.payloadFormatInvalid)
  slot.delete('mild')
  assert.match(settled(slot, old)[0]?.refusal?.text ?? '', /^TIMESTAMP_OUT_OF_RANGE: /)
})

test('of several agent-ins, the one that lets a client have the fewest unstored counts', t => {
  const slot = new SlotIntakes()
  assert.equal(slot.mostUnsettled, undefined)
  const { intake } = intakeOf(t, { clientWindow: 50 })
  slot.set(randomUUID(), intake)
  assert.equal(slot.mostUnsettled, 50)
  slot.set(randomUUID(), intakeOf(t, { clientWindow: 20 }).intake)
  assert.equal(slot.mostUnsettled, 20)
  intake.attach({ message: () => undefined, rejected: () => undefined, unsettled: () => undefined }, { ...options, clientWindow: 5 })
  assert.equal(slot.mostUnsettled, 5)
})

test('a delivery says what its publisher said of the message, and so does what is rejected', t => {
  const { intake, deliveries } = intakeOf(t)
  const properties = { contentType: 'application/json', correlationData: Buffer.of(1), userProperties: [['a', '1'], ['a', '2']] as Array<[string, string]> }
  settled(intake, reading(), properties)
  settled(intake, '{oops', properties)
  settled(intake, reading())
  assert.deepEqual(deliveries.map(({ properties }) => properties), [properties, properties, undefined])
  assert.equal('properties' in (deliveries[2] ?? {}), false)
})

test('properties count as memory that unstored messages take', t => {
  const { intake, deliveries } = intakeOf(t, { acknowledge: 'stored', clientBytes: 100_000 })
  const properties = { userProperties: [['name', 'x'.repeat(40_000)]] as Array<[string, string]> }
  settled(intake, reading(), properties)
  settled(intake, reading(), properties)
  assert.deepEqual([intake.statistics().unsettled, intake.statistics().waiting], [1, 1])
  claimDelivery(deliveries[0]?.id)?.settle()
  assert.deepEqual([intake.statistics().unsettled, intake.statistics().waiting], [1, 0])
})

test('what comes over a bridge keeps its properties', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  await broker.place.bring({ topic: 'agent/message', payload: Buffer.from(reading()), qos: 1, retain: false, will: false, connection: { ...connection, number: -1 }, properties: { responseTopic: 'answers' } })
  await until(() => heard.length, n => n === 1)
  assert.deepEqual(heard[0]?.incoming?.delivery.properties, { responseTopic: 'answers' })
})
