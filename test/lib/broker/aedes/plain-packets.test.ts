import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generate, parser as makeParser, type IPublishPacket, type Packet } from 'mqtt-packet'
import { PlainPackets } from '../../../../lib/broker/aedes/plain-packets.ts'

const properties = { contentType: 'text/plain', topicAlias: 3, userProperties: { of: 'this test' } }

/** What is plain, and what the parser has to read. */
const plain: Packet[] = [
  { cmd: 'publish', topic: 'a/b', payload: Buffer.from('short'), qos: 0, dup: false, retain: false },
  { cmd: 'publish', topic: 'a/ä/€/😀', payload: Buffer.from([0, 1, 2, 3]), qos: 1, dup: true, retain: true, messageId: 0xfffe },
  { cmd: 'publish', topic: 'empty', payload: Buffer.alloc(0), qos: 2, dup: false, retain: true, messageId: 1 },
  { cmd: 'publish', topic: 't'.repeat(200), payload: Buffer.alloc(20_000, 7), qos: 1, dup: false, retain: false, messageId: 0x0100 },
  { cmd: 'puback', messageId: 0x1234 }, { cmd: 'pubrec', messageId: 2 }, { cmd: 'pubrel', messageId: 3 }, { cmd: 'pubcomp', messageId: 0x00ff },
  { cmd: 'puback', messageId: 5, reasonCode: 0 }
]
const others: Packet[] = [
  { cmd: 'publish', topic: 'a/b', payload: Buffer.from('explained'), qos: 1, dup: false, retain: false, messageId: 6, properties },
  { cmd: 'publish', topic: '', payload: Buffer.alloc(300, 1), qos: 0, dup: false, retain: false, properties: { topicAlias: 3 } },
  { cmd: 'puback', messageId: 7, reasonCode: 0x10 }, { cmd: 'pubrec', messageId: 8, reasonCode: 0x97, properties: { reasonString: 'no room' } },
  { cmd: 'pubrel', messageId: 9, reasonCode: 0, properties: { userProperties: { none: 'of it' } } },
  { cmd: 'subscribe', messageId: 10, subscriptions: [{ topic: '#', qos: 1 }] } as Packet, { cmd: 'pingreq' },
  { cmd: 'unsubscribe', messageId: 11, unsubscriptions: ['#'] }
]

/** The parts of a packet that matter to the broker. */
function partsOf (packet: Packet): object {
  const { cmd, messageId } = packet
  const { topic, payload, qos, dup, retain, properties } = packet as IPublishPacket
  const { reasonCode = 0 } = packet as { reasonCode?: number }
  const message = cmd === 'publish' ? { topic, payload: Buffer.from(payload), qos, dup, retain, length: packet.length } : { reasonCode }
  return { cmd, messageId, ...message, ...properties === undefined ? {} : { properties: JSON.stringify(properties) } }
}

/** What is heard of pieces: by the parser alone, or by `PlainPackets` with a parser. @param deafAfter the connection ends with this packet */
function hear (pieces: Buffer[], withPlain: boolean, level: 4 | 5 = 5, deafAfter = Infinity): { heard: object[], byParser: number } {
  const heard: object[] = []
  const parser = makeParser({ protocolVersion: level })
  const parse = parser.parse.bind(parser)
  let isParsing = false
  let byParser = 0
  parser.parse = bytes => {
    isParsing = true
    const left = parse(bytes)
    isParsing = false
    return left
  }
  parser.on('error', error => { throw error })
  parser.on('packet', packet => {
    if (isParsing) byParser++
    heard.push(partsOf(packet))
    if (heard.length >= deafAfter) parser.removeAllListeners('packet')
  })
  const reader = new PlainPackets(parser)
  for (const piece of pieces) {
    if (withPlain) reader.read(piece, level)
    else parser.parse(piece)
  }
  return { heard, byParser }
}

const bytesOf = (packets: Packet[], protocolVersion = 5): Buffer => Buffer.concat(packets.map(packet => generate(packet, { protocolVersion })))

test('messages without properties and plain acknowledgements are read as the parser reads them, and without it', () => {
  const bytes = bytesOf(plain)
  const { heard, byParser } = hear([bytes], true)
  assert.deepEqual(heard, hear([bytes], false).heard)
  assert.equal(heard.length, plain.length)
  assert.equal(byParser, 0)
})

test('so are those of MQTT 3.1.1', () => {
  const bytes = bytesOf(plain, 4)
  const { heard, byParser } = hear([bytes], true, 4)
  assert.deepEqual(heard, hear([bytes], false, 4).heard)
  assert.deepEqual([heard.length, byParser], [plain.length, 0])
  const others: Packet[] = [{ cmd: 'pingreq' }, { cmd: 'unsubscribe', messageId: 11, unsubscriptions: ['#'] }]
  assert.equal(hear([bytesOf([plain[0]!, ...others, plain[4]!], 4)], true, 4).byParser, 2)
})

test('all others go to the parser, in their order among those that do not', () => {
  const packets = others.flatMap((other, i) => [plain[i]!, other, other])
  const bytes = bytesOf(packets)
  const { heard, byParser } = hear([bytes], true)
  assert.deepEqual(heard, hear([bytes], false).heard)
  assert.equal(byParser, 2 * others.length)
})

test('wherever the bytes are cut, the same is heard', () => {
  const small = [...plain.filter(packet => packet.cmd !== 'publish' || packet.payload.length < 100), ...others.slice(0, 4), plain[1]!, plain[4]!]
  const bytes = bytesOf(small)
  const { heard } = hear([bytes], false)
  for (let at = 1; at < bytes.length; at++) assert.deepEqual(hear([bytes.subarray(0, at), bytes.subarray(at)], true).heard, heard, `cut at ${at}`)
  for (const size of [1, 2, 3, 7, 50]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
    assert.deepEqual(hear(pieces, true).heard, heard, `cut into ${size} bytes each`)
  }
})

test('behind a large packet that came in pieces, what is plain is read without the parser again', () => {
  const bytes = bytesOf([plain[3]!, plain[4]!])
  const { heard, byParser } = hear([bytes.subarray(0, 16_384), bytes.subarray(16_384)], true)
  assert.deepEqual(heard, hear([bytes], false).heard)
  assert.equal(byParser, 1)
})

test('nothing is heard behind the packet that ends the connection', () => {
  assert.equal(hear([bytesOf([plain[0]!, plain[1]!, plain[2]!])], true, 5, 1).heard.length, 1)
})

test('PUBACKs that say nothing but success go to their taker, in order, and what it leaves goes to the engine', () => {
  const parser = makeParser({ protocolVersion: 5 })
  const heard: string[] = []
  parser.on('packet', ({ cmd, messageId }) => { heard.push(`${cmd} ${messageId}`) })
  const reader = new PlainPackets(parser, {
    delivered (messageId) {
      heard.push(`taken ${messageId}`)
      return messageId !== 5
    }
  })
  const packets: Packet[] = [
    { cmd: 'puback', messageId: 4 }, { cmd: 'puback', messageId: 5, reasonCode: 0 }, { cmd: 'pubrec', messageId: 6 }, { cmd: 'pubrel', messageId: 7 }, { cmd: 'pubcomp', messageId: 8 },
    { cmd: 'puback', messageId: 9, reasonCode: 0x10 }, { cmd: 'puback', messageId: 10 }
  ]
  reader.read(bytesOf(packets), 5)
  assert.deepEqual(heard, ['taken 4', 'taken 5', 'puback 5', 'pubrec 6', 'pubrel 7', 'pubcomp 8', 'puback 9', 'taken 10'])
})
