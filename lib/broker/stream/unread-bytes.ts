/** One end of a connection, of which is counted how many bytes it did not read yet. */
export interface Reader {
  readonly unread: number
  /** What was counted of it last; it may have read since. */
  counted: number
}

/** Bounds what all of them together leave unread. */
export class UnreadBytes<R extends Reader> {
  /** Bytes; 0: no limit. */
  limit: number
  #counted = 0
  #readers: ReadonlySet<R>
  #cutOff: (reader: R) => void

  /** @param cutOff ends a connection; what it did not read is let go of */
  constructor (limit: number, readers: ReadonlySet<R>, cutOff: (reader: R) => void) {
    this.limit = limit
    this.#readers = readers
    this.#cutOff = cutOff
  }

  /** Call it after something was written. */
  count (reader: R, unread: number): void {
    this.#counted += unread - reader.counted
    reader.counted = unread
    if (this.#counted > this.limit && this.limit > 0) this.#shrink()
  }

  leave (reader: R): void {
    this.#counted -= reader.counted
    reader.counted = 0
  }

  /** Count all anew. If it is nearly as much as the limit, cut off who has most, so that this is not done again soon. */
  #shrink (): void {
    this.#counted = 0
    for (const reader of this.#readers) this.#counted += reader.counted = reader.unread
    if (this.#counted <= this.limit * 7 / 8) return
    const most = [...this.#readers].filter(({ counted }) => counted > 0).sort((a, b) => b.counted - a.counted)
    for (const reader of most) {
      if (this.#counted <= this.limit * 3 / 4) return
      this.leave(reader)
      this.#cutOff(reader)
    }
  }
}
