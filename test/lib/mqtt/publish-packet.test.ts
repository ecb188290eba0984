import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import { publishBeginning } from '../../../lib/mqtt/publish-packet.ts'

const payloads = [0, 1, 100, 127, 128, 16_383, 16_384, 2_097_152].map(bytes => Buffer.alloc(bytes, 'x'))
const topics = ['a', 'á/€', 't/'.repeat(100)]
const noProperties = Buffer.alloc(0)

test('what comes before a payload is what mqtt-packet writes, whatever came before it', () => {
  for (const protocolVersion of [4, 5] as const) {
    for (const topic of topics) {
      for (const payload of payloads) {
        for (const { qos, dup, retain, messageId } of [
          { qos: 0, dup: false, retain: false, messageId: 0 }, { qos: 0, dup: false, retain: true, messageId: 0 },
          { qos: 1, dup: false, retain: false, messageId: 1 }, { qos: 1, dup: true, retain: false, messageId: 65_535 }, { qos: 2, dup: false, retain: true, messageId: 258 }
        ] as const) {
          const bytes = publishBeginning({ dup, qos, retain, topic, messageId }, payload.length, protocolVersion === 5 ? noProperties : undefined)
          const packet: Packet = { cmd: 'publish', dup, qos, retain, topic, payload, ...qos > 0 ? { messageId } : {} }
          assert.deepEqual(Buffer.concat([bytes, payload]), generate(packet, { protocolVersion }))
        }
      }
    }
  }
})

test('properties come with their length in front, and other properties are not taken for them', () => {
  const textOf = (contentType: string): Buffer => Buffer.from([3, 0, contentType.length, ...Buffer.from(contentType)])
  for (const contentType of ['a', 'b', 'x'.repeat(200)]) {
    const bytes = publishBeginning({ dup: false, qos: 1, retain: false, topic: 't', messageId: 7 }, 1, textOf(contentType))
    assert.deepEqual(Buffer.concat([bytes, Buffer.from('p')]), generate({ cmd: 'publish', dup: false, qos: 1, retain: false, topic: 't', messageId: 7, payload: 'p', properties: { contentType } }, { protocolVersion: 5 }))
  }
})
