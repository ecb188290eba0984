import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PacketGuard, type GuardLimits } from '../../../../lib/broker/stream/packet-guard.ts'
import type { Violation, ViolationCode } from '../../../../lib/broker/stream/violation.ts'
import { packet, text, variable } from '../../../helpers/packet-bytes.ts'

// MQTT 5. What is the same for every version is in packet-guard.test.ts.

const limits: GuardLimits = { connectBytes: 8_192, packetBytes: 100_000 }
const none = Buffer.alloc(0)
const id = Buffer.of(0, 1)
const userProperty = prop(38, text('name'), text('value'))

function prop (number: number, ...value: Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(number), ...value])
}

/** Properties with their length in front. */
function list (...properties: Buffer[]): Buffer {
  const bytes = Buffer.concat(properties)
  return Buffer.concat([variable(bytes.length), bytes])
}

function four (value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function two (value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}

interface Connect { flags?: number, properties?: Buffer, level?: number, payload?: Buffer[] }

function connectPacket ({ flags = 0x02, properties = list(), level = 5, payload = [text('one')] }: Connect = {}): Buffer {
  return packet(0x10, text('MQTT'), Buffer.of(level, flags, 0, 60), properties, ...payload)
}

const connect = connectPacket()
const kept = connectPacket({ properties: list(prop(17, four(60))) })
const withWill = (properties: Buffer, topic = 'will'): Buffer => connectPacket({ flags: 0x06, payload: [text('one'), properties, text(topic), text('gone')] })
const publish = (topic: string, properties: Buffer, first = 0x30): Buffer => packet(first, text(topic), first === 0x30 ? none : id, properties, Buffer.from('payload'))
const subscribe = (filter: string, options: number, properties = list()): Buffer => packet(0x82, id, properties, text(filter), Buffer.of(options))
const unsubscribe = (properties: Buffer, ...filters: string[]): Buffer => packet(0xa2, id, properties, ...filters.map(text))
const acknowledge = (first: number, ...rest: Buffer[]): Buffer => packet(first, id, ...rest)
const reason = (code: number): Buffer => Buffer.of(code)
const goodbye = (...rest: Buffer[]): Buffer => packet(0xe0, ...rest)

/** What a guard says of some bytes: in one chunk, byte by byte, and cut in two anywhere. */
function inspect (bytes: Buffer, options: GuardLimits = limits): { violation: Violation | undefined, guard: PacketGuard } {
  const guard = new PacketGuard(options)
  const violation = guard.inspect(bytes)
  const slow = new PacketGuard(options)
  for (const byte of bytes) slow.inspect(Buffer.of(byte))
  const cuts = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1)
  const others = [slow, ...cuts.map(at => {
    const cut = new PacketGuard(options)
    cut.inspect(bytes.subarray(0, at))
    cut.inspect(bytes.subarray(at))
    return cut
  })]
  for (const other of others) {
    assert.deepEqual([other.inspect(none), other.packets, other.units], [violation, guard.packets, guard.units])
    if (violation === undefined) assert.equal(other.begun, guard.begun)
  }
  return { violation, guard }
}

function accepts (bytes: Buffer, name: string, options = limits): void {
  const { violation, guard } = inspect(bytes, options)
  assert.deepEqual([violation, guard.begun, guard.inspected], [undefined, 0, bytes.length], name)
}

function refuses (bytes: Buffer, name: string, code: ViolationCode, reasonCode: number, clause?: string): void {
  const { violation } = inspect(bytes)
  assert.deepEqual([violation?.code, violation?.reasonCode, violation?.clause5], [code, reasonCode, clause], name)
}

const nothingAlone = connectPacket({ flags: 0x00, payload: [text('')] })

