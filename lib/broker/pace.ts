const monotonic = (): number => performance.now()

/** Lets work through at so many a second, in order; what comes faster waits. */
export class Pace {
  #now: () => number
  /** ms of the clock at which the next may pass, less the burst of one second that is allowed. */
  #due = -Infinity
  #waiting: Array<() => void> = []
  #timer: NodeJS.Timeout | undefined

  /** @param now ms */
  constructor (now = monotonic) {
    this.#now = now
  }

  /**
   * Let one pass if it may now; otherwise give it to `wait`.
   * @param rate a second; 0: no limit
   */
  tryPass (rate: number): boolean {
    return rate <= 0 || (this.#waiting.length === 0 && this.#take(rate))
  }

  /** Run `work` when its turn has come. */
  wait (rate: number, work: () => void): void {
    this.#waiting.push(work)
    this.#timer ??= setTimeout(() => { this.#drain(rate) }, this.#wait())
  }

  /** Forget what waits. */
  end (): void {
    clearTimeout(this.#timer)
    this.#waiting = []
  }

  #take (rate: number): boolean {
    const now = this.#now()
    if (this.#due > now) return false
    this.#due = Math.max(this.#due, now - 1000) + 1000 / rate
    return true
  }

  #wait (): number {
    return Math.max(1, Math.ceil(this.#due - this.#now()))
  }

  #drain (rate: number): void {
    this.#timer = undefined
    let next = 0
    while (next < this.#waiting.length && this.#take(rate)) this.#waiting[next++]?.()
    this.#waiting = this.#waiting.slice(next)
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => { this.#drain(rate) }, this.#wait())
  }
}
