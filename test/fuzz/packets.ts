import fc, { type Arbitrary } from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { payloads, share } from './json.ts'

/** What a client sends, as bytes: packets that mqtt-packet makes, and what may become of them. */

type Version = 3 | 4 | 5

const messageIds = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 20 }) }, fc.integer({ min: 1, max: 65_535 }))
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const)
const levels = fc.constantFrom('a', 'b', 'agent', 'message', '', ' ', '$SYS', '$share', '$dollar', 'é', '😀', '\ufeff', '__proto__', 'x'.repeat(300))
const agentTopics = fc.constantFrom('agent/message', 'agent/connected', 'agent/disconnected', 'agent/Message', 'agent/message/')
const deep = fc.constantFrom('/', 'a/').chain(one => fc.constantFrom(20, 32, 33, 200, 5_000).map(count => one.repeat(count)))
const topics = fc.oneof(
  { weight: 4, arbitrary: agentTopics },
  { weight: 4, arbitrary: fc.array(levels, { minLength: 1, maxLength: 5 }).map(all => all.join('/') || 'a') },
  { weight: 1, arbitrary: deep },
  fc.constantFrom('config_change/all', '$SYS/broker/clients/total', '$share/g/a', 'x'.repeat(65_535))
)
const filters = fc.oneof(
  { weight: 3, arbitrary: topics },
  { weight: 3, arbitrary: fc.array(fc.oneof(levels, fc.constant('+')), { minLength: 1, maxLength: 5 }).chain(all => fc.constantFrom('', '/#').map(end => `${all.join('/') || '+'}${end}`)) },
  fc.constantFrom('#', '+', '+/+/+/+', '$share/g/#', '$share/g/agent/+', '$share//a', '$share/a+/b', '$SYS/#', 'agent/#')
)
const clientIds = fc.constantFrom('', 'one', 'two', 'honest', '__proto__', 'constructor', '😀', 'x'.repeat(200), '$SYS', 'a/+/#')
const bodies: Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: payloads.map(({ text }) => Buffer.from(text)) },
  fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
  fc.constantFrom(0, 2_000, 70_000).map(size => Buffer.alloc(size, 'x'))
)
const properties = (version: Version, make: Arbitrary<object>): Arbitrary<{ properties?: object }> => version === 5 ? make.map(properties => ({ properties })) : fc.constant({})
const userProperties = fc.dictionary(fc.constantFrom('a', '__proto__', 'é'), fc.string({ maxLength: 5 }), { maxKeys: 2 })

// CONNECT is small, or refused.
const willTopics = fc.oneof({ weight: 6, arbitrary: agentTopics }, topics)
const goodbyes = fc.constantFrom('', '{"agent":{"uuid":"a"}}', '{"agent":{"uuid":"a","name":null}}', '{').map(text => Buffer.from(text))
const willBodies = fc.oneof({ weight: 6, arbitrary: goodbyes }, bodies)
const will = (version: Version): Arbitrary<object> => {
  const ofVersion5 = fc.record({ willDelayInterval: fc.nat(10), messageExpiryInterval: fc.nat(10), userProperties }, { requiredKeys: [] })
  return fc.tuple(fc.record({ topic: willTopics, payload: willBodies, qos, retain: fc.boolean() }), properties(version, ofVersion5)).map(([given, more]) => ({ ...given, ...more }))
}

const usernames = fc.oneof({ weight: 8, arbitrary: fc.constant(undefined) }, fc.constantFrom('u', ''))

