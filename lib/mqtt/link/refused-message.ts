/**
 * Finds the message that a broker hangs up on instead of answering it, as NATS does where a topic has a dot. It would be sent again on every connection, and
 * nothing that comes after it would arrive. It is taken to be the oldest one that is not acknowledged.
 */
export class RefusedMessage<T> {
  readonly #chances: number
  #suspect: T | undefined
  #times = 0

  /** @param chances connections in a row that the broker ends over the same message before it is given up */
  constructor (chances: number) {
    this.#chances = chances
  }

  /**
   * The broker ended a connection, for no reason that it said.
   * @param oldest what was sent on it and not acknowledged
   * @returns whether that is to be given up
   */
  hungUp (oldest: T | undefined): boolean {
    this.#times = oldest === this.#suspect ? this.#times + 1 : 1
    this.#suspect = oldest
    if (oldest === undefined || this.#times < this.#chances) return false
    this.forget()
    return true
  }

  /** A connection lasted, or ended for another reason. */
  forget (): void {
    this.#suspect = undefined
    this.#times = 0
  }
}
