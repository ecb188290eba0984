import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generate, type Packet } from 'mqtt-packet'
import { PacketGuard, type GuardLimits } from '../../../../lib/broker/stream/packet-guard.ts'
import type { Violation } from '../../../../lib/broker/stream/violation.ts'
import { chance, packet, text } from '../../../helpers/packet-bytes.ts'

const limits = { connectBytes: 8_192, packetBytes: 100_000 }
const connect = packet(0x10, connectBody({}))

function connectBody ({ name = 'MQTT', level = 4, flags = 0x02, payload = [text('one')] as Buffer[] }): Buffer {
  return Buffer.concat([text(name), Buffer.from([level, flags, 0, 60]), ...payload])
}

const id = Buffer.from([0, 1])
const publish = (topic: string | Buffer) => packet(0x30, Buffer.concat([text(topic), Buffer.from('payload')]))
const subscribe = (filter: string | Buffer, qos = 0) => packet(0x82, Buffer.concat([id, text(filter), Buffer.from([qos])]))
const unsubscribe = (filter: string | Buffer) => packet(0xa2, Buffer.concat([id, text(filter)]))

/** What a guard says of some bytes, in one chunk and byte by byte. */
function inspect (bytes: Buffer, options: GuardLimits = limits): Violation | undefined {
  const whole = new PacketGuard(options).inspect(bytes)
  const slow = new PacketGuard(options)
  for (const byte of bytes) slow.inspect(Buffer.from([byte]))
  assert.deepEqual(slow.inspect(Buffer.alloc(0)), whole)
  return whole
}

function refuses (bytes: Buffer, code: Violation['code'], clause?: string): void {
  const violation = inspect(bytes)
  assert.deepEqual([violation?.code, violation?.clause], [code, clause], bytes.toString('latin1'))
}

function accepts (bytes: Buffer): void {
  assert.equal(inspect(bytes), undefined, bytes.toString('latin1'))
}

test('the first packet is CONNECT, and the only one', () => {
  refuses(publish('a'), 'first-packet', 'MQTT-3.1.0-1')
  refuses(Buffer.from('GET / HTTP/1.1\r\n'), 'first-packet', 'MQTT-3.1.0-1')
  refuses(Buffer.concat([connect, connect]), 'second-connect', 'MQTT-3.1.0-2')
  accepts(Buffer.concat([connect, publish('a')]))
})

test('a packet that is too large is refused as soon as its length is known', () => {
  const announced = Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f])
  refuses(announced, 'too-large')
  assert.equal(inspect(announced.subarray(0, 4)), undefined)
  refuses(Buffer.concat([connect, Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])]), 'too-large')
  const body = Buffer.concat([text('a'), Buffer.alloc(92)])
  const exact = Buffer.concat([connect, packet(0x30, body)])
  assert.equal(inspect(exact, { connectBytes: 0, packetBytes: 97 }), undefined)
  assert.equal(inspect(exact, { connectBytes: 0, packetBytes: 96 })?.code, 'too-large')
  assert.equal(inspect(exact, { connectBytes: connect.length, packetBytes: 0 }), undefined)
  assert.equal(inspect(exact, { connectBytes: connect.length - 1, packetBytes: 0 })?.code, 'too-large')
})

test('a remaining length has at most four bytes', () => {
  refuses(Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80]), 'length')
})

test('reserved bits of the fixed header are refused, and packets that no client sends', () => {
  refuses(Buffer.from([0x11]), 'header-flags', 'MQTT-2.2.2-2')
  for (const first of [0x41, 0x52, 0x60, 0x74, 0x80, 0x83, 0xa0, 0xc1, 0xe8]) {
    refuses(Buffer.concat([connect, Buffer.from([first])]), 'header-flags', 'MQTT-2.2.2-2')
  }
  for (const first of [0x00, 0x20, 0x90, 0xb0, 0xd0, 0xf0]) refuses(Buffer.concat([connect, Buffer.from([first])]), 'packet-type')
})