const connects = (version: Version): Arbitrary<object> => {
  const ofVersion5 = fc.record({
    sessionExpiryInterval: fc.nat(100), receiveMaximum: fc.integer({ min: 1, max: 65_535 }), maximumPacketSize: fc.integer({ min: 1, max: 100_000 }),
    topicAliasMaximum: fc.nat(10), userProperties
  }, { requiredKeys: [] })
  const wills = fc.option(will(version), { nil: undefined })
  const given = fc.record({ clientId: clientIds, clean: fc.boolean(), keepalive: fc.constantFrom(0, 60, 65_535), username: usernames, will: wills })
  return fc.tuple(given, properties(version, ofVersion5)).map(([given, more]) => ({
    cmd: 'connect', protocolId: version === 3 ? 'MQIsdp' : 'MQTT', protocolVersion: version, ...given, ...more,
    ...given.username === undefined ? {} : { password: 'p' },
    clean: given.clean || given.clientId === '',
    // MQTT 3.1 knows no empty one.
    clientId: given.clientId || (version === 3 ? 'three' : '')
  }))
}

const publishes = (version: Version): Arbitrary<object> => {
  const ofVersion5 = fc.record({
    topicAlias: fc.integer({ min: 1, max: 10 }), messageExpiryInterval: fc.nat(10), contentType: fc.constant('x'), payloadFormatIndicator: fc.boolean(), userProperties
  }, { requiredKeys: [] })
  const given = fc.record({ topic: topics, payload: bodies, qos, retain: fc.boolean(), dup: fc.boolean(), messageId: messageIds })
  return fc.tuple(given, properties(version, ofVersion5)).map(([given, more]) => ({ cmd: 'publish', ...given, dup: given.dup && given.qos > 0, ...more }))
}

const others = (version: Version): Arbitrary<object> => fc.oneof(
  fc.tuple(messageIds, fc.array(fc.record({ topic: filters, qos, nl: fc.boolean(), rap: fc.boolean(), rh: fc.constantFrom(0, 1, 2) }), { minLength: 1, maxLength: 4 }))
    .map(([messageId, subscriptions]) => ({ cmd: 'subscribe', messageId, subscriptions: version === 5 ? subscriptions : subscriptions.map(({ topic, qos }) => ({ topic, qos })) })),
  fc.tuple(messageIds, fc.array(filters, { minLength: 1, maxLength: 4 })).map(([messageId, unsubscriptions]) => ({ cmd: 'unsubscribe', messageId, unsubscriptions })),
  fc.tuple(fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp'), messageIds).map(([cmd, messageId]) => ({ cmd, messageId })),
  fc.constantFrom({ cmd: 'pingreq' }, { cmd: 'pingreq' }, { cmd: 'disconnect' }),
  // What only a broker sends.
  fc.constantFrom({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: false }, { cmd: 'suback', messageId: 1, granted: [0] }, { cmd: 'pingresp' }, { cmd: 'unsuback', messageId: 1, granted: [0] })
)

const bytesOf = (version: Version) => (packet: object): Buffer => generate(packet as Packet, { protocolVersion: version })

export type Change =
  | { kind: 'bits', places: Array<[at: number, byte: number]> }
  | { kind: 'cut' | 'grow', at: number, bytes: Uint8Array }
  | { kind: 'length', length: number }
  | { kind: 'flags', flags: number }

export const changes: Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('bits' as const), places: fc.array(fc.tuple(fc.oneof(fc.nat(12), fc.nat(200)), fc.nat(255)), { minLength: 1, maxLength: 3 }) }),
  fc.record({ kind: fc.constantFrom('cut' as const, 'grow' as const), at: fc.nat(60), bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }) }),
  fc.record({ kind: fc.constant('length' as const), length: fc.constantFrom(0, 1, 2, 127, 128, 16_383, 16_384, 2_097_151, 268_435_455, 268_435_456) }),
  fc.record({ kind: fc.constant('flags' as const), flags: fc.nat(15) })
)

