import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { setTimeout as pause } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { InFlight, type Entry } from '../../../../../lib/broker/remote/session/in-flight.ts'

function entry (packetId: number, text = `message ${packetId}`): Entry {
  const publication = { topic: 'agent/message', payload: Buffer.from(text), qos: 1 as const, retain: false, will: false, connection: undefined }
  return { publication, packetId, settled: false }
}

function settledOf (inFlight: InFlight): number[] {
  const packetIds: number[] = []
  inFlight.takeSettled(packetId => { packetIds.push(packetId) })
  return packetIds
}

test('acknowledgements keep the order of receipt, over thousands of messages', () => {
  const inFlight = new InFlight()
  const entries = Array.from({ length: 5000 }, (_, i) => entry(i + 1))
  entries.forEach(each => { inFlight.add(each) })
  const order: number[] = []
  // Whatever is settled first.
  for (let i = 0; i < entries.length; i++) {
    (entries[(i * 1709) % entries.length] as Entry).settled = true
    order.push(...settledOf(inFlight))
  }
  assert.deepEqual(order, entries.map(({ packetId }) => packetId))
  assert.deepEqual([inFlight.size, inFlight.bytes], [0, 0])
})

test('QoS 0 has its place, and nothing to acknowledge', () => {
  const inFlight = new InFlight()
  const [zero, one] = [entry(0), entry(1)]
  inFlight.add(zero)
  inFlight.add(one)
  one.settled = true
  assert.deepEqual(settledOf(inFlight), [])
  zero.settled = true
  assert.deepEqual(settledOf(inFlight), [1])
})

test('what a connection left is found by what it says, whatever the packet id, and only so much is kept', () => {
  const [last, left] = [new InFlight(), new InFlight()]
  for (let i = 1; i <= 5; i++) last.add(entry(i, i === 4 ? 'message 3' : undefined))
  last.add(entry(0))
  left.absorb(last, 4)
  assert.equal(left.size, 4)
  assert.equal(left.take('agent/message', Buffer.from('message 1')), undefined)
  assert.equal(left.take('agent/connected', Buffer.from('message 3')), undefined)
  assert.equal(left.take('agent/message', Buffer.from('message 3'))?.packetId, 3)
  assert.equal(left.take('agent/message', Buffer.from('message 3'))?.packetId, 4)
  assert.equal(left.take('agent/message', Buffer.from('message 5'))?.packetId, 5)
  assert.equal(left.take('agent/message', Buffer.from('message 2'))?.packetId, 2)
  assert.deepEqual([left.size, left.bytes], [0, 0])
})

test('a topic counts, too: it may have 65,535 bytes', () => {
  const inFlight = new InFlight()
  const long = entry(1)
  long.publication.topic = `agent/${'a'.repeat(65_000)}`
  inFlight.add(long)
  assert.ok(inFlight.bytes > 65_000)
  long.settled = true
  settledOf(inFlight)
  assert.equal(inFlight.bytes, 0)
})

test('what is over takes no memory, though its place is cut off later', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const held = (): number => {
    collect()
    return process.memoryUsage().arrayBuffers / 1e6
  }
  const before = held()
  const [inFlight, left] = [new InFlight(), new InFlight()]
  for (let i = 1; i <= 300; i++) {
    const large = entry(i)
    large.publication.payload = Buffer.alloc(1_000_000, i)
    const { topic, payload } = large.publication
    left.add(large)
    assert.equal(left.take(topic, payload), large)
    large.settled = true
    inFlight.add(large)
    settledOf(inFlight)
  }
  // Buffers are freed by a thread of V8's own, at its leisure.
  for (let tries = 0; held() - before >= 50 && tries < 100; tries++) await pause(20)
  assert.ok(held() - before < 50, `${held() - before} MB`)
  assert.deepEqual([inFlight.size, inFlight.bytes, left.size, left.bytes], [0, 0, 0, 0])
})
