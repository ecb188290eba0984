import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { generate, writeToStream, type Packet } from 'mqtt-packet'
import { corkPerTurn } from '../../../../lib/broker/stream/cork.ts'
import { closing } from '../../../helpers/events.ts'

const server = createServer()
let reader: Socket
let writer: Socket
let state: Parameters<typeof corkPerTurn>[1]

before(async () => { await once(server.listen(0, '127.0.0.1'), 'listening') })
after(() => { server.close() })
beforeEach(async () => {
  const accepted = once(server, 'connection')
  reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
  ;[writer] = await accepted as [Socket]
  state = { corked: false, packetsSent: 0, pieces: undefined, piecesSize: 0, prompt: true, aside: undefined, asideSize: 0, written: () => undefined }
  corkPerTurn(writer, state)
})
afterEach(() => {
  reader.destroy()
  writer.destroy()
})

/** What arrives until there are so many bytes. */
async function received (bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of reader as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    if ((size += chunk.length) >= bytes) break
  }
  return Buffer.concat(chunks)
}

/** Calls of the socket itself, in place of what its users see. */
function countSystemCalls (): { calls: number } {
  const counted = { calls: 0 }
  const { _write, _writev } = writer as Socket & { _write: (...given: unknown[]) => void, _writev: (...given: unknown[]) => void }
  Object.assign(writer, {
    _write (...given: unknown[]) { counted.calls++; _write.apply(this, given) },
    _writev (...given: unknown[]) { counted.calls++; _writev.apply(this, given) }
  })
  return counted
}

const packets: Packet[] = [
  { cmd: 'puback', messageId: 7 },
  { cmd: 'publish', qos: 1, dup: false, retain: false, topic: 'año/温度/🌡', messageId: 300, payload: Buffer.from('grün') },
  { cmd: 'publish', qos: 0, dup: false, retain: true, topic: 'large', payload: Buffer.alloc(5_000, 'x') },
  { cmd: 'publish', qos: 0, dup: false, retain: false, topic: 'a text', payload: '23 °C' },
  { cmd: 'pingresp' },
  { cmd: 'suback', messageId: 2, granted: [0, 1, 128] }
]

test('what one turn writes arrives as it was written, in one system call', async () => {
  const expected = Buffer.concat(packets.map(packet => generate(packet)))
  const counted = countSystemCalls()
  for (const packet of packets) writeToStream(packet, writer)
  assert.deepEqual(await received(expected.length), expected)
  assert.equal(counted.calls, 1)
  assert.equal(state.packetsSent, packets.length)
  assert.deepEqual([state.pieces, state.piecesSize, state.corked], [undefined, 0, false])
})

test('more than one buffer takes arrives in order', async () => {
  const many = Array.from({ length: 2_000 }, (_, i): Packet => ({ cmd: 'publish', qos: 1, dup: false, retain: false, topic: `t/${i}`, messageId: i + 1, payload: Buffer.alloc(i % 1_500, i) }))
  const expected = Buffer.concat(many.map(packet => generate(packet)))
  for (const packet of many) writeToStream(packet, writer)
  assert.ok((await received(expected.length)).equals(expected))
})

test('a writer learns that its reader does not read', () => {
  const packet: Packet = { cmd: 'publish', qos: 0, dup: false, retain: false, topic: 't', payload: Buffer.alloc(500) }
  reader.pause()
  let written = 0
  while (writeToStream(packet, writer) && written < 10_000) written++
  assert.ok(written < 10_000, 'there was always room')
  assert.equal(writeToStream(packet, writer), false, 'it is told with every packet until there is room')
})

for (const pieces of [3, 15, 60]) {
  test(`what a full stream could not pass on is not overwritten by what others write, ${pieces} kB at a time`, async t => {
    const accepted = once(server, 'connection')
    const otherReader = connect((server.address() as AddressInfo).port, '127.0.0.1').resume()
    const [other] = await accepted as [Socket]
    t.after(() => {
      otherReader.destroy()
      other.destroy()
    })
    corkPerTurn(other, { corked: false, packetsSent: 0, pieces: undefined, piecesSize: 0, prompt: true, aside: undefined, asideSize: 0, written: () => undefined })
    reader.pause()
    const expected: Buffer[] = []
    const turn = async (stream: Socket, byte: number): Promise<void> => {
      stream.cork()
      for (let i = 0; i < pieces; i++) {
        const piece = Buffer.alloc(1_000, byte)
        if (stream === writer) expected.push(piece)
        stream.write(piece)
      }
      await new Promise(resolve => setImmediate(resolve))
    }
    for (let byte = 1; writer.writableLength === 0; byte = byte % 200 + 1) await turn(writer, byte)
    for (let i = 0; i < 20; i++) await turn(other, 255)
    const whole = Buffer.concat(expected)
    assert.ok((await received(whole.length)).equals(whole))
  })
}

test('what nobody corked is written at once, and callbacks are called', async () => {
  await new Promise<void>((resolve, reject) => { writer.write('one', error => { if (error) reject(error); else resolve() }) })
  writer.cork()
  writer.write('two')
  const called = new Promise<void>((resolve, reject) => { writer.write(Buffer.from('three'), error => { if (error) reject(error); else resolve() }) })
  assert.equal((await received(11)).toString(), 'onetwothree')
  await called
})

test('what was written before the stream ends in the same turn arrives first', async () => {
  const expected = Buffer.concat(packets.map(packet => generate(packet)))
  const errors: Error[] = []
  writer.on('error', error => { errors.push(error) })
  for (const packet of packets) writeToStream(packet, writer)
  writer.end()
  assert.deepEqual(await received(Number.POSITIVE_INFINITY), expected)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(errors, [])
})

test('a stream that is destroyed before the turn ends fails nobody', async () => {
  const errors: Error[] = []
  writer.on('error', error => { errors.push(error) })
  for (const packet of packets) writeToStream(packet, writer)
  writer.destroy()
  for (const packet of packets) writeToStream(packet, writer)
  await closing(writer)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(errors, [])
})

for (const ends of [false, true]) {
  test(`small answers of many turns wait for a full stream in a few buffers, and arrive in order ${ends ? 'before its end' : 'once there is room'}`, async () => {
    reader.pause()
    const filling: Packet = { cmd: 'publish', qos: 0, dup: false, retain: false, topic: 't', payload: Buffer.alloc(100_000) }
    const expected: Buffer[] = []
    const send = (packet: Packet): void => {
      expected.push(generate(packet))
      writeToStream(packet, writer)
    }
    while (!writer.writableNeedDrain) {
      send(filling)
      await new Promise(resolve => setImmediate(resolve))
    }
    // A system call that is under way has its buffers already.
    const unread = writer.writableLength
    for (let messageId = 1; messageId <= 5_000; messageId++) {
      send({ cmd: 'puback', messageId })
      await new Promise(resolve => setImmediate(resolve))
      if (messageId === 2_500) send(filling)
    }
    assert.equal(writer.writableLength + state.asideSize - unread, 5_000 * 4 + generate(filling).length)
    let buffers = 0
    const { _writev } = writer as Socket & { _writev: (chunks: unknown[], done: unknown) => void }
    Object.assign(writer, {
      _writev (chunks: unknown[], done: unknown) {
        buffers += chunks.length
        _writev.call(this, chunks, done)
      }
    })
    if (ends) writer.end()
    const all = Buffer.concat(expected)
    assert.ok((await received(all.length)).equals(all))
    assert.ok(buffers < 50, `${buffers} buffers`)
  })
}
