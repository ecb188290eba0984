import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generate } from 'mqtt-packet'
import { PacketLimit, type Oversized } from '../../../../lib/mqtt/link/packet-limit.ts'

const limit = 1000
const publish = (topic: string, bytes: number, qos: 0 | 1, messageId = 7): Buffer => {
  return generate({ cmd: 'publish', topic, payload: Buffer.alloc(bytes, 120), qos, retain: false, dup: false, ...qos > 0 ? { messageId } : {} })
}

test('however the bytes are cut, small packets pass whole and large ones are stepped over', () => {
  const small = [publish('a', 10, 1), generate({ cmd: 'pingresp' }), publish('b', 900, 0), publish('c', 1, 1)]
  const large = [publish('agent/message', 5000, 1, 300), publish('agent/other', 200_000, 0)]
  const stream = Buffer.concat([small[0]!, large[0]!, small[1]!, small[2]!, large[1]!, small[3]!])
  const expected = Buffer.concat(small)
  for (const size of [1, 2, 3, 7, 100, 1013, 4096, 65_536, stream.length]) {
    const passed: Buffer[] = []
    const skipped: Oversized[] = []
    const packets = new PacketLimit(limit, bytes => { passed.push(Buffer.from(bytes)) }, packet => { skipped.push(packet) })
    for (let at = 0; at < stream.length; at += size) packets.write(stream.subarray(at, at + size))
    assert.deepEqual(Buffer.concat(passed), expected, `in pieces of ${size}`)
    assert.deepEqual(skipped, [
      { topic: 'agent/message', qos: 1, packetId: 300, bytes: large[0]!.length },
      { topic: 'agent/other', qos: 0, packetId: 0, bytes: large[1]!.length }
    ])
  }
})

test('what is not MQTT, and a large packet that is no PUBLISH, is an error', () => {
  const packets = (): PacketLimit => new PacketLimit(limit, () => undefined, () => undefined)
  assert.throws(() => { packets().write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff])) }, /not MQTT/)
  assert.throws(() => { packets().write(Buffer.concat([Buffer.from([0x90, 0xff, 0x7f]), Buffer.alloc(100)])) }, /16383 bytes, of type 9/)
})
