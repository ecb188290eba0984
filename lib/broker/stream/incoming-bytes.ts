/** Up to this many bytes a connection is read, whatever the others hold. */
const mostOfTheModest = 16_384
/** ms in which a client with an incomplete packet has to send `mostOfTheModest` while others wait for room. */
const patience = 2_000

/** A connection, seen from the bytes that came in on it and have not been handled yet. */
export interface Writer {
  /** Bytes of an incomplete packet, of packets that are being handled, and of packets that wait for their turn. */
  held: number
  /** Bytes that the incomplete packet lacks. */
  readonly missing: number
  /** Bytes received on the connection so far; undefined while there is something to go on with, or no packet is begun. */
  readonly received: number | undefined
  /** The connection may be read again. */
  goOn (): void
}

/**
 * Bounds the incoming bytes that all connections hold together. Beyond the limit only connections that hold little are read, and one of
 * the others at a time. A packet of some size gets room for all of it or waits, because none would ever be complete if the room were full
 * of beginnings. While others wait, clients that leave their packets incomplete are disconnected.
 */
export class IncomingBytes<W extends Writer> {
  /** Bytes; 0: no limit. */
  limit: number
  /** Bytes held, with the room that is kept for the rest of packets. */
  #held = 0
  /** Connections that have room, and the bytes kept for the rest of their packet: none for the one that may exceed the limit. */
  #favoured = new Map<W, number>()
  /** Connections that wait, in order of arrival. */
  #line = new Set<W>()
  #wakes = false
  #looks: NodeJS.Timeout | undefined
  #writers: ReadonlySet<W>
  #hangUp: (writer: W) => void

  /** @param hangUp ends a connection, which then leaves */
  constructor (limit: number, writers: ReadonlySet<W>, hangUp: (writer: W) => void) {
    this.limit = limit
    this.#writers = writers
    this.#hangUp = hangUp
  }

  /** Whether a connection may be read now; if not, `goOn` is called later. */
  admits (writer: W): boolean {
    if (this.limit === 0 || writer.held < mostOfTheModest || this.#favoured.has(writer)) return true
    const { missing } = writer
    const hasRoom = this.#held < this.limit && this.#held + missing <= this.limit
    if (hasRoom || this.#favoured.size === 0) {
      if (missing > 0 || !hasRoom) this.#favour(writer, missing)
      return true
    }
    this.#line.add(writer)
    if (this.#looks === undefined) this.#lookLater(this.#awaited())
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
    if (less) {
      // A packet was handled: it is the next connection's turn.
      this.#unfavour(writer)
      this.#wake()
    } else if (this.#favoured.has(writer)) {
      this.#favour(writer, writer.missing)
    }
  }

  leave (writer: W): void {
    this.#held -= writer.held
    writer.held = 0
    this.#line.delete(writer)
    this.#unfavour(writer)
    this.#wake()
  }

  #favour (writer: W, missing: number): void {
    this.#held += missing - (this.#favoured.get(writer) ?? 0)
    this.#favoured.set(writer, missing)
  }

  #unfavour (writer: W): void {
    if (this.#favoured.size === 0) return
    this.#held -= this.#favoured.get(writer) ?? 0
    this.#favoured.delete(writer)
  }

  /** Bytes received from each connection that holds much and has to send more before it can go on. */
  #awaited (): Map<W, number> {
    const awaited = new Map<W, number>()
    for (const writer of this.#writers) {
      const received = writer.held < mostOfTheModest ? undefined : writer.received
      if (received !== undefined) awaited.set(writer, received)
    }
    return awaited
  }

  /** After a while, hang up on connections that sent too little, the slowest first, but on no more of them than others wait by then. */
  #lookLater (before: Map<W, number>): void {
    this.#looks = setTimeout(() => {
      this.#looks = undefined
      if (this.#line.size === 0) return
      const now = this.#awaited()
      this.#lookLater(now)
      const others = [...this.#line].filter(writer => !now.has(writer)).length
      const slow = [...now].flatMap(([writer, received]) => {
        const more = received - (before.get(writer) ?? -Infinity)
        return more < mostOfTheModest ? [{ writer, more }] : []
      })
      slow.sort((a, b) => a.more - b.more)
      for (const { writer } of slow.slice(0, others)) this.#hangUp(writer)
    }, patience).unref()
  }

  #wake (): void {
    if (this.#wakes || this.#line.size === 0 || (this.#favoured.size > 0 && this.#held >= this.limit)) return
    this.#wakes = true
    setImmediate(() => {
      this.#wakes = false
      const waiting = this.#line
      this.#line = new Set()
      // Connections that may not go on yet line up again, in the same order.
      for (const writer of waiting) writer.goOn()
    })
  }
}
