const spans = { '1min': 60_000, '5min': 300_000, '15min': 900_000 } as const

/** The time over which it is averaged. */
export type Span = keyof typeof spans

/**
 * How much a counter grows per minute, averaged over the last 1, 5 and 15 minutes as Mosquitto and the Unix load average do:
 * older growth weighs exponentially less, and the averages begin at 0.
 */
export class LoadAverage {
  readonly values: Record<Span, number> = { '1min': 0, '5min': 0, '15min': 0 }
  #now: () => number
  #at: number
  #count: number

  /**
   * @param count where the counter stands now
   * @param now ms
   */
  constructor (count: number, now: () => number = () => performance.now()) {
    this.#count = count
    this.#now = now
    this.#at = now()
  }

  /** To be called at an interval. @param count where the counter stands now */
  update (count: number): void {
    const now = this.#now()
    const elapsed = now - this.#at
    // No time has passed: the growth counts at the next update.
    if (elapsed <= 0) return
    const perMinute = (count - this.#count) * 60_000 / elapsed
    for (const [span, length] of Object.entries(spans) as Array<[Span, number]>) {
      this.values[span] = perMinute + Math.exp(-elapsed / length) * (this.values[span] - perMinute)
    }
    this.#at = now
    this.#count = count
  }
}
