import { isUtf8 } from 'node:buffer'
import { tooLarge } from '../messages/decode.ts'
import { mostUnfolded } from '../messages/weigh.ts'

export type Text = { ok: true, text: string } | { ok: false, reason: 'PAYLOAD_NOT_UTF8' | 'PAYLOAD_TOO_LARGE', detail: string }

/** A payload of lines: without a BOM, and without what comes after the NUL that ends a string of C. */
export function textOf (payload: Buffer): Text {
  // A character takes up to two bytes.
  if (payload.length * 2 > mostUnfolded) return tooLarge(payload.length * 2)
  const end = payload.indexOf(0)
  const bytes = end < 0 ? payload : payload.subarray(0, end)
  if (!isUtf8(bytes)) return { ok: false, reason: 'PAYLOAD_NOT_UTF8', detail: 'The payload is not UTF-8.' }
  const text = bytes.toString()
  return { ok: true, text: text.startsWith('\uFEFF') ? text.slice(1) : text }
}
