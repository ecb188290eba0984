/** ms of one look. */
const period = 10_000
/** A window of more messages than this does not hold anybody up. */
const wideEnough = 100
/** How often the window has to be full within one look. */
const oftenEnough = 50
/** Messages a second below which a small window is enough. */
const busy = 100

/**
 * Notices that a broker gives only so many messages before it waits for acknowledgements: the same number is in flight again and again, never more
 * of them, and most messages come in such rounds.
 */
export class WindowWatch {
  readonly #now: () => number
  #since: number
  #arrivals = 0
  #full = 0
  /** The most messages that were in flight in this look, or in the one that `sees` answered. */
  widest = 0

  /** @param now ms that never go back */
  constructor (now: () => number = () => performance.now()) {
    this.#now = now
    this.#since = now()
  }

  /** A message came. @param inFlight how many are not acknowledged now @returns whether the broker's window holds up the others */
  sees (inFlight: number, allowed: number): boolean {
    this.#arrivals++
    if (inFlight > this.widest) {
      this.widest = inFlight
      this.#full = 1
    } else if (inFlight === this.widest) this.#full++
    // The clock is asked once in a while only.
    if (this.#arrivals % 256 !== 0) return false
    const now = this.#now()
    const elapsed = now - this.#since
    if (elapsed < period) return false
    const isBusy = this.#arrivals >= busy * elapsed / 1000
    const isFull = this.#full >= oftenEnough && this.#full * this.widest * 2 >= this.#arrivals
    const isSmall = isBusy && isFull && this.widest < Math.min(wideEnough, allowed)
    this.#since = now
    this.#arrivals = this.#full = 0
    if (!isSmall) this.widest = 0
    return isSmall
  }
}
