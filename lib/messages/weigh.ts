/** Most bytes of memory that one payload may unfold to. */
export const mostUnfolded = 8_000_000

/** Bytes up to which a payload is not looked through: it can be neither deep nor large. */
export const shortPayload = 1_000
/**
 * What a short payload counts, as a multiple of its length. Usual ones take half of that. One that is made to be expensive takes three
 * times as much; the number of payloads is limited as well.
 */
const shortWeight = 8
/** Bytes beyond which limiting the number of payloads is not enough. */
const fairlyShort = 400
const fairlyShortWeight = 16

// The most bytes that V8 takes for a few characters: 64 for `{},`, 32 for `1.5,` and for `"ab",`.
const container = 64
const element = 32

const [quote, backslash, comma, colon, openBracket, closeBracket, openBrace, closeBrace] = [...'"\\,:[]{}'].map(character => character.charCodeAt(0)) as [number, number, number, number, number, number, number, number]

export interface Weight {
  /** Memory that the payload and what it unfolds to take together, in bytes; an estimate, rather too high. */
  bytes: number
  /** How deep it is nested. */
  levels: number
}

/** What JSON weighs, before it is parsed. For other texts the result means nothing. */
export function weigh (json: Uint8Array): Weight {
  const { length } = json
  if (length <= shortPayload) return { bytes: length * (length <= fairlyShort ? shortWeight : fairlyShortWeight), levels: 0 }
  // The payload itself, and its strings once more.
  let bytes = length * 2
  let level = 0
  let levels = 0
  for (let i = 0; i < length; i++) {
    const code = json[i]
    if (code === quote) {
      // To the end of the text.
      for (i++; i < length && json[i] !== quote; i++) if (json[i] === backslash) i++
    } else if (code === comma || code === colon) {
      bytes += element
    } else if (code === openBrace || code === openBracket) {
      bytes += container
      if (++level > levels) levels = level
    } else if (code === closeBrace || code === closeBracket) {
      level--
    }
  }
  return { bytes, levels }
}

/** Bytes that a message takes that is an object already. Counting ends beyond the most that a payload may take. */
export function weighMessage ({ payload }: { payload: object }): number {
  let bytes = 0
  const open: unknown[] = [payload]
  const add = (value: unknown): void => {
    bytes += element
    if (typeof value === 'string') bytes += value.length * 2
    else if (typeof value === 'object' && value !== null) open.push(value)
  }
  while (open.length > 0 && bytes < mostUnfolded) {
    const value = open.pop() as object
    bytes += container
    if (ArrayBuffer.isView(value)) bytes += value.byteLength
    else if (Array.isArray(value)) value.every(item => { add(item); return bytes < mostUnfolded })
    else for (const key in value) add(value[key as never])
  }
  return bytes
}