test('a PUBLISH waits behind a SUBSCRIBE of a session until that is in force, and nothing else does', () => {
  const kept = Buffer.from(connect)
  kept[9] = 0
  const before = Buffer.concat([subscribe('a'), Buffer.from([0xc0, 0])])
  const both = Buffer.concat([before, publish('a')])
  for (const [session, waits] of [[kept, true], [connect, false]] as const) {
    const guard = new PacketGuard(limits)
    guard.inspect(session, 1_000, 1_000)
    guard.inspect(both, 1_000, 1_000)
    assert.deepEqual([guard.inspected, guard.waits], [waits ? before.length : both.length, waits])
    guard.subscribing = 0
    assert.equal(guard.waits, false)
  }
})

test('a PUBLISH has QoS 0 to 2, no DUP with QoS 0, and a packet id with QoS 1 and 2', () => {
  const body = (packetId: number) => Buffer.concat([text('a'), Buffer.from([0, packetId])])
  refuses(Buffer.concat([connect, packet(0x36, body(1))]), 'qos', 'MQTT-3.3.1-4')
  refuses(Buffer.concat([connect, packet(0x38, body(1))]), 'dup', 'MQTT-3.3.1-2')
  for (const first of [0x32, 0x34, 0x3a, 0x3d]) {
    accepts(Buffer.concat([connect, packet(first, body(1))]))
    refuses(Buffer.concat([connect, packet(first, body(0))]), 'packet-id', 'MQTT-2.3.1-1')
    refuses(Buffer.concat([connect, packet(first, text('a'))]), 'malformed')
  }
})

test('packet id 0 is refused in SUBSCRIBE, UNSUBSCRIBE and acknowledgements', () => {
  const none = Buffer.from([0, 0])
  refuses(Buffer.concat([connect, packet(0x82, Buffer.concat([none, text('a'), Buffer.from([0])]))]), 'packet-id', 'MQTT-2.3.1-1')
  refuses(Buffer.concat([connect, packet(0xa2, Buffer.concat([none, text('a')]))]), 'packet-id', 'MQTT-2.3.1-1')
  for (const first of [0x40, 0x50, 0x62, 0x70]) {
    refuses(Buffer.concat([connect, packet(first, none)]), 'packet-id', 'MQTT-2.3.1-1')
    accepts(Buffer.concat([connect, packet(first, id)]))
  }
})

test('a packet is as long as its fields', () => {
  const wrong = [
    packet(0x40, Buffer.alloc(0)), packet(0x40, Buffer.from([0, 1, 0])), packet(0xc0, id), packet(0xe0, id), packet(0x30, Buffer.from([0])),
    packet(0x30, Buffer.from([0, 2, 97])), packet(0x82, Buffer.from([0])), packet(0x82, Buffer.concat([id, text('a')])), packet(0xa2, Buffer.concat([id, Buffer.from([0])]))
  ]
  for (const bytes of wrong) refuses(Buffer.concat([connect, bytes]), 'malformed')
  refuses(packet(0x10, Buffer.alloc(0)), 'malformed')
  refuses(packet(0x10, connectBody({ payload: [] })), 'malformed')
  refuses(packet(0x10, connectBody({ payload: [text('one'), text('surplus')] })), 'malformed')
  refuses(packet(0x10, connectBody({ flags: 0x82 })), 'malformed')
  accepts(Buffer.concat([connect, packet(0xc0, Buffer.alloc(0)), packet(0xe0, Buffer.alloc(0))]))
})

