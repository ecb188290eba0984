import { violations, type Violation } from './violation.ts'

/** What a text is. */
export const texts = { PLAIN: 0, NAME: 1, TOPIC: 2, FILTER: 3 } as const
export type TextKind = typeof texts[keyof typeof texts]
const { NAME, TOPIC, FILTER } = texts

const slash = 0x2f
const plus = 0x2b
const hash = 0x23
/** The protocol's names, by their length. */
export const names = { 4: 'MQTT', 6: 'MQIsdp' } as const
const sharePrefix = '$share/'

/** Checks one text after the other for UTF-8, and for what its kind asks, wherever it is cut. It keeps no byte of them. */
export class TextScan {
  /** Of the text. */
  bytes = 0
  #kind: TextKind = NAME
  /** What a text of this kind may begin with, or has to be. */
  #prefix = ''
  /** Bytes that have come. */
  #come = 0
  /** Continuation bytes that the character still needs, and the bounds of the next one. */
  #more = 0
  #low = 0x80
  #high = 0xbf
  #previous = 0
  /** Bytes that agree so far with the prefix. */
  #agreeing = 0
  /** Where the group's name in a shared subscription ended; 0: not yet. */
  #groupEnd = 0

  begin (kind: TextKind, bytes: number): void {
    this.bytes = bytes
    this.#kind = kind
    this.#prefix = kind === FILTER ? sharePrefix : kind === NAME ? names[bytes as 4 | 6] : ''
    this.#come = this.#more = this.#previous = this.#agreeing = this.#groupEnd = 0
  }

  /** Whether the filter, which has come to its end, is that of a shared subscription. */
  get isShared (): boolean { return this.#groupEnd > 0 }

  /** Check the next piece. */
  scan (chunk: Uint8Array, from: number, to: number): Violation | undefined {
    const topic = this.#kind === TOPIC
    const filter = this.#kind === FILTER
    const prefix = this.#prefix
    const position = this.#come - from
    let more = this.#more
    let previous = this.#previous
    for (let at = from; at < to; at++) {
      const byte = chunk[at]!
      if (more > 0) {
        if (byte < this.#low || byte > this.#high) return violations.utf8
        this.#low = 0x80
        this.#high = 0xbf
        more--
      } else if (byte >= 0x80) {
        if (byte < 0xc2 || byte > 0xf4) return violations.utf8
        more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
        // No overlong forms, no surrogates, nothing beyond U+10FFFF.
        this.#low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80
        this.#high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf
      } else if (byte === 0) {
        return violations.nul
      } else if (topic) {
        if (byte === hash || byte === plus) return violations.topicWildcard
        continue
      }
      if (prefix !== '' && at + position === this.#agreeing && prefix.charCodeAt(this.#agreeing) === byte) this.#agreeing++
      if (!filter) continue
      if (previous === hash || (byte === hash && previous !== 0 && previous !== slash)) return violations.misplacedHash
      if ((previous === plus && byte !== slash) || (byte === plus && previous !== 0 && previous !== slash)) return violations.misplacedPlus
      const ofPrefix = at + position < sharePrefix.length
      if (!ofPrefix && this.#agreeing === sharePrefix.length && this.#groupEnd === 0) {
        if (byte === plus || byte === hash || (byte === slash && previous === slash)) return violations.sharedFilter
        if (byte === slash) this.#groupEnd = at + position + 1
      }
      previous = byte
    }
    this.#come += to - from
    this.#more = more
    this.#previous = previous
    return undefined
  }

  /** What is wrong with the text as a whole, once all of it has come. */
  end (): Violation | undefined {
    if (this.#more > 0) return violations.utf8
    if (this.#kind === NAME) return this.#agreeing === this.bytes ? undefined : violations.protocolName
    if (this.#kind !== FILTER || this.#agreeing < sharePrefix.length) return undefined
    return this.#groupEnd === 0 || this.#groupEnd === this.bytes ? violations.sharedFilter : undefined
  }
}
