import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPublishPacket, Packet } from 'mqtt'
import { reasonCodes } from '../../../lib/mqtt/reason-codes.ts'
import { openBroker, openIntake } from '../../helpers/broker.ts'
import { once } from '../../helpers/events.ts'
import { reading } from '../../helpers/messages.ts'

test('a client of MQTT 5 is told why a message is rejected, and what it says of a message is in the delivery', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  const client = await broker.client({ protocolVersion: 5 })
  const answer = once(client, 'packetreceive') as Promise<[Packet]>
  await assert.rejects(client.publishAsync('agent/message', '{oops', { qos: 1 }), { code: reasonCodes.payloadFormatInvalid })
  const [puback] = await answer
  assert.ok(puback.cmd === 'puback')
  assert.match(puback.properties?.reasonString ?? '', /^PAYLOAD_NOT_JSON: /)
  const properties: IPublishPacket['properties'] = { contentType: 'application/json', responseTopic: 'answers', correlationData: Buffer.of(1), userProperties: { a: 'b' } }
  await client.publishAsync('agent/message', reading('a'), { qos: 1, properties })
  assert.deepEqual(heard.at(-1)?.incoming?.delivery.properties, { contentType: 'application/json', responseTopic: 'answers', correlationData: Buffer.of(1), userProperties: [['a', 'b']] })
  assert.deepEqual(broker.place.statistics().clientsByVersion, { '3.1': 0, '3.1.1': 0, '5': 1 })
})
