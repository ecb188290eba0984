/** ms for which the first failure too many slows a key down; each further one takes twice as long. */
const firstDelay = 1_000
const longestDelay = 5 * 60_000
/** ms without a failure after which all is forgotten. */
const forgetAfter = 10 * 60_000
/** Keys that are remembered: strangers invent them. */
const mostEntries = 10_000

export interface FailureBackoffOptions {
  /** The number of the first failure that slows down. */
  allowed: number
  /** ms that never go back. */
  now: () => number
  /** The most ms for which a failure slows down; default 5 minutes. */
  longest?: number
  /** Keys that are remembered. Beyond that, an eighth of them is forgotten: those whose last failure is the oldest. Default 10,000. */
  most?: number
}

/** Counts failures by key. From the first one too many, each failure slows the key down for twice as long as the one before. */
export class FailureBackoff {
  /** The latest failure last. */
  #entries = new Map<string, { failures: number, slowedUntil: number, forgottenAt: number }>()
  readonly #allowed: number
  readonly #now: () => number
  readonly #longest: number
  readonly #most: number
  /** When, in ms, entries are next looked through although there are not too many. */
  #sweepAt = -Infinity

  constructor ({ allowed, now, longest = longestDelay, most = mostEntries }: FailureBackoffOptions) {
    this.#allowed = allowed
    this.#now = now
    this.#longest = longest
    this.#most = most
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
    const delay = failures < this.#allowed ? 0 : Math.min(firstDelay * 2 ** (failures - this.#allowed), this.#longest)
    this.#entries.delete(key)
    this.#entries.set(key, { failures, slowedUntil: now + delay, forgottenAt: now + delay + forgetAfter })
    if (this.#entries.size > this.#most || now >= this.#sweepAt) this.#sweep(now)
  }

  /**
   * Forget what is over and, if there are too many keys, the oldest. Many at a time, because a Map passes over everything deleted before
   * on its way to the oldest entry: with 10,000 entries that takes 25 µs.
   */
  #sweep (now: number): void {
    this.#sweepAt = now + forgetAfter
    const most = this.#entries.size > this.#most ? this.#most * 7 / 8 : this.#most
    for (const [key, { forgottenAt }] of this.#entries) {
      if (forgottenAt > now && this.#entries.size <= most) return
      this.#entries.delete(key)
    }
  }
}
