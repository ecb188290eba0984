import { hash, randomBytes } from 'node:crypto'

/**
 * The first 48 bits of the payload's SHA-1 as a whole number: stands for `seq` when a sender gives none, so that the
 * same payload stored again is recognised and another one of the same timestamp is kept. 48 bits fit a double.
 * @param payload JSON
 */
export function fingerprint (payload: string | Uint8Array): number {
  return Number.parseInt(hash('sha1', payload, 'hex').slice(0, 12), 16)
}

const most = 2 ** 48
// A random start, so that two processes, or two runs of one, do not count alike.
let last = randomBytes(6).readUIntBE(0, 6)

/** A `seq` that no other message has, for one that carries neither `seq` nor a timestamp: nothing else tells two equal ones apart. */
export function nextSeq (): number {
  last = (last + 1) % most
  return last
}
