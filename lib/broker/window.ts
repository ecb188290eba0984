/** Admits work while one source and all of them together have less than a limit open; the rest waits in order. */
export class Window {
  limits: { perSource: number, total: number }
  #open = new Map<number, number>()
  #waiting = new Map<number, Array<() => void>>()
  #total = 0
  #queued = 0
  #paused = false

  constructor (limits: { perSource: number, total: number }) {
    this.limits = limits
  }

  /** How many are open. */
  get size (): number { return this.#total }
  /** How many wait. */
  get waiting (): number { return this.#queued }

  /** Run `work` now or once there is room. Every run is to be followed by one `leave`. */
  enter (source: number, work: () => void): void {
    const queue = this.#waiting.get(source)
    if (queue === undefined && this.#hasRoom(source)) return this.#admit(source, work)
    this.#queued++
    if (queue === undefined) this.#waiting.set(source, [work])
    else queue.push(work)
  }

  leave (source: number): void {
    this.#total--
    const open = (this.#open.get(source) ?? 1) - 1
    if (open === 0) this.#open.delete(source)
    else this.#open.set(source, open)
    if (this.#queued > 0) this.#advance()
  }

  /** Forget what waits from a source that went. @returns how many */
  forget (source: number): number {
    const count = this.#waiting.get(source)?.length ?? 0
    this.#waiting.delete(source)
    this.#queued -= count
    return count
  }

  /** Admit nothing until `resume`. */
  pause (): void { this.#paused = true }

  resume (): void {
    this.#paused = false
    this.#advance()
  }

  #hasRoom (source: number): boolean {
    return !this.#paused && this.#total < this.limits.total && (this.#open.get(source) ?? 0) < this.limits.perSource
  }

  #admit (source: number, work: () => void): void {
    this.#total++
    this.#open.set(source, (this.#open.get(source) ?? 0) + 1)
    work()
  }

  /** One from each source in turn, so that a busy one does not keep the others out. */
  #advance (): void {
    let admitted = true
    while (admitted && this.#queued > 0) {
      admitted = false
      for (const [source, queue] of this.#waiting) {
        if (!this.#hasRoom(source)) continue
        const work = queue.shift()
        if (queue.length === 0) this.#waiting.delete(source)
        if (work === undefined) continue
        this.#queued--
        admitted = true
        this.#admit(source, work)
      }
    }
  }
}