test('a CONNECT names MQTT and a level that is known', () => {
  refuses(packet(0x10, connectBody({ name: 'hj' })), 'protocol-name', 'MQTT-3.1.2-1')
  refuses(packet(0x10, connectBody({ name: 'mqtt' })), 'protocol-name', 'MQTT-3.1.2-1')
  refuses(packet(0x10, connectBody({ name: '' })), 'protocol-name', 'MQTT-3.1.2-1')
  for (const [name, level] of [['MQTT', 3], ['MQTT', 6], ['MQIsdp', 4]] as const) {
    const bytes = packet(0x10, connectBody({ name, level }))
    refuses(bytes, 'protocol-level', 'MQTT-3.1.2-2')
    assert.equal(inspect(bytes)?.returnCode, 1)
  }
  accepts(packet(0x10, connectBody({ name: 'MQIsdp', level: 3 })))
  accepts(packet(0x10, connectBody({ level: 0x84 })))
})

test('the flags of a CONNECT agree with each other', () => {
  const flagged = (flags: number) => packet(0x10, connectBody({ flags }))
  refuses(flagged(0x03), 'connect-flags', 'MQTT-3.1.2-3')
  refuses(flagged(0x42), 'connect-flags', 'MQTT-3.1.2-22')
  refuses(flagged(0x0a), 'connect-flags', 'MQTT-3.1.2-13')
  refuses(flagged(0x22), 'connect-flags', 'MQTT-3.1.2-15')
  refuses(flagged(0x1e), 'connect-flags', 'MQTT-3.1.2-14')
  accepts(packet(0x10, connectBody({ flags: 0xf6, payload: ['one', 'will', 'gone', 'user', 'password'].map(text) })))
})

test('an empty client id needs a clean session, and is to be answered', () => {
  const empty = (flags: number, name = 'MQTT', level = 4) => packet(0x10, connectBody({ name, level, flags, payload: [text('')] }))
  refuses(empty(0x00), 'client-id', 'MQTT-3.1.3-8')
  assert.equal(inspect(empty(0x00))?.returnCode, 2)
  accepts(empty(0x02))
  refuses(empty(0x02, 'MQIsdp', 3), 'client-id', 'MQTT-3.1.3-8')
})

test('malformed UTF-8 and NUL are refused in every text, and nowhere else', () => {
  const malformed = ['c080', 'c1bf', 'e09fbf', 'eda080', 'edbfbf', 'f08fbfbf', 'f4908080', 'f5808080', '80', 'ff', 'c3', 'e282', 'f09f98', 'c341', 'e28228']
  const connectWith = (at: number, value: Buffer) => {
    const payload = ['one', 'will', 'gone', 'user', 'password'].map(text)
    payload[at] = text(value)
    return packet(0x10, connectBody({ flags: 0xc6, payload }))
  }
  const places = [
    (value: Buffer) => Buffer.concat([connect, publish(value)]),
    (value: Buffer) => Buffer.concat([connect, subscribe(value)]),
    (value: Buffer) => Buffer.concat([connect, unsubscribe(value)]),
    ...[0, 1, 3].map(at => (value: Buffer) => connectWith(at, value))
  ]
  for (const place of places) {
    for (const hex of malformed) refuses(place(Buffer.from(`61${hex}`, 'hex')), 'utf8', 'MQTT-1.5.3-1')
    refuses(place(Buffer.from('a\0b')), 'nul', 'MQTT-1.5.3-2')
    for (const good of ['é', '€/ß', '😀', '\ud7ff\ue000\uffff\u{10ffff}', '\ufeffa', '日本語/温度']) accepts(place(Buffer.from(good)))
  }
  for (const at of [2, 4]) accepts(connectWith(at, Buffer.from([0, 0xff, 0x23])))
})

test('a topic has characters, and no wildcards', () => {
  for (const topic of ['a/#', '#', '+', 'a/+/b', 'a+']) refuses(Buffer.concat([connect, publish(topic)]), 'topic', 'MQTT-3.3.2-2')
  refuses(Buffer.concat([connect, publish('')]), 'topic', 'MQTT-4.7.3-1')
  for (const topic of ['/', 'a//b', ' ', '$SYS/x', '$share/a/b']) accepts(Buffer.concat([connect, publish(topic)]))
  const will = (topic: string) => packet(0x10, connectBody({ flags: 0x06, payload: [text('one'), text(topic), text('gone')] }))
  refuses(will('a/#'), 'topic', 'MQTT-3.3.2-2')
  refuses(will(''), 'topic', 'MQTT-4.7.3-1')
})

