import type { PropertyParser } from '../aedes/aedes-internals.ts'
import { carry, type Carried } from '../carried.ts'

/** Length of what follows each property's id; absent: texts or binary data, with their lengths in front. */
const lengths: Readonly<Record<number, number>> = { 0x01: 1, 0x02: 4, 0x18: 4, 0x23: 2 }
/** Those of a message that are passed on as they are: see `Carried.properties`. */
const passedOn: readonly number[] = [0x01, 0x03, 0x08, 0x09, 0x26]
const messageExpiry = 0x02
const userProperty = 0x26
const none = Buffer.alloc(0)

/** Keep the bytes of the properties that a parser reads: what it makes of them has lost the order of user properties. @returns gives those that were read last */
export function keepPropertyBytes (parser: PropertyParser): () => Buffer {
  const parse = parser._parseProperties as PropertyParser['_parseProperties']
  let last: Buffer = none
  parser._parseProperties = function (this: PropertyParser) {
    const from = this._pos
    const properties = parse.call(this)
    // Most messages have none, and their length is one byte.
    last = this._pos - from > 1 ? this._list.slice(from, this._pos) : none
    return properties
  }
  return () => last
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
  let at = 1
  while (bytes[at - 1]! > 127) at++
  const kept: Buffer[] = []
  let expiry: number | undefined
  while (at < bytes.length) {
    const from = at
    const id = bytes[at++]!
    const length = lengths[id]
    if (id === messageExpiry) expiry = bytes.readUInt32BE(at)
    if (length !== undefined) at += length
    else {
      at += 2 + bytes.readUInt16BE(at)
      if (id === userProperty) at += 2 + bytes.readUInt16BE(at)
    }
    if (passedOn.includes(id)) kept.push(bytes.subarray(from, at))
  }
  // A copy: a slice would keep the whole chunk that the client sent in memory.
  return { properties: kept.length === 0 ? none : Buffer.concat(kept), expiry }
}