/** Behind a CONNECT, unless it is one. */
const good: Record<string, Buffer> = {
  'CONNECT': connect,
  'CONNECT, marked as a bridge': connectPacket({ level: 0x85 }),
  'no client id, with clean start': connectPacket({ payload: [text('')] }),
  'no client id, without clean start': nothingAlone,
  'a password without a username': connectPacket({ flags: 0x42, payload: [text('one'), text('secret')] }),
  'a username without a password': connectPacket({ flags: 0x82, payload: [text('one'), text('me')] }),
  'all properties of CONNECT': connectPacket({
    properties: list(prop(39, four(1)), prop(34, two(0)), prop(33, two(1)), prop(25, reason(1)), prop(23, reason(0)), userProperty, prop(22, text(Buffer.of(0, 255))), userProperty, prop(21, text('SCRAM')), prop(17, four(0xffff_ffff)))
  }),
  'all properties of a will': withWill(list(prop(24, four(5)), prop(1, reason(0)), prop(2, four(0)), prop(3, text('')), prop(8, text('answers/é')), prop(9, text('')), userProperty, userProperty)),
  'a will with everything else': connectPacket({ flags: 0xf6, payload: [text('one'), list(userProperty), text('will'), text('gone'), text('me'), text('secret')] }),
  'PUBLISH of QoS 0': publish('a', list()),
  'PUBLISH of QoS 1': publish('a', list(), 0x32),
  'PUBLISH of QoS 2, again and retained': publish('a', list(), 0x3d),
  'PUBLISH without payload': packet(0x30, text('a'), list()),
  'all properties of PUBLISH': publish('a', list(prop(35, two(1)), prop(1, reason(1)), prop(2, four(60)), prop(3, text('text/plain')), prop(8, text('a/b')), prop(9, text(Buffer.of(0xff, 0))), userProperty, userProperty)),
  'a topic alias with a topic': publish('a', list(prop(35, two(65_535)))),
  'a topic alias without a topic': publish('', list(prop(35, two(1))), 0x32),
  'a long list of properties': publish('a', list(...Array.from({ length: 30 }, () => userProperty))),
  'a user property of empty texts': publish('a', list(prop(38, text(''), text('')))),
  'PUBACK': acknowledge(0x40),
  'PUBACK with a reason code': acknowledge(0x40, reason(0x10)),
  'PUBACK with no properties': acknowledge(0x40, reason(0), list()),
  'PUBACK with properties': acknowledge(0x40, reason(0x97), list(prop(31, text('full')), userProperty, userProperty)),
  'PUBREC': acknowledge(0x50),
  'PUBREC with a reason code': acknowledge(0x50, reason(0x80), list(userProperty)),
  'PUBREL': acknowledge(0x62),
  'PUBREL with a reason code': acknowledge(0x62, reason(0x92), list(prop(31, text('?')))),
  'PUBCOMP': acknowledge(0x70),
  'PUBCOMP with a reason code': acknowledge(0x70, reason(0x92), list(prop(31, text('?')))),
  'SUBSCRIBE': subscribe('a/+/#', 0),
  'all options of SUBSCRIBE': subscribe('a', 0x2e),
  'all properties of SUBSCRIBE': subscribe('a', 1, list(prop(11, variable(268_435_455)), userProperty, userProperty)),
  'a shared SUBSCRIBE': subscribe('$share/g/a/#', 0x1a, list(prop(11, variable(1)))),
  'SUBSCRIBE to shared and plain filters': packet(0x82, id, list(), text('$share/g/a'), Buffer.of(0), text('a'), Buffer.of(0x04)),
  'UNSUBSCRIBE': unsubscribe(list(), 'a', '$share/g/a'),
  'UNSUBSCRIBE with properties': unsubscribe(list(userProperty, userProperty), '#'),
  'PINGREQ': packet(0xc0),
  'DISCONNECT': goodbye(),
  'DISCONNECT with a reason code': goodbye(reason(4)),
  'DISCONNECT with no properties': goodbye(reason(0), list()),
  'DISCONNECT with properties': goodbye(reason(0x98), list(prop(17, four(0)), prop(31, text('bye')), userProperty, userProperty))
}

