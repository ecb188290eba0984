import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generate, parser, type Packet } from 'mqtt-packet'
import { PacketGuard } from '../../../../lib/broker/stream/packet-guard.ts'
import { chance, packet } from '../../../helpers/packet-bytes.ts'

// MQTT 5: packets that mqtt-packet makes, and what becomes of them by chance. Its parser is the other judge.

type Any = (below: number) => number

const limits = { connectBytes: 0, packetBytes: 200_000, propertyBytes: 100_000 }

/** Some of the properties, each of them or not. */
function some<T extends object> (any: Any, all: T): Partial<T> {
  return Object.fromEntries(Object.entries(all).filter(() => any(2) === 0)) as Partial<T>
}

const textOf = (any: Any): string => ['', 'a', 'sensor/küche/🌡️', '\ufeffx', 'x'.repeat(1 + any(300))][any(5)]!
const topicOf = (any: Any): string => textOf(any) || '/'
const bytesOf = (any: Any): Buffer => Buffer.alloc([0, 5, 130, 17_000][any(16) === 0 ? 3 : any(3)]!, any(256))
const four = (any: Any): number => [0, 1, 60, 0xffff_ffff][any(4)]!

/** At least one: of none, mqtt-packet makes no packet. */
function userProperties (any: Any): Record<string, string | string[]> {
  return Object.fromEntries(Array.from({ length: 1 + any(3) }, (_, i) => [`${textOf(any)}${i}`, any(3) === 0 ? [textOf(any), textOf(any)] : textOf(any)]))
}

function messageProperties (any: Any): object {
  return {
    payloadFormatIndicator: any(2) === 0, messageExpiryInterval: four(any), contentType: textOf(any), responseTopic: topicOf(any),
    correlationData: bytesOf(any), userProperties: userProperties(any)
  }
}

function connectOf (any: Any): Packet {
  const will = {
    topic: topicOf(any), payload: bytesOf(any), qos: any(3) as 0 | 1 | 2, retain: any(2) === 1,
    properties: some(any, { ...messageProperties(any), willDelayInterval: four(any) })
  }
  const properties = some(any, {
    sessionExpiryInterval: four(any), receiveMaximum: 1 + any(65_535), maximumPacketSize: 1 + any(1_000), topicAliasMaximum: any(65_536),
    requestResponseInformation: any(2) === 0, requestProblemInformation: any(2) === 0, userProperties: userProperties(any)
  })
  const authentication = any(3) === 0 ? { authenticationMethod: textOf(any), ...some(any, { authenticationData: bytesOf(any) }) } : {}
  const clientId = textOf(any)
  // mqtt-packet makes no CONNECT with a password alone, or that keeps a session without a client id.
  const credentials = any(2) === 0 ? { username: textOf(any), ...some(any, { password: bytesOf(any) }) } : {}
  return {
    cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId, clean: clientId === '' || any(2) === 0, keepalive: any(65_536),
    properties: { ...properties, ...authentication }, ...some(any, { will }), ...credentials
  } as Packet
}

function packetOf (any: Any): Packet {
  const messageId = 1 + any(65_535)
  const qos = any(3) as 0 | 1 | 2
  const filter = ['#', 'a/+', '+/b/#', '$share/g/a/#', 'été'][any(5)]!
  const option = { topic: filter, qos, nl: !filter.startsWith('$share') && any(2) === 0, rap: any(2) === 0, rh: any(3) }
  const alias = any(2) === 0 ? { topicAlias: 1 + any(65_535) } : {}
  const answer = { messageId, properties: some(any, { reasonString: textOf(any), userProperties: userProperties(any) }) }
  return ([
    {
      cmd: 'publish', topic: 'topicAlias' in alias && any(2) === 0 ? '' : topicOf(any), payload: bytesOf(any), qos, dup: qos > 0 && any(2) === 1, retain: any(2) === 1, messageId,
      properties: { ...some(any, messageProperties(any)), ...alias }
    },
    {
      cmd: 'subscribe', messageId, subscriptions: Array.from({ length: 1 + any(4) }, () => option),
      properties: some(any, { subscriptionIdentifier: [1, 127, 128, 16_384, 268_435_455][any(5)], userProperties: userProperties(any) })
    },
    { cmd: 'unsubscribe', messageId, unsubscriptions: [filter, 'a'], properties: some(any, { userProperties: userProperties(any) }) },
    { cmd: 'puback', reasonCode: [0, 0x10, 0x80, 0x99][any(4)], ...answer },
    { cmd: 'pubrec', reasonCode: [0, 0x83, 0x97, 0x91][any(4)], ...answer },
    { cmd: 'pubrel', reasonCode: [0, 0x92][any(2)], ...answer },
    { cmd: 'pubcomp', reasonCode: [0, 0x92][any(2)], ...answer },
    { cmd: 'pingreq' }
  ] as Packet[])[any(8)]!
}

