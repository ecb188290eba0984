/** ms that the first failure too many costs; each further one costs twice as much. */
const firstDelay = 1_000
const longestDelay = 5 * 60_000
/** ms without a failure after which all is forgotten. */
const forgetAfter = 10 * 60_000
/** Strangers can make it grow. */
const mostEntries = 10_000

/** Counts failures by key; from one too many on the key is slowed, each time for twice as long. */
export class Slowdown {
  /** The latest failure last. */
  #entries = new Map<string, { failures: number, slowedUntil: number, forgottenAt: number }>()
  readonly #allowed: number
  readonly #now: () => number

  /**
   * @param allowed the failure that is the first to slow down
   * @param now ms that never go back
   */
  constructor (allowed: number, now: () => number) {
    this.#allowed = allowed
    this.#now = now
  }

  knows (key: string): boolean {
    return (this.#entries.get(key)?.forgottenAt ?? -Infinity) > this.#now()
  }

  slows (key: string): boolean {
    return (this.#entries.get(key)?.slowedUntil ?? -Infinity) > this.#now()
  }

  count (key: string): void {
    const now = this.#now()
    const failures = this.knows(key) ? (this.#entries.get(key)?.failures ?? 0) + 1 : 1
    const delay = failures < this.#allowed ? 0 : Math.min(firstDelay * 2 ** (failures - this.#allowed), longestDelay)
    this.#entries.delete(key)
    this.#entries.set(key, { failures, slowedUntil: now + delay, forgottenAt: now + delay + forgetAfter })
    for (const [first, { forgottenAt }] of this.#entries) {
      if (forgottenAt > now && this.#entries.size <= mostEntries) return
      this.#entries.delete(first)
    }
  }
}