test('wildcards of a filter stand alone between slashes, # at the end', () => {
  for (const each of [subscribe, unsubscribe]) {
    const refused = (filter: string, clause?: string) => { refuses(Buffer.concat([connect, each(filter)]), 'filter', clause) }
    for (const filter of ['a#', 'ab#', 'a/#/b', '#/', '##', '+#', 'é#', '#é']) refused(filter, 'MQTT-4.7.1-2')
    for (const filter of ['+a', 'a+', 'a/+b', 'ab/c+/d', '++', 'é+', '+é']) refused(filter, 'MQTT-4.7.1-3')
    refused('', 'MQTT-4.7.3-1')
    for (const filter of ['#', '+', '/', '/#', '+/+', '+/#', 'a/+/b/#', '//', '$SYS/#', 'é/+/ß/#']) accepts(Buffer.concat([connect, each(filter)]))
  }
})

test('a shared subscription has a group and a filter', () => {
  for (const filter of ['$share/', '$share//a', '$share/g', '$share/g/', '$share/+/a', '$share/#', '$share/g#/a']) {
    const violation = inspect(Buffer.concat([connect, subscribe(filter)]))
    assert.equal(violation?.code, 'filter', filter)
  }
  for (const filter of ['$share/g/a', '$share/g/#', '$share/g//', '$share/gruppe-é/+/x', '$share', '$shared/', '$shared//a', 'x$share/']) {
    accepts(Buffer.concat([connect, subscribe(filter)]))
  }
})

test('SUBSCRIBE and UNSUBSCRIBE have filters, each of a QoS from 0 to 2', () => {
  refuses(Buffer.concat([connect, packet(0x82, id)]), 'no-filters', 'MQTT-3.8.3-3')
  refuses(Buffer.concat([connect, packet(0xa2, id)]), 'no-filters', 'MQTT-3.10.3-2')
  for (const qos of [3, 4, 0x80]) refuses(Buffer.concat([connect, subscribe('a', qos)]), 'qos', 'MQTT-3.8.3-4')
  const many = packet(0x82, Buffer.concat([id, ...['a', 'b/#', 'c/+'].flatMap((filter, qos) => [text(filter), Buffer.from([qos])])]))
  accepts(Buffer.concat([connect, many]))
})

test('one packet names no more filters than a client may have, or a thousand', () => {
  const bytes = (first: number, count: number): Buffer => Buffer.concat([connect, packet(first, Buffer.concat([id, ...Array.from({ length: count }, () => [text('a'), first === 0x82 ? Buffer.from([0]) : Buffer.alloc(0)]).flat()]))])
  for (const first of [0x82, 0xa2]) {
    for (const [subscriptionsPerClient, most] of [[10, 1_000], [1_000, 1_000], [2_000, 2_000]] as const) {
      assert.equal(inspect(bytes(first, most), { ...limits, subscriptionsPerClient }), undefined)
      assert.equal(inspect(bytes(first, most + 1), { ...limits, subscriptionsPerClient })?.code, 'filters')
    }
    assert.equal(inspect(bytes(first, 3_000), { ...limits, subscriptionsPerClient: 0 }), undefined)
  }
})

test('a violation ends the connection for good', () => {
  const guard = new PacketGuard(limits)
  guard.inspect(publish('a'))
  assert.equal(guard.inspect(connect)?.code, 'first-packet')
  assert.deepEqual([guard.packets, guard.publishes], [0, 0])
})