export function changed (bytes: Buffer, change: Change): Buffer {
  switch (change.kind) {
    case 'bits': {
      const result = Buffer.from(bytes)
      for (const [at, byte] of change.places) result[at % result.length] = byte
      return result
    }
    case 'cut': return Buffer.concat([bytes.subarray(0, change.at), bytes.subarray(change.at + change.bytes.length)])
    case 'grow': return Buffer.concat([bytes.subarray(0, change.at), change.bytes, bytes.subarray(change.at)])
    case 'length': {
      const lengthBytes = bytes.subarray(1, 5).findIndex(byte => byte < 0x80) + 1
      return Buffer.concat([bytes.subarray(0, 1), remainingLength(change.length), bytes.subarray(1 + lengthBytes)])
    }
    case 'flags': return Buffer.concat([Buffer.of(bytes[0]! & 0xf0 | change.flags), bytes.subarray(1)])
  }
}

function remainingLength (value: number): Buffer {
  const bytes: number[] = []
  do {
    bytes.push(value % 128 + (value >= 128 ? 128 : 0))
    value = Math.floor(value / 128)
  } while (value > 0)
  return Buffer.from(bytes)
}

/** What one connection sends, in the segments in which it sends it, and how it ends. */
export interface Hostility { segments: Buffer[], end: 'close' | 'reset' }

const versions = fc.oneof({ weight: 8, arbitrary: fc.constant(4 as const) }, fc.constantFrom(3 as const, 5 as const))

/** Where bytes are cut, as shares of them. */
export const cuts: Arbitrary<number[]> = fc.oneof({ weight: 2, arbitrary: fc.constant<number[]>([]) }, fc.array(share, { maxLength: 6 }))

export function segmentsOf (bytes: Buffer, shares: number[]): Buffer[] {
  const places = [0, ...shares.map(share => Math.floor(share * bytes.length)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((place, i) => bytes.subarray(places[i], place)).filter(({ length }) => length > 0)
}

export const hostilities: Arbitrary<Hostility> = versions.chain(version => fc.record({
  first: connects(version).map(bytesOf(version)),
  packets: fc.array(fc.oneof({ weight: 3, arbitrary: publishes(version) }, { weight: 2, arbitrary: others(version) }, connects(version)).map(bytesOf(version)), { maxLength: 6 }),
  // Most connections get past CONNECT.
  order: fc.oneof({ weight: 12, arbitrary: fc.constant('usual' as const) }, fc.constantFrom('withoutConnect' as const, 'connectLast' as const)),
  changing: fc.oneof(fc.constant([]), fc.array(fc.tuple(fc.nat(7), changes), { minLength: 1, maxLength: 3 })),
  shares: cuts,
  end: fc.constantFrom('close' as const, 'close' as const, 'reset' as const)
})).map(({ first, packets, order, changing, shares, end }) => {
  const all = order === 'usual' ? [first, ...packets] : order === 'connectLast' ? [...packets, first] : [...packets]
  for (const [at, change] of changing) {
    // The first packet is the last to be changed.
    const place = all.length - 1 - at % Math.max(1, all.length)
    if (all[place] !== undefined) all[place] = changed(all[place], change)
  }
  return { segments: segmentsOf(Buffer.concat(all), shares), end }
})

/** Without their packet ids. */
export const goodPackets = fc.oneof(
  { weight: 5, arbitrary: fc.record({ cmd: fc.constant('publish' as const), topic: fc.constantFrom('good/a', 'good/é/b', 'good/'), payload: fc.string({ maxLength: 30 }), qos, retain: fc.constant(false), dup: fc.constant(false) }) },
  { weight: 2, arbitrary: fc.record({ cmd: fc.constant('subscribe' as const), subscriptions: fc.array(fc.record({ topic: fc.constantFrom('good/#', '+/a', 'other'), qos }), { minLength: 1, maxLength: 3 }) }) },
  fc.record({ cmd: fc.constant('unsubscribe' as const), unsubscriptions: fc.array(fc.constantFrom('good/#', '+/a', 'never'), { minLength: 1, maxLength: 3 }) }),
  fc.record({ cmd: fc.constant('pingreq' as const) })
)
