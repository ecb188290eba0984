import fc, { type Arbitrary } from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { payloads } from './json.ts'
import { changed, changes, cuts, type Change } from './packets.ts'

/** What a broker sends to its clients, and what may become of it. */

export type Version = 4 | 5

/** Something that a broker sends: one of the messages that it keeps, or a packet that it should not send, or not like this. */
export type Item = { kind: 'kept', dup: 'right' | 'wrong' } | { kind: 'packet', packet: object, change: Change | undefined, copies: number } | { kind: 'bytes', bytes: Buffer }

/** How it sends one WebSocket frame. */
export type Framing = 'right' | 'text' | 'fragments' | 'ping' | 'masked' | 'reserved' | 'closing' | 'tooLong' | 'endless'

/** One connection: what comes first, what comes without having been asked for, what SUBSCRIBE is answered with and what comes then. */
export interface Session { first: Item[], early: Item[], answer: Item[], late: Item[], cuts: number[], framing: Framing[], end: 'close' | 'reset' | 'stay', ids: 'same' | 'new' }

const rightly = { kind: 'kept' as const, dup: 'right' as const }
/** In the place of an id: that of the packet that the client sent last. */
export const lastId = 0
/** The packet ids of what is not kept. Those of kept messages are greater. */
const ids = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 30 }) }, fc.constant(65_535))
const answered = fc.oneof({ weight: 3, arbitrary: fc.constant(lastId) }, ids)
const qos = fc.constantFrom(0 as const, 1 as const, 1 as const, 2 as const)
const topics = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('agent/message', 'agent/connected', 'agent/disconnected', 'agent/shard/message', 'heard/a') },
  fc.constantFrom('other', 'agent/', 'a/#', '+', '$SYS/broker/log/N', '\0', '\ufeff', '__proto__', 'x'.repeat(65_535), 'agent/message/')
)
const bodies: Arbitrary<Buffer> = fc.oneof(
  { weight: 20, arbitrary: payloads.map(({ text }) => Buffer.from(text)) },
  { weight: 10, arbitrary: fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)) },
  { weight: 2, arbitrary: fc.constantFrom(0, 70_000).map(size => Buffer.alloc(size, 'x')) },
  // Larger than what is taken.
  fc.constantFrom(2_200_000, 2 * 1024 * 1024).map(size => Buffer.alloc(size, 'x'))
)
const texts = fc.constantFrom('', 'a', 'é', 'x'.repeat(1_000), 'mqtt://192.0.2.1')
const whole = fc.constantFrom(0, 1, 2, 100, 65_535)
const userProperties = fc.dictionary(fc.constantFrom('a', '__proto__', 'é'), texts, { maxKeys: 2 })
const optional = (properties: Record<string, Arbitrary<unknown>>): Arbitrary<object> => fc.oneof(fc.constant({}), fc.record(properties, { requiredKeys: [] }))

const codes = fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2, 3, 4, 5, 6, 0x84, 0x85, 0x87, 0x8a, 0x8e, 0x97, 0x9c, 0x9d, 200))
const connacks = fc.record({
  cmd: fc.constant('connack'), sessionPresent: fc.boolean(), code: codes,
  properties: optional({
    serverKeepAlive: whole, receiveMaximum: fc.constantFrom(1, 20, 65_535), maximumQoS: fc.constantFrom(0, 1), retainAvailable: fc.boolean(),
    maximumPacketSize: fc.constantFrom(1, 20, 1_000, 268_435_456), topicAliasMaximum: whole, assignedClientIdentifier: texts,
    wildcardSubscriptionAvailable: fc.boolean(), subscriptionIdentifiersAvailable: fc.boolean(), sharedSubscriptionAvailable: fc.boolean(),
    sessionExpiryInterval: fc.constantFrom(0, 1, 4_294_967_295), serverReference: texts, reasonString: texts, userProperties
  })
}).map(({ code, ...packet }) => ({ ...packet, returnCode: code, reasonCode: code }))

const publishes = fc.record({
  cmd: fc.constant('publish'), topic: topics, payload: bodies, qos, dup: fc.boolean(), retain: fc.boolean(), messageId: ids,
  properties: optional({ topicAlias: fc.integer({ min: 1, max: 10 }), messageExpiryInterval: whole, contentType: texts, responseTopic: texts, payloadFormatIndicator: fc.boolean(), subscriptionIdentifier: fc.integer({ min: 1, max: 100 }), correlationData: fc.constant(Buffer.from('x')), userProperties })
}).map(({ qos, dup, ...packet }) => ({ ...packet, qos, dup: dup && qos > 0 }))

