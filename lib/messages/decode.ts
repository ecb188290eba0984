import { isUtf8 } from 'node:buffer'
import { mostUnfolded, shortPayload, weigh, type Weight } from './weigh.ts'

export type Decoded = { ok: true, value: unknown } | { ok: false, reason: 'PAYLOAD_NOT_UTF8' | 'PAYLOAD_NOT_JSON' | 'PAYLOAD_TOO_DEEP' | 'PAYLOAD_TOO_LARGE', detail: string }

/** Unknown fields pass through, and cloning or writing them later recurses once per level. */
const mostLevels = 500

/**
 * The value of a JSON text; what programs in C add to JSON is removed.
 * @param weight of the payload, where it is known
 */
export function decode (payload: Uint8Array | string, weight = weightOf(payload)): Decoded {
  if (weight.bytes > mostUnfolded) return tooLarge(weight.bytes)
  if (weight.levels > mostLevels) return { ok: false, reason: 'PAYLOAD_TOO_DEEP', detail: `The payload is nested deeper than ${mostLevels} levels.` }
  let text: string
  if (typeof payload === 'string') {
    text = payload
  } else {
    const bytes = isUtf8(payload) ? payload : beforeNul(payload)
    if (bytes === undefined) return { ok: false, reason: 'PAYLOAD_NOT_UTF8', detail: 'The payload is not UTF-8.' }
    text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  }
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch (error) {
    const repaired = repair(text)
    if (repaired !== text) {
      try {
        return { ok: true, value: JSON.parse(repaired) }
      } catch {
        // The first error is about what the sender sent.
      }
    }
    return { ok: false, reason: 'PAYLOAD_NOT_JSON', detail: `The payload is not JSON: ${(error as Error).message}.` }
  }
}

/** @param bytes of memory */
export function tooLarge (bytes: number): { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: string } {
  return { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: `The payload would take ${inMegabytes(bytes)} of memory, and at most ${inMegabytes(mostUnfolded)} are allowed: send fewer or shorter fields.` }
}

function weightOf (payload: Uint8Array | string): Weight {
  return weigh(typeof payload !== 'string' ? payload : payload.length <= shortPayload / 3 ? short : Buffer.from(payload))
}

const short = new Uint8Array(0)

function inMegabytes (bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000)} MB`
}

/** A string of C ends with a NUL, and whatever was in the buffer may follow. Undefined when there is no NUL, or no UTF-8 before it. */
function beforeNul (payload: Uint8Array): Uint8Array | undefined {
  const end = payload.indexOf(0)
  const bytes = payload.subarray(0, Math.max(0, end))
  return end >= 0 && isUtf8(bytes) ? bytes : undefined
}

/** Removes a BOM and everything from a NUL on, and what loops of `printf` leave behind: NaN and infinity become null, a comma behind the last value goes. RFC 8259, 8.1 */
function repair (json: string): string {
  const end = json.indexOf('\0')
  const text = json.slice(json.startsWith('\uFEFF') ? 1 : 0, end < 0 ? undefined : end)
  return /nan|inf|1\.#ind|,\s*[}\]]/i.test(text) ? withoutLeftovers(text) : text
}

/** `nan`, `-inf`, `NaN`, `-Infinity`, `nan(ind)`, `1.#QNAN`: C, JavaScript, Python, and Microsoft's C. */
const noNumber = /[-+]?(?:nan(?:\(\w*\))?|inf(?:inity)?|1\.#(?:qnan|snan|ind|inf)0*)(?![\w.])/iy

const lastComma = /,\s*(?=[}\]])/y

function withoutLeftovers (json: string): string {
  let repaired = ''
  let from = 0
  let inText = false
  for (let i = 0; i < json.length; i++) {
    const character = json[i] as string
    if (inText) {
      if (character === '\\') i++
      else if (character === '"') inText = false
    } else if (character === '"') {
      inText = true
    } else if ('-+nNiI1,'.includes(character)) {
      const [leftover, instead] = character === ',' ? [lastComma, ''] : [noNumber, 'null']
      leftover.lastIndex = i
      const token = leftover.exec(json)?.[0]
      if (token === undefined) continue
      repaired += json.slice(from, i) + instead
      from = i + token.length
      i = from - 1
    }
  }
  return repaired + json.slice(from)
}
