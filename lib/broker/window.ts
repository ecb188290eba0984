interface Source {
  open: number
  waiting: Array<() => void>
  gone: boolean
}

/** Admits work while one source and all of them together have less than a limit open; the rest waits in order. */
export class Window {
  limits: { perSource: number, total: number }
  #sources = new Map<number, Source>()
  /** Those with something waiting. */
  #line = new Set<Source>()
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
  enter (id: number, work: () => void): void {
    let source = this.#sources.get(id)
    if (source === undefined) {
      source = { open: 0, waiting: [], gone: false }
      this.#sources.set(id, source)
    }
    if (source.waiting.length === 0 && this.#hasRoom(source)) return this.#admit(source, work)
    this.#queued++
    source.waiting.push(work)
    this.#line.add(source)
  }

  leave (id: number): void {
    this.#total--
    const source = this.#sources.get(id)
    if (source !== undefined && --source.open === 0 && source.gone) this.#sources.delete(id)
    if (this.#queued > 0) this.#advance()
  }

  /** A source went: forget what waits from it. @returns how many */
  forget (id: number): number {
    const source = this.#sources.get(id)
    if (source === undefined) return 0
    const count = source.waiting.splice(0).length
    this.#queued -= count
    source.gone = true
    this.#line.delete(source)
    if (source.open === 0) this.#sources.delete(id)
    return count
  }

  /** Admit nothing until `resume`. */
  pause (): void { this.#paused = true }

  resume (): void {
    this.#paused = false
    this.#advance()
  }

  #hasRoom (source: Source): boolean {
    return !this.#paused && this.#total < this.limits.total && source.open < this.limits.perSource
  }

  #admit (source: Source, work: () => void): void {
    this.#total++
    source.open++
    work()
  }

  /** One from each source in turn, so that a busy one does not keep the others out. */
  #advance (): void {
    let admitted = true
    while (admitted && this.#queued > 0) {
      admitted = false
      for (const source of this.#line) {
        if (!this.#hasRoom(source)) continue
        const work = source.waiting.shift()
        if (source.waiting.length === 0) this.#line.delete(source)
        if (work === undefined) continue
        this.#queued--
        admitted = true
        this.#admit(source, work)
      }
    }
  }
}
