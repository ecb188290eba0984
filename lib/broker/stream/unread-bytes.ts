/** One end of a connection, seen from the bytes that it has not read yet. */
export interface Reader {
  readonly unread: number
  /** The number that was counted last; it may have read since. */
  counted: number
}

/** Bounds the bytes that all readers together leave unread. */
export class UnreadBytes<R extends Reader> {
  /** Bytes; 0: no limit. */
  limit: number
  #counted = 0
  #readers: ReadonlySet<R>
  #cutOff: (reader: R) => void

  /** @param cutOff ends a connection, and lets go of what it has not read */
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

  /** Count everything anew. If it is still close to the limit, cut off the readers with the most unread, down to three quarters, so that this does not happen again soon. */
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
