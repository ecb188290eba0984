import type { Duplex } from 'node:stream'

/** What waits until a client has read. One listener for all of it, because a client may wait for much at a time. */
export class Drained {
  #stream: Duplex
  #after: () => void
  #waiting: Array<() => void> = []

  /** @param after is called once some of it went on */
  constructor (stream: Duplex, after: () => void) {
    this.#stream = stream
    this.#after = after
  }

  get length (): number { return this.#waiting.length }

  /** Call `then` when the stream has room: at once if it has, and at the latest when the connection ends. */
  wait (then: () => void): void {
    if (this.#stream.destroyed || !this.#stream.writableNeedDrain) return then()
    if (this.#waiting.push(then) > 1) return
    // aedes emits it, too, when a connection ends.
    this.#stream.once('drain', () => {
      const waiting = this.#waiting
      this.#waiting = []
      for (const then of waiting) then()
      this.#after()
    })
  }
}
