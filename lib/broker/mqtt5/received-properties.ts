import type { PropertyParser } from '../aedes/aedes-internals.ts'
import { carry, type Carried } from '../carried.ts'

/** Properties that are numbers: their length in bytes (0: as long as it takes), and the name under which mqtt-packet has them. */
const numbers: Readonly<Record<number, [length: number, name: string]>> = {
  0x01: [1, 'payloadFormatIndicator'], 0x02: [4, 'messageExpiryInterval'], 0x0b: [0, 'subscriptionIdentifier'], 0x11: [4, 'sessionExpiryInterval'],
  0x17: [1, 'requestProblemInformation'], 0x18: [4, 'willDelayInterval'], 0x19: [1, 'requestResponseInformation'], 0x21: [2, 'receiveMaximum'],
  0x22: [2, 'topicAliasMaximum'], 0x23: [2, 'topicAlias'], 0x27: [4, 'maximumPacketSize']
}
/** Those of a message that are passed on as they are: see `Carried.properties`. */
const passedOn: readonly number[] = [0x01, 0x03, 0x08, 0x09, 0x26]
const messageExpiry = 0x02
const authenticationMethod = 0x15
const userProperty = 0x26
const none = Buffer.alloc(0)

/**
 * Read properties in a parser's place, and keep their bytes: it would lose the order of user properties, and take far longer for thousands of them than
 * they take to be sent. Of those that are not numbers, only the authentication method is read.
 * @returns gives the bytes of those that were read since it was last called, with their length in front; empty: there were none
 */
export function keepPropertyBytes (parser: PropertyParser): () => Buffer {
  let last: Buffer = none
  parser._parseProperties = function (this: PropertyParser) {
    const from = this._pos
    const [head, length] = varint(this._list.slice(from, from + 4), 0)
    this._pos = from + head + length
    last = length > 0 ? this._list.slice(from, this._pos) : none
    return length > 0 ? read(last, head) : {}
  }
  return () => {
    const bytes = last
    last = none
    return bytes
  }
}

/** @returns where it ends, and what it is */
function varint (bytes: Buffer, from: number): [end: number, value: number] {
  let at = from
  let value = 0
  do value += (bytes[at]! & 0x7f) * 128 ** (at - from)
  while (bytes[at++]! > 127)
  return [at, value]
}

function read (bytes: Buffer, from: number): object {
  const properties: Record<string, number | string> = {}
  for (let at = from; at < bytes.length;) {
    const id = bytes[at]!
    const end = endOf(bytes, at)
    const number = numbers[id]
    if (number !== undefined) properties[number[1]] = number[0] === 0 ? varint(bytes, at + 1)[1] : bytes.readUIntBE(at + 1, number[0])
    else if (id === authenticationMethod) properties['authenticationMethod'] = bytes.toString('utf8', at + 3, end)
    at = end
  }
  return properties
}

/** Where the property ends that begins at `at`, with its id. */
function endOf (bytes: Buffer, at: number): number {
  const id = bytes[at]!
  const length = numbers[id]?.[0]
  if (length === 0) return varint(bytes, at + 1)[0]
  if (length !== undefined) return at + 1 + length
  const end = at + 3 + bytes.readUInt16BE(at + 1)
  return id === userProperty ? end + 2 + bytes.readUInt16BE(end) : end
}

/**
 * Let a message carry what its publisher said of it.
 * @param bytes its properties with their length in front, well-formed
 * @param isWill the time for which it is worth delivering begins when it is published
 */
export function carryProperties (payload: Buffer, retain: boolean, bytes: Buffer, isWill = false): void {
  if (bytes.length <= 1) {
    if (retain) carry(payload, { properties: none, retain })
    return
  }
  const { properties, expiry } = select(bytes)
  const carried: Carried = { properties, retain }
  if (expiry !== undefined && isWill) carried.lifetime = expiry
  else if (expiry !== undefined) carried.expiresAt = Date.now() + expiry * 1000
  carry(payload, carried)
}

function select (bytes: Buffer): { properties: Buffer, expiry: number | undefined } {
  let [at] = varint(bytes, 0)
  const kept: Buffer[] = []
  let expiry: number | undefined
  // Those side by side are kept in one piece.
  let begin = at
  while (at < bytes.length) {
    const id = bytes[at]!
    const end = endOf(bytes, at)
    if (id === messageExpiry) expiry = bytes.readUInt32BE(at + 1)
    if (!passedOn.includes(id)) {
      if (at > begin) kept.push(bytes.subarray(begin, at))
      begin = end
    }
    at = end
  }
  if (at > begin) kept.push(bytes.subarray(begin, at))
  // A copy: a slice would keep the whole chunk that the client sent in memory.
  return { properties: kept.length === 0 ? none : Buffer.concat(kept), expiry }
}
