import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivered } from '../../../../lib/broker/publication.ts'
import type { MessageProperties } from '../../../../lib/mqtt/message-properties.ts'
import { propertiesOf, withProperties } from '../../../../lib/broker/carried-properties.ts'
import { openBroker } from '../../../helpers/broker.ts'

const properties: MessageProperties = {
  contentType: 'text/plain',
  responseTopic: 'answers',
  correlationData: Buffer.from([0, 255]),
  userProperties: [['b', '1'], ['a', '2'], ['b', '']],
  isText: true
}

test('what this process publishes with properties has them where this process hears it', async t => {
  const { place } = await openBroker(t)
  const heard: Delivered[] = []
  place.subscribe('#', message => { heard.push(message) })
  const payload = Buffer.from('1')
  await place.publish({ topic: 'kept', payload, qos: 1, retain: true, properties: { ...properties, messageExpiry: 100 } })
  await place.publish({ topic: 'plain', payload, qos: 1, retain: false })
  await place.publish({ topic: 'flagged', payload, qos: 1, retain: true })
  assert.deepEqual(heard.map(({ topic, properties }) => [topic, properties]), [['kept', { ...properties, messageExpiry: 100 }], ['plain', undefined], ['flagged', undefined]])
})

test('a Buffer that is published again and again, each time with other properties, is not copied', () => {
  const payload = Buffer.from('x'.repeat(1_000_000))
  const [one, other] = ['one', 'other'].map(contentType => withProperties({ topic: 'a', payload, qos: 0, retain: false, properties: { contentType } }))
  assert.deepEqual([one?.buffer === payload.buffer, other?.buffer === payload.buffer], [true, true])
  assert.deepEqual([propertiesOf(one!), propertiesOf(other!), propertiesOf(payload)], [{ contentType: 'one' }, { contentType: 'other' }, undefined])
})
