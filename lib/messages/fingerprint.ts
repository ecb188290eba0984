import { hash } from 'node:crypto'

/**
 * The first 48 bits of the payload's SHA-1 as a whole number: stands for `seq` when a sender gives none, so that the
 * same payload stored again is recognised and another one of the same timestamp is kept. 48 bits fit a double.
 * @param payload JSON
 */
export function fingerprint (payload: string | Uint8Array): number {
  return Number.parseInt(hash('sha1', payload, 'hex').slice(0, 12), 16)
}