test('what MQTT 5 allows passes, wherever it is cut', () => {
  for (const [name, bytes] of Object.entries(good)) accepts(bytes[0] === 0x10 ? bytes : Buffer.concat([connect, bytes]), name)
  accepts(Buffer.concat([kept, goodbye(reason(0), list(prop(17, four(30))))]), 'a session that ends sooner than CONNECT said')
  accepts(Buffer.concat([connect, ...Object.values(good).filter(([first]) => first !== 0x10 && first !== 0xe0)]), 'one behind the other')
})

type Fault = [name: string, bytes: Buffer, code: ViolationCode, reasonCode: number, clause?: string]
const malformed = 0x81
const protocolError = 0x82

/** Behind a CONNECT, unless it is one. */
const bad: Fault[] = [
  ['a second CONNECT', Buffer.concat([connect, connect]), 'second-connect', protocolError, 'MQTT-3.1.0-2'],
  ['the reserved flag', connectPacket({ flags: 0x03 }), 'connect-flags', malformed, 'MQTT-3.1.2-3'],
  ['a will of QoS 3', connectPacket({ flags: 0x1e }), 'connect-flags', malformed, 'MQTT-3.1.2-12'],
  ['the QoS of no will', connectPacket({ flags: 0x0a }), 'connect-flags', malformed, 'MQTT-3.1.2-11'],
  ['no will, retained', connectPacket({ flags: 0x22 }), 'connect-flags', malformed, 'MQTT-3.1.2-13'],
  ['level 6', connectPacket({ level: 6 }), 'protocol-level', 0x84, 'MQTT-3.1.2-2'],
  ['CONNECT without properties', packet(0x10, text('MQTT'), Buffer.of(5, 2, 0, 60)), 'malformed', malformed],
  ['CONNECT without a client id', connectPacket({ payload: [] }), 'malformed', malformed],
  ['CONNECT with something left', connectPacket({ payload: [text('one'), none, text('two')] }), 'malformed', malformed],
  ['a will without properties', connectPacket({ flags: 0x06, payload: [text('one')] }), 'malformed', malformed],
  ['a will without a topic', withWill(list(), ''), 'topic', 0x90, 'MQTT-4.7.3-1'],
  ['a will with a wildcard', withWill(list(), 'a/#'), 'topic', 0x90, 'MQTT-3.3.2-2'],
  ['receive maximum 0', connectPacket({ properties: list(prop(33, two(0))) }), 'property', protocolError],
  ['maximum packet size 0', connectPacket({ properties: list(prop(39, four(0))) }), 'property', protocolError],
  ['request response information 2', connectPacket({ properties: list(prop(25, reason(2))) }), 'property', protocolError],
  ['request problem information 2', connectPacket({ properties: list(prop(23, reason(2))) }), 'property', protocolError],
  ['authentication data alone', connectPacket({ properties: list(prop(22, text('data'))) }), 'property', protocolError],
  ['an authentication method of malformed UTF-8', connectPacket({ properties: list(prop(21, text(Buffer.of(0xc0, 0x80)))) }), 'utf8', malformed, 'MQTT-1.5.4-1'],
  ['a will delay in CONNECT', connectPacket({ properties: list(prop(24, four(1))) }), 'property', malformed],
  ['a topic alias in CONNECT', connectPacket({ properties: list(prop(35, two(1))) }), 'property', malformed],
  ['a session expiry in a will', withWill(list(prop(17, four(1)))), 'property', malformed],
  ['a topic alias in a will', withWill(list(prop(35, two(1)))), 'property', malformed],
  ['payload format 2 of a will', withWill(list(prop(1, reason(2)))), 'property', protocolError],
  ['two delays of a will', withWill(list(prop(24, four(1)), prop(24, four(1)))), 'property', protocolError],
  ...[17, 39].map((number): Fault => [`two of ${number}`, connectPacket({ properties: list(prop(number, four(9)), userProperty, prop(number, four(9))) }), 'property', protocolError]),
  ...[33, 34].map((number): Fault => [`two of ${number}`, connectPacket({ properties: list(prop(number, two(9)), prop(number, two(9))) }), 'property', protocolError]),
  ...[23, 25].map((number): Fault => [`two of ${number}`, connectPacket({ properties: list(prop(number, reason(1)), prop(number, reason(1))) }), 'property', protocolError]),
  ...[21, 22].map((number): Fault => [`two of ${number}`, connectPacket({ properties: list(prop(number, text('a')), prop(number, text('a'))) }), 'property', protocolError]),

  ['AUTH', packet(0xf0, reason(0x18), list()), 'auth', protocolError, 'MQTT-4.12.0-7'],
  ['AUTH with reserved flags', Buffer.of(0xf1, 0), 'header-flags', malformed, 'MQTT-2.1.3-1'],
  ...[0x00, 0x20, 0x90, 0xb0, 0xd0].map((first): Fault => [`type ${first >> 4}`, Buffer.of(first, 0), 'packet-type', protocolError]),
  ...[0x41, 0x52, 0x60, 0x6a, 0x74, 0x80, 0x8a, 0xa0, 0xc1, 0xe8].map((first): Fault => [`first byte ${first}`, Buffer.of(first, 0), 'header-flags', malformed, 'MQTT-2.1.3-1']),
  ['a remaining length with a needless byte', Buffer.of(0xc0, 0x80, 0x00), 'length', malformed, 'MQTT-1.5.5-1'],
  ['a remaining length of five bytes', Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80), 'length', malformed],
  ['a packet that is too large', Buffer.of(0x30, 0xff, 0xff, 0x7f), 'too-large', 0x95],
  ['PINGREQ with a body', packet(0xc0, id), 'malformed', malformed],

  ['PUBLISH of QoS 3', Buffer.of(0x36), 'qos', malformed, 'MQTT-3.3.1-4'],
  ['PUBLISH of QoS 0 with DUP', Buffer.of(0x38), 'dup', malformed, 'MQTT-3.3.1-2'],
  ['PUBLISH with packet id 0', packet(0x32, text('a'), two(0), list()), 'packet-id', protocolError, 'MQTT-2.2.1-3'],
  ['PUBLISH without properties', packet(0x30, text('a')), 'malformed', malformed],
  ['PUBLISH of QoS 1 without properties', packet(0x32, text('a'), id), 'malformed', malformed],
  ['a wildcard in a topic', publish('a/+', list()), 'topic', 0x90, 'MQTT-3.3.2-2'],
  ['neither topic nor alias', publish('', list(userProperty)), 'topic', protocolError],
  ['neither topic nor alias, of QoS 1', publish('', list(), 0x32), 'topic', protocolError],
  ['topic alias 0', publish('a', list(prop(35, two(0)))), 'property', 0x94, 'MQTT-3.3.2-8'],
  ['two topic aliases', publish('a', list(prop(35, two(1)), prop(35, two(1)))), 'property', protocolError],
  ['payload format 2', publish('a', list(prop(1, reason(2)))), 'property', protocolError],
  ['two payload formats', publish('a', list(prop(1, reason(0)), prop(1, reason(0)))), 'property', protocolError],
  ['two expiries', publish('a', list(prop(2, four(0)), prop(2, four(0)))), 'property', protocolError],
  ...[3, 8, 9].map((number): Fault => [`two of ${number}`, publish('a', list(prop(number, text('a')), prop(number, text('a')))), 'property', protocolError]),
  ['a response topic with a wildcard', publish('a', list(prop(8, text('a/#')))), 'topic', 0x90, 'MQTT-3.3.2-2'],
  ['an empty response topic', publish('a', list(prop(8, text('')))), 'topic', 0x90, 'MQTT-4.7.3-1'],
  ['a response topic with NUL', publish('a', list(prop(8, text('a\0')))), 'nul', malformed, 'MQTT-1.5.4-2'],
  ['a content type of malformed UTF-8', publish('a', list(prop(3, text(Buffer.of(0xe2, 0x82))))), 'utf8', malformed, 'MQTT-1.5.4-1'],
  ['a user property with a malformed name', publish('a', list(prop(38, text(Buffer.of(0xff)), text('')))), 'utf8', malformed, 'MQTT-1.5.4-1'],
  ['a user property with a malformed value', publish('a', list(prop(38, text('a'), text(Buffer.of(0xc3))))), 'utf8', malformed, 'MQTT-1.5.4-1'],
  ['a user property with NUL', publish('a', list(prop(38, text('a'), text('\0')))), 'nul', malformed, 'MQTT-1.5.4-2'],
  ['a subscription identifier of a client', publish('a', list(prop(11, variable(1)))), 'property', protocolError, 'MQTT-3.3.4-6'],
  ['a session expiry in PUBLISH', publish('a', list(prop(17, four(1)))), 'property', malformed],
  ...[0, 4, 18, 19, 26, 31, 36, 37, 40, 41, 42, 43, 0x7f, 0x80, 0xff].map((number): Fault => [`property ${number}`, publish('a', list(prop(number, four(0)))), 'property', malformed]),
  ['a length of properties with a needless byte', packet(0x30, text('a'), Buffer.of(0x80, 0x00)), 'length', malformed, 'MQTT-1.5.5-1'],
  ['a length of properties of five bytes', packet(0x30, text('a'), Buffer.of(0x80, 0x80, 0x80, 0x80, 0x01)), 'length', malformed, 'MQTT-1.5.5-1'],
  ['a length of properties that is cut off', packet(0x30, text('a'), Buffer.of(0x80)), 'malformed', malformed],
  ['properties beyond the packet', packet(0x30, text('a'), Buffer.of(6), prop(35, two(1))), 'malformed', malformed],
  ['a property that the list cuts off', packet(0x30, text('a'), Buffer.of(2), prop(35, two(1))), 'malformed', malformed],
  ['a property without a value', packet(0x30, text('a'), Buffer.of(1), prop(35, two(1))), 'malformed', malformed],
  ['a text that the list cuts off', packet(0x30, text('a'), Buffer.of(5), prop(3, text('abc'))), 'malformed', malformed],
  ['a pair without its value', packet(0x30, text('a'), Buffer.of(4), userProperty), 'malformed', malformed],
  ['a user property that the list cuts off', packet(0x30, text('a'), Buffer.of(userProperty.length - 1), userProperty), 'malformed', malformed],

  ...[0x40, 0x50, 0x62, 0x70].flatMap((first): Fault[] => [
    [`${first} without packet id`, packet(first), 'malformed', malformed],
    [`${first} with half a packet id`, packet(first, reason(0)), 'malformed', malformed],
    [`${first} with packet id 0`, packet(first, two(0)), 'packet-id', protocolError, 'MQTT-2.2.1-3'],
    [`${first} with an unknown reason code`, acknowledge(first, reason(0x01)), 'reason-code', protocolError, 'MQTT-3.4.2-1'],
    [`${first} with another packet's reason code`, acknowledge(first, reason(first < 0x60 ? 0x92 : 0x80)), 'reason-code', protocolError, 'MQTT-3.4.2-1'],
    [`${first} with another packet's property`, acknowledge(first, reason(0), list(prop(35, two(1)))), 'property', malformed],
    [`${first} with two reason strings`, acknowledge(first, reason(0), list(prop(31, text('a')), prop(31, text('b')))), 'property', protocolError],
    [`${first} with something left`, acknowledge(first, reason(0), list(), reason(0)), 'malformed', malformed],
    [`${first} with a list beyond its end`, acknowledge(first, reason(0), Buffer.of(1)), 'malformed', malformed]
  ]),

  ['SUBSCRIBE with packet id 0', packet(0x82, two(0), list(), text('a'), reason(0)), 'packet-id', protocolError, 'MQTT-2.2.1-3'],
  ['SUBSCRIBE without properties', packet(0x82, id), 'malformed', malformed],
  ['SUBSCRIBE without filters', packet(0x82, id, list()), 'no-filters', protocolError, 'MQTT-3.8.3-2'],
  ['SUBSCRIBE without options', packet(0x82, id, list(), text('a')), 'malformed', malformed],
  ['SUBSCRIBE with an empty filter', subscribe('', 0), 'filter', 0x8f, 'MQTT-4.7.3-1'],
  ['a misplaced #', subscribe('a#', 0), 'filter', 0x8f, 'MQTT-4.7.1-1'],
  ['a misplaced +', subscribe('a+', 0), 'filter', 0x8f, 'MQTT-4.7.1-2'],
  ['a group without a filter', subscribe('$share/g/', 0), 'filter', 0x8f, 'MQTT-4.8.2-2'],
  ['a subscription of QoS 3', subscribe('a', 3), 'qos', protocolError],
  ['retain handling 3', subscribe('a', 0x30), 'options', protocolError],
  ['reserved option 6', subscribe('a', 0x40), 'options', malformed, 'MQTT-3.8.3-5'],
  ['reserved option 7', subscribe('a', 0x80), 'options', malformed, 'MQTT-3.8.3-5'],
  ['No Local of a shared subscription', subscribe('$share/g/a', 0x04), 'options', protocolError, 'MQTT-3.8.3-4'],
  ['subscription identifier 0', subscribe('a', 0, list(prop(11, variable(0)))), 'property', protocolError],
  ['two subscription identifiers', subscribe('a', 0, list(prop(11, variable(1)), prop(11, variable(2)))), 'property', protocolError],
  ['a subscription identifier with a needless byte', subscribe('a', 0, list(prop(11, Buffer.of(0x81, 0)))), 'length', malformed, 'MQTT-1.5.5-1'],
  ['a subscription identifier of five bytes', subscribe('a', 0, list(prop(11, Buffer.of(0xff, 0xff, 0xff, 0xff, 1)))), 'length', malformed, 'MQTT-1.5.5-1'],
  ['a subscription identifier that the list cuts off', subscribe('a', 0, Buffer.of(2, 11, 0x80)), 'malformed', malformed],
  ['a reason string in SUBSCRIBE', subscribe('a', 0, list(prop(31, text('a')))), 'property', malformed],
  ['UNSUBSCRIBE with packet id 0', packet(0xa2, two(0), list(), text('a')), 'packet-id', protocolError, 'MQTT-2.2.1-3'],
  ['UNSUBSCRIBE without properties', packet(0xa2, id), 'malformed', malformed],
  ['UNSUBSCRIBE without filters', unsubscribe(list(userProperty)), 'no-filters', protocolError, 'MQTT-3.10.3-2'],
  ['UNSUBSCRIBE with a subscription identifier', unsubscribe(list(prop(11, variable(1))), 'a'), 'property', malformed],

  ...[0x01, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x9a, 0x9c, 0xa2].map((code): Fault => [`DISCONNECT with ${code}`, goodbye(reason(code)), 'reason-code', protocolError, 'MQTT-3.4.2-1']),
  ['DISCONNECT with a server reference', goodbye(reason(0), list(prop(28, text('elsewhere')))), 'property', protocolError],
  ['DISCONNECT with two reason strings', goodbye(reason(0), list(prop(31, text('a')), prop(31, text('b')))), 'property', protocolError],
  ['DISCONNECT with something left', goodbye(reason(0), list(), reason(0)), 'malformed', malformed],
  ['DISCONNECT with a list beyond its end', goodbye(reason(0), Buffer.of(1)), 'malformed', malformed],
  ['DISCONNECT that keeps a session which ends', goodbye(reason(0), list(prop(17, four(1)))), 'property', protocolError]
]