const granted = fc.array(fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.constantFrom(0, 2, 3, 0x80, 0x87, 0x8f, 0x9e, 0xff)), { maxLength: 3 })
const subacks = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ cmd: 'suback', messageId: lastId, granted: [1] }) },
  fc.record({ cmd: fc.constant('suback'), messageId: answered, granted, properties: optional({ reasonString: texts, userProperties }) })
)
const others: Arbitrary<object> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ cmd: fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp'), messageId: answered, reasonCode: fc.constantFrom(0, 0, 0x10, 0x80, 0x87, 0x92, 0x97, 200), properties: optional({ reasonString: texts, userProperties }) }) },
  { weight: 2, arbitrary: fc.record({ cmd: fc.constant('unsuback'), messageId: answered, granted }) },
  { weight: 2, arbitrary: fc.constant({ cmd: 'pingresp' }) },
  { weight: 2, arbitrary: fc.record({ cmd: fc.constant('disconnect'), reasonCode: fc.constantFrom(0, 0x8b, 0x8e, 0x9c, 200), properties: optional({ serverReference: texts, reasonString: texts, sessionExpiryInterval: whole }) }) },
  fc.record({ cmd: fc.constant('auth'), reasonCode: fc.constantFrom(0, 0x18, 0x19), properties: optional({ authenticationMethod: texts, authenticationData: fc.constant(Buffer.from('x')) }) }),
  // What only a client sends.
  fc.constantFrom({ cmd: 'pingreq' }, { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] }, { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'x', clean: true, keepalive: 0 })
)

const packets = (usual: Arbitrary<object>, changing: number): Arbitrary<Item> => fc.record({
  kind: fc.constant('packet' as const), packet: usual,
  change: fc.oneof({ weight: 10, arbitrary: fc.constant(undefined) }, { weight: changing, arbitrary: changes }),
  copies: fc.oneof({ weight: 10, arbitrary: fc.constant(1) }, fc.constantFrom(0, 2, 50))
})
const bytes: Arbitrary<Item> = fc.record({ kind: fc.constant('bytes' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 30 }).map(bytes => Buffer.from(bytes)) })
const kept: Arbitrary<Item> = fc.record({ kind: fc.constant('kept' as const), dup: fc.constantFrom('right' as const, 'right' as const, 'right' as const, 'wrong' as const) })
const items: Arbitrary<Item> = fc.oneof(
  { weight: 12, arbitrary: kept }, { weight: 8, arbitrary: packets(publishes, 4) }, { weight: 5, arbitrary: packets(others, 4) },
  { weight: 1, arbitrary: packets(connacks, 4) }, { weight: 1, arbitrary: packets(subacks, 4) }, { weight: 1, arbitrary: bytes }
)
const some = (most: number): Arbitrary<Item[]> => fc.array(items, { maxLength: most })
const connack: Item = { kind: 'packet', packet: { cmd: 'connack', sessionPresent: true, returnCode: 0, reasonCode: 0 }, change: undefined, copies: 1 }
const first: Arbitrary<Item[]> = fc.oneof({ weight: 6, arbitrary: fc.constant<Item[]>([connack]) }, { weight: 4, arbitrary: packets(connacks, 2).map(one => [one]) }, some(2))
const framings: Arbitrary<Framing[]> = fc.array(fc.oneof({ weight: 20, arbitrary: fc.constantFrom('right' as const, 'fragments' as const, 'ping' as const) }, fc.constantFrom('text' as const, 'masked' as const, 'reserved' as const, 'closing' as const, 'tooLong' as const, 'endless' as const)), { minLength: 1, maxLength: 6 })

export const sessions: Arbitrary<Session> = fc.record({
  first,
  early: fc.oneof(fc.constant<Item[]>([rightly, rightly]), some(5)),
  answer: fc.oneof({ weight: 6, arbitrary: packets(subacks, 1).map(one => [one]) }, some(2)),
  late: some(8),
  cuts,
  framing: fc.oneof(fc.constant<Framing[]>(['right']), framings),
  end: fc.constantFrom('close' as const, 'reset' as const, 'stay' as const),
  ids: fc.constantFrom('same' as const, 'new' as const)
})

/** The bytes of a packet; none where the version has no such packet. @param last see `lastId` */
export function bytesOf (packet: object, version: Version, last: number): Buffer {
  const numbered = 'messageId' in packet && packet.messageId === lastId ? { ...packet, messageId: last } : packet
  try {
    return generate(numbered as Packet, { protocolVersion: version })
  } catch {
    return Buffer.alloc(0)
  }
}

export function bytesOfItem (item: Exclude<Item, { kind: 'kept' }>, version: Version, last: number): Buffer {
  if (item.kind === 'bytes') return item.bytes
  const one = bytesOf(item.packet, version, last)
  const bytes = item.change === undefined || one.length === 0 ? one : changed(one, item.change)
  return Buffer.concat(Array.from({ length: item.copies }, () => bytes))
}
