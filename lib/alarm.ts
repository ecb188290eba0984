/** Longest pause, in ms: the clock may be set meanwhile, and a timer cannot wait for weeks. */
const longest = 60_000

/** Rings when something is due by a clock that may be set. */
export class Alarm {
  #now: () => number
  #ring: () => number
  #shortest: number
  #at = Infinity
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /**
   * @param now ms since 1970
   * @param ring deals with what is due and returns when the next thing is, in ms since 1970 (Infinity: nothing is); it may be called too soon
   * @param shortest pause, in ms, before the next ring: whatever is due, looking for it must not be all that the process does
   */
  constructor (now: () => number, ring: () => number, shortest = 250) {
    this.#shortest = shortest
    this.#now = now
    this.#ring = ring
  }

  /** Ring at `time` at the latest. */
  by (time: number): void {
    if (this.#stopped || time >= this.#at) return
    this.#at = time
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => { this.ring() }, Math.min(longest, Math.max(this.#shortest, time - this.#now()))).unref()
  }

  /** Ring now. */
  ring (): void {
    clearTimeout(this.#timer)
    this.#at = Infinity
    this.by(this.#ring())
  }

  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }
}
