import { hash, randomBytes } from 'node:crypto'

/**
 * The first 48 bits of the payload's SHA-1 as a whole number, which fits a double. It stands for `seq` when a sender gives none, so that
 * the same payload is recognised when it is stored again, and another one with the same timestamp is kept.
 * @param payload JSON
 */
export function fingerprint (payload: string | Uint8Array): number {
  return Number.parseInt(hash('sha1', payload, 'hex').slice(0, 12), 16)
}

const most = 2 ** 48
// A random start, so that no two processes, or runs of one, count through the same numbers.
let last = randomBytes(6).readUIntBE(0, 6)

/** A `seq` that no other message has, for messages with neither `seq` nor timestamp: nothing else tells two equal ones apart. */
export function nextSeq (): number {
  last = (last + 1) % most
  return last
}
