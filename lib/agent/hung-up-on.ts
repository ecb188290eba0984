import { RefusedMessage } from '../mqtt/link/refused-message.ts'

/** Connections in a row that the broker ends over the same message before it is given up. */
const chances = 4

/**
 * Finds a message that is too large for a broker that hangs up over it instead of saying so. A broker that could not store a message hangs up, too, and must get
 * it again: so the message counts only where the same connection stored something before it, and where nothing as large was ever stored.
 */
export class HungUpOn<T> {
  readonly #refused = new RefusedMessage<T>(chances)
  #largest = 0

  /** The broker acknowledged a message. */
  acknowledged (bytes: number): void {
    this.#largest = Math.max(this.#largest, bytes)
  }

  /** The broker hung up on `oldest`, which went alone and after something that it acknowledged. @returns whether it is to be given up */
  hungUp (oldest: T, bytes: number): boolean {
    return bytes > this.#largest && this.#refused.hungUp(oldest)
  }
}
