/** For how many ms what is missing may be on its way still: topics have no order among each other. Eclipse Tahu waits as long. */
export const reorderTimeout = 5_000

/** The numbers that a node of Sparkplug B gives to its messages, 0 to 255 and again, from one birth to the next. */
export class Sequence {
  #next: number
  #newest: number
  readonly #missing = new Set<number>()
  #missingSince = 0

  /** @param seq of the birth. @param timestamp of its payload, UTC ms */
  constructor (seq: number, timestamp = 0) {
    this.#next = following(seq)
    this.#newest = timestamp
  }

  /**
   * @param timestamp of the payload, by which one that was sent again is told from one after a gap
   * @param now UTC ms
   * @returns whether something is missing that will not come any more; said once
   */
  hasGap (seq: number | undefined, timestamp: number | undefined, now: number): boolean {
    if (seq !== undefined && seq < 256 && !this.#missing.delete(seq) && !this.#isRepeated(seq, timestamp)) {
      if (seq !== this.#next && this.#missing.size === 0) this.#missingSince = now
      for (; this.#next !== seq; this.#next = following(this.#next)) this.#missing.add(this.#next)
      this.#next = following(seq)
      this.#newest = timestamp ?? this.#newest
    }
    if (this.#missing.size === 0 || now - this.#missingSince < reorderTimeout) return false
    this.#missing.clear()
    return true
  }

  #isRepeated (seq: number, timestamp = Infinity): boolean {
    return timestamp < this.#newest || (timestamp === this.#newest && (this.#next - seq - 1 & 255) < 128)
  }
}

function following (seq: number): number {
  return (seq + 1) % 256
}
