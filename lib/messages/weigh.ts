import type { Message } from './parse.ts'

/** Most bytes of memory that one payload may unfold to. */
export const mostUnfolded = 8_000_000

/** Up to so many bytes a payload is not looked through: neither deep nor large is what is so short. */
export const shortPayload = 1_000
/** What a short one counts, times its length: those that are usual take half of it. Of those made for it, which take three times as much, the number is limited. */
const shortWeight = 8
/** Beyond so many bytes their number is not enough. */
const fairlyShort = 400
const fairlyShortWeight = 16

// What V8 takes at most for what stands in so few characters: `{},` takes 64 bytes, `1.5,` and `"ab",` up to 32 each.
const container = 64
const element = 32

const [quote, backslash, comma, colon, openBracket, closeBracket, openBrace, closeBrace] = [...'"\\,:[]{}'].map(character => character.charCodeAt(0)) as [number, number, number, number, number, number, number, number]

export interface Weight {
  /** Memory that the payload and what it unfolds to take together, in bytes; an estimate, rather too high. */
  bytes: number
  /** How deep it is nested. */
  levels: number
}

/** What JSON weighs, before it is parsed; of what is no JSON it says nothing. */
export function weigh (json: Uint8Array): Weight {
  const { length } = json
  if (length <= shortPayload) return { bytes: length * (length <= fairlyShort ? shortWeight : fairlyShortWeight), levels: 0 }
  // Its bytes, and its texts once more.
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

/** What a message takes that is there as an object, in bytes; counting ends beyond the most that a payload may take. */
export function weighMessage ({ payload }: Message): number {
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
