/**
 * Says how often a thing may be done to somebody whom strangers name: at once for the first time, then not before the shortest wait is over, and after each
 * further time a wait twice as long. Whoever was left alone for the longest wait begins anew.
 */
export class Spacing {
  readonly #waits: { min: number, max: number }
  readonly #most: number
  /** When it was done last, and how long to wait after that; the oldest first. */
  readonly #done = new Map<string, { at: number, wait: number }>()

  /**
   * @param waits ms
   * @param most names that are remembered. While all of them had their turn within the shortest wait, others have none
   */
  constructor (waits: { min: number, max: number }, most: number) {
    this.#waits = waits
    this.#most = most
  }

  /** Whether it may be done now; if so, it counts as done. @param now ms of any clock that does not go back */
  mayNow (name: string, now: number): boolean {
    const { min, max } = this.#waits
    const last = this.#done.get(name)
    if (last !== undefined && now - last.at < last.wait) return false
    if (last === undefined && !this.#hasRoom(now)) return false
    this.#done.delete(name)
    this.#done.set(name, { at: now, wait: last === undefined || now - last.at > max ? min : Math.min(last.wait * 2, max) })
    return true
  }

  #hasRoom (now: number): boolean {
    if (this.#done.size < this.#most) return true
    const [oldest, last] = this.#done.entries().next().value ?? []
    return oldest !== undefined && last !== undefined && now - last.at >= this.#waits.min && this.#done.delete(oldest)
  }
}