test('what MQTT 5 forbids is refused with its reason code, wherever it is cut', () => {
  for (const [name, bytes, ...expected] of bad) refuses(bytes[0] === 0x10 ? bytes : Buffer.concat([connect, bytes]), name, ...expected)
  assert.ok(bad.length > 100)
})

test('a guard knows the level once CONNECT says it', () => {
  const guard = new PacketGuard(limits)
  assert.equal(guard.level, 0)
  guard.inspect(connect.subarray(0, 8))
  assert.equal(guard.level, 0)
  guard.inspect(connect.subarray(8, 9))
  assert.equal(guard.level, 5)
  for (const [level, known] of [[4, 4], [0x85, 5], [6, 0]] as const) assert.equal(inspect(connectPacket({ level })).guard.level, known)
})

test('bytes of properties are limited, those of a CONNECT and its will together', () => {
  const of = (bytes: number): Buffer => list(prop(9, text(Buffer.alloc(bytes - 3))))
  const propertyBytes = 200
  accepts(Buffer.concat([connect, publish('a', of(200)), publish('a', of(200))]), 'as many', { ...limits, propertyBytes })
  const will = (bytes: number): Buffer => connectPacket({ flags: 0x06, properties: list(prop(21, text(Buffer.alloc(97, 'a')))), payload: [text('one'), of(bytes), text('will'), text('gone')] })
  accepts(will(100), 'together', { ...limits, propertyBytes })
  for (const bytes of [Buffer.concat([connect, publish('a', of(201))]), will(101)]) {
    const { violation } = inspect(bytes, { ...limits, propertyBytes })
    assert.deepEqual([violation?.code, violation?.reasonCode], ['property-bytes', 0x97])
    accepts(bytes, 'no limit', { ...limits, propertyBytes: 0 })
  }
  const announced = new PacketGuard({ ...limits, propertyBytes })
  assert.equal(announced.inspect(Buffer.concat([connect, packet(0x30, text('a'), of(201)).subarray(0, 8)]))?.code, 'property-bytes')
})

