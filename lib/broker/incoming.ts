/** Bytes up to which a connection is read whatever the others hold. */
const mostOfTheModest = 16_384

/** A connection, of which is counted what came in and is not dealt with yet. */
export interface Writer {
  /** Bytes of a packet that is not complete, of packets that are being handled, and of those that wait for their turn. */
  held: number
  /** May be read again. */
  goOn (): void
}

/** Bounds what all connections together hold of what comes in: beyond, only those that hold little are read, and one of the others at a time. */
export class Incoming<W extends Writer> {
  /** Bytes; 0: no limit. */
  limit: number
  #held = 0
  /** The one that is read although the limit is reached. */
  #favoured: W | undefined
  /** Those that wait, the first to come first. */
  #line = new Set<W>()
  #wakes = false

  constructor (limit: number) {
    this.limit = limit
  }

  /** Whether a connection may be read now; otherwise it goes on later. */
  admits (writer: W): boolean {
    if (this.#held < this.limit || this.limit === 0 || writer.held < mostOfTheModest) return true
    this.#favoured ??= writer
    if (this.#favoured === writer) return true
    this.#line.add(writer)
    return false
  }

  /** Whether a connection waits to be read. */
  holdsBack (writer: W): boolean {
    return this.#line.has(writer)
  }

  count (writer: W, bytes: number): void {
    const less = bytes < writer.held
    this.#held += bytes - writer.held
    writer.held = bytes
    if (!less) return
    // It is done with a packet: the next one's turn.
    if (this.#favoured === writer) this.#favoured = undefined
    this.#wake()
  }

  leave (writer: W): void {
    this.#held -= writer.held
    writer.held = 0
    this.#line.delete(writer)
    if (this.#favoured === writer) this.#favoured = undefined
    this.#wake()
  }

  #wake (): void {
    if (this.#wakes || this.#line.size === 0 || (this.#favoured !== undefined && this.#held >= this.limit)) return
    this.#wakes = true
    setImmediate(() => {
      this.#wakes = false
      const waiting = this.#line
      this.#line = new Set()
      // Those that may not go on yet line up again, in the same order.
      for (const writer of waiting) writer.goOn()
    })
  }
}