function anyPacket (any: (below: number) => number): Packet {
  const messageId = 1 + any(65_535)
  const topic = ['a', 'a/b', '/', 'sensor/küche/🌡️', 'x'.repeat(1 + any(300))][any(5)]!
  const filter = ['#', 'a/+', '+/b/#', '$share/g/a/#', 'été', topic][any(6)]!
  const qos = any(3) as 0 | 1 | 2
  const payload = Buffer.alloc([0, 5, 130, 20_000][any(4)]!, any(256))
  return ([
    { cmd: 'publish', topic, payload, qos, dup: qos > 0 && any(2) === 1, retain: any(2) === 1, messageId },
    { cmd: 'subscribe', messageId, subscriptions: Array.from({ length: 1 + any(4) }, () => ({ topic: filter, qos })) },
    { cmd: 'unsubscribe', messageId, unsubscriptions: [filter, topic] },
    { cmd: 'puback', messageId }, { cmd: 'pubrec', messageId }, { cmd: 'pubrel', messageId }, { cmd: 'pubcomp', messageId }, { cmd: 'pingreq' }
  ] as Packet[])[any(8)]!
}

test('valid streams pass however they are cut, and their packets are counted', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const any = chance(seed)
    const will = { topic: 'gone/ñ', payload: Buffer.alloc(any(500)), qos: any(3) as 0 | 1 | 2, retain: any(2) === 1 }
    const first: Packet = {
      cmd: 'connect', clientId: ['', 'id', 'ключ'][any(3)]!, clean: true, keepalive: any(65_536), ...any(2) === 1 ? { will } : {},
      ...any(2) === 1 ? { username: 'user', ...any(2) === 1 ? { password: Buffer.from([0, 255]) } : {} } : {}
    }
    const packets = [first, ...Array.from({ length: 1 + any(30) }, () => anyPacket(any))]
    const stream = Buffer.concat(packets.map(each => generate(each)))
    const guard = new PacketGuard(limits)
    for (let at = 0; at < stream.length;) {
      const next = at + 1 + any([1, 3, 50, 40_000][any(4)]!)
      assert.equal(guard.inspect(stream.subarray(at, next)), undefined, `seed ${seed}`)
      at = next
    }
    assert.deepEqual([guard.packets, guard.publishes], [packets.length, packets.filter(({ cmd }) => cmd === 'publish').length], `seed ${seed}`)
  }
})

test('garbage never throws', () => {
  const codes = new Set<string | undefined>()
  for (let seed = 1; seed <= 20_000; seed++) {
    const any = chance(seed)
    const guard = new PacketGuard(limits)
    if (seed % 2 === 0) guard.inspect(connect)
    const garbage = Buffer.from(Array.from({ length: 1 + any(60) }, () => any(3) === 0 ? any(8) : any(256)))
    // Half of it begins as a packet does.
    if (seed % 4 < 2) garbage[0] = seed % 2 === 0 ? [0x30, 0x32, 0x82, 0xa2][any(4)]! : 0x10
    const cut = any(garbage.length)
    guard.inspect(garbage.subarray(0, cut))
    codes.add(guard.inspect(garbage.subarray(cut))?.code)
  }
  assert.ok(codes.size > 8, [...codes].join())
})

test('a guard keeps no bytes of what it sees', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const used = async (): Promise<number> => {
    collect()
    // Buffers are freed behind the collection.
    await new Promise(setImmediate)
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = await used()
  const guards = Array.from({ length: 2_000 }, () => {
    const guard = new PacketGuard(limits)
    guard.inspect(connect)
    // A topic of 60,000 bytes, of which the last one never comes.
    guard.inspect(Buffer.concat([Buffer.from([0x30, 0xe8, 0xd4, 0x03, 0xea, 0x60]), Buffer.alloc(59_999, 97)]))
    return guard
  })
  const each = (await used() - before) / guards.length
  assert.ok(each < 1_000, `${each} bytes each`)
  assert.equal(guards[0]?.packets, 1)
})