test('packets cost what those of 3.1.1 cost, and sixteen user properties one unit', () => {
  const costOf = (bytes: Buffer): number => inspect(Buffer.concat([connect, bytes])).guard.units - inspect(connect).guard.units
  assert.equal(costOf(publish('a', list())), 1)
  assert.equal(costOf(publish('a', list(...Array.from({ length: 24 }, () => userProperty)))), 2.5)
  assert.equal(costOf(Buffer.concat([publish('a', list(userProperty, userProperty)), packet(0xc0)])), 2.125)
  assert.equal(costOf(acknowledge(0x40, reason(0), list())), 0.5)
  assert.equal(costOf(acknowledge(0x62)), 2)
  assert.equal(costOf(subscribe('a', 0)), 8)
  assert.equal(costOf(unsubscribe(list(), 'a', 'b')), 16)
})

test('a PUBLISH waits behind a SUBSCRIBE of any session until that is in force', () => {
  const before = Buffer.concat([subscribe('a', 0), packet(0xc0)])
  for (const session of [connect, kept, nothingAlone]) {
    const guard = new PacketGuard(limits)
    guard.inspect(session, 1_000, 1_000)
    guard.inspect(Buffer.concat([before, publish('a', list())]), 1_000, 1_000)
    assert.deepEqual([guard.inspected, guard.waits], [before.length, true])
    guard.subscribing = 0
    assert.equal(guard.waits, false)
  }
})

test('nothing behind a DISCONNECT is inspected, and it waits for good', () => {
  for (const bound of [1_000, Infinity]) {
    const bytes = Buffer.concat([connect, goodbye(), packet(0xc0)])
    const guard = new PacketGuard(limits)
    if (bound !== Infinity) guard.inspect(connect, bound)
    assert.equal(guard.inspect(bound === Infinity ? bytes : bytes.subarray(connect.length), bound), undefined)
    assert.equal(guard.inspected, bound === Infinity ? connect.length + 2 : 2)
    assert.equal(guard.waits, false)
    assert.equal(guard.inspect(packet(0xc0), bound), undefined)
    assert.deepEqual([guard.inspected, guard.packets, guard.waits], [0, 2, true])
  }
})
