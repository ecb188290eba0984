import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generate, type Packet } from 'mqtt-packet'
import { openEmbeddedBroker } from '../../../../lib/broker/engine/embedded-broker.ts'
import { Pieces } from '../../../../lib/broker/stream/pieces.ts'
import { brokerOptions } from '../../../helpers/broker.ts'
import { publishPacket } from '../../../helpers/raw-client.ts'

const connectPacket = generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'one', keepalive: 0, clean: true } as Packet)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** In use, without what is garbage. */
function megabytes (): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1e6
}

test('a packet that comes byte by byte takes the memory of its bytes, and arrives', async t => {
  const broker = await openEmbeddedBroker({ takes: () => false, take: () => undefined, gone: () => undefined }, brokerOptions())
  t.after(() => broker.close())
  const heard: number[] = []
  t.after(broker.subscribe('a', ({ payload }) => { heard.push(payload.length) }))
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => { done() } })
  broker.accept(stream, { address: undefined, local: true, username: undefined, socket: new Socket() })
  stream.push(connectPacket)
  const packet = publishPacket('a', Buffer.alloc(50_000), 0)
  await nextTurn()
  const before = megabytes()
  for (let i = 0; i < packet.length - 1; i++) {
    // Each byte with memory of its own, as a socket gives it.
    stream.push(Buffer.from(packet.subarray(i, i + 1)))
    await nextTurn()
  }
  const taken = megabytes() - before
  t.diagnostic(`${taken.toFixed(0)} MB`)
  stream.push(packet.subarray(-1))
  while (heard.length === 0) await nextTurn()
  assert.deepEqual(heard, [50_000])
  assert.ok(taken < 5, `${taken} MB`)
})

test('pieces are joined up to where a packet ends, and come out as they went in', () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251))
  for (const size of [1, 7, 1_000, 16_383, 16_384, 30_000]) {
    const pieces = new Pieces()
    const out: Buffer[] = []
    let length = 0
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = bytes.subarray(at, at + size)
      // Packets of 10,000 bytes.
      const end = Math.floor((at + chunk.length) / 10_000) * 10_000
      const ready = pieces.join(chunk, Math.max(0, end - at))
      if (ready !== undefined) length += out[out.push(ready) - 1]!.length
      assert.ok(length >= end, `a packet is kept back at ${at} of ${size}`)
    }
    assert.deepEqual(Buffer.concat(out), bytes)
  }
})
