/**
 * How long to wait before the next attempt: `min` ms after the first failure, twice as long after each further one, and `max` ms at the
 * most. With jitter a wait is between half of that and all of it, so that many clients of one server do not all come back at once.
 */
export class Backoff {
  readonly #min: number
  readonly #max: number
  readonly #jitter: boolean
  #delay: number

  /** @param limits ms; `min` is at most `max` */
  constructor ({ min, max }: { min: number, max: number }, { jitter = false } = {}) {
    this.#min = this.#delay = min
    this.#max = max
    this.#jitter = jitter
  }

  /** Call after a failure. @returns ms to wait */
  next (): number {
    const delay = this.#delay
    this.#delay = Math.min(2 * delay, this.#max)
    return this.#jitter ? delay * (0.5 + Math.random() / 2) : delay
  }

  /** Call after a success: the next wait is the shortest again. */
  reset (): void {
    this.#delay = this.#min
  }
}