function goodbyeOf (any: Any): Packet {
  const properties = some(any, { sessionExpiryInterval: 0, reasonString: textOf(any), userProperties: userProperties(any) })
  return { cmd: 'disconnect', reasonCode: [0, 4, 0x81, 0x98][any(4)], properties } as Packet
}

const bytesOfPacket = (one: Packet): Buffer => generate(one, { protocolVersion: 5 })

test('what mqtt-packet makes passes, however it is cut', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const any = chance(seed)
    const packets = [connectOf(any), ...Array.from({ length: 1 + any(20) }, () => packetOf(any)), goodbyeOf(any)]
    const stream = Buffer.concat(packets.map(bytesOfPacket))
    const guard = new PacketGuard(limits)
    for (let at = 0; at < stream.length;) {
      const next = at + 1 + any([1, 3, 50, 40_000][any(4)]!)
      assert.equal(guard.inspect(stream.subarray(at, next)), undefined, `seed ${seed}`)
      assert.equal(guard.inspected, Math.min(next, stream.length) - at, `seed ${seed}`)
      at = next
    }
    assert.deepEqual([guard.packets, guard.publishes], [packets.length, packets.filter(({ cmd }) => cmd === 'publish').length], `seed ${seed}`)
  }
})

/** Where a packet's body begins. */
function bodyOf (bytes: Buffer): number {
  return bytes.findIndex((byte, i) => i > 0 && byte < 0x80) + 1
}

/** Change some bytes; now and then with a remaining length that is right again. */
function mutated (any: Any, bytes: Buffer): Buffer {
  const isRepaired = any(4) > 0
  let changed = Buffer.from(isRepaired ? bytes.subarray(bodyOf(bytes)) : bytes)
  for (let times = 1 + any(3); times > 0; times--) {
    // Most of what matters stands at the beginning.
    const at = any(any(2) === 0 ? Math.min(24, changed.length + 1) : changed.length + 1)
    // Lengths that are off by little.
    if (any(3) === 0 && at < changed.length) {
      changed[at]! += any(7) - 3
      continue
    }
    const rest = changed.subarray(Math.min(changed.length, at + [0, 1, 1, 1 + any(4)][any(4)]!))
    const put = [[], [any(256)], [any(48)], [[0, 0x80, 0xff, 0x23, 0x2b, 0x26, 0x0b, 0x11, 0x23][any(9)]!]][any(4)]!
    changed = Buffer.concat([changed.subarray(0, at), Buffer.from(put), rest])
  }
  return isRepaired ? packet(bytes[0]!, changed) : changed
}

interface Reader {
  _pos: number
  _parseVarByteNum (): number | false
  _parseProperties (): object
}

/** Fails unless the parser takes the bytes for so many packets, each as long as its fields, and its properties as long as they say. */
function judge (bytes: Buffer, packets: number, hint: string): void {
  const reader = parser() as ReturnType<typeof parser> & Reader
  const { _parseProperties: propertiesOf } = reader
  reader._parseProperties = () => {
    const from = reader._pos
    const length = Number(reader._parseVarByteNum())
    const end = reader._pos + length
    reader._pos = from
    const properties = propertiesOf.call(reader)
    assert.equal(reader._pos, end, hint)
    return properties
  }
  let count = 0
  reader.on('error', (error: Error) => assert.fail(`${hint}: ${error.message}`))
  reader.on('packet', (one: Packet) => {
    count++
    const payload = one.cmd === 'publish' ? one.payload.length : 0
    assert.equal(reader._pos + payload, one.length, hint)
  })
  assert.equal(reader.parse(bytes), 0, hint)
  assert.equal(count, packets, hint)
}

test('what becomes of packets by chance passes only if the parser takes all of it', () => {
  const codes = new Set<string>()
  let passed = 0
  const seeds = 5_000
  for (let seed = 1; seed <= seeds; seed++) {
    const any = chance(seed)
    const packets = [connectOf(any), packetOf(any), any(4) === 0 ? goodbyeOf(any) : packetOf(any), packetOf(any)].map(bytesOfPacket)
    const target = any(3)
    packets[target] = mutated(any, packets[target]!)
    const stream = Buffer.concat(packets)
    const guard = new PacketGuard(limits)
    const hint = `seed ${seed}`
    const violation = guard.inspect(stream)
    const slow = new PacketGuard(limits)
    const cut = any(stream.length)
    slow.inspect(stream.subarray(0, cut))
    assert.equal(slow.inspect(stream.subarray(cut))?.code, violation?.code, hint)
    if (violation !== undefined) {
      codes.add(violation.code)
      continue
    }
    passed++
    judge(stream.subarray(0, guard.whole), guard.packets, hint)
  }
  assert.ok(passed > seeds / 10, `${passed}`)
  assert.ok(codes.size >= 17, [...codes].join())
})
