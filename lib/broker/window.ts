interface Waiting {
  work: () => void
  forgotten: (() => void) | undefined
}

interface Source {
  open: number
  waiting: Waiting[]
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
  #advancing = false

  constructor (limits: { perSource: number, total: number }) {
    this.limits = limits
  }

  /** How many are open. */
  get size (): number { return this.#total }
  /** How many wait. */
  get waiting (): number { return this.#queued }

  /** Take a place if there is one now. Every place that was taken is to be left once. */
  tryEnter (id: number): boolean {
    const source = this.#source(id)
    if (source.waiting.length > 0 || !this.#hasRoom(source)) return false
    this.#total++
    source.open++
    return true
  }

  /** Run `work` once it has a place, or `forgotten` when its source went before. */
  wait (id: number, work: () => void, forgotten?: () => void): void {
    const source = this.#source(id)
    this.#queued++
    source.waiting.push({ work, forgotten })
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
    const waiting = source.waiting.splice(0)
    this.#queued -= waiting.length
    source.gone = true
    this.#line.delete(source)
    if (source.open === 0) this.#sources.delete(id)
    for (const { forgotten } of waiting) forgotten?.()
    return waiting.length
  }

  /** Admit nothing until `resume`. */
  pause (): void { this.#paused = true }

  resume (): void {
    this.#paused = false
    this.#advance()
  }

  #source (id: number): Source {
    let source = this.#sources.get(id)
    if (source === undefined) {
      source = { open: 0, waiting: [], gone: false }
      this.#sources.set(id, source)
    }
    return source
  }

  #hasRoom (source: Source): boolean {
    return !this.#paused && this.#total < this.limits.total && source.open < this.limits.perSource
  }

  /** One from each source in turn, so that a busy one does not keep the others out. */
  #advance (): void {
    // Work that leaves at once comes back here: the loop below goes on with the next, and the stack does not grow.
    if (this.#advancing) return
    this.#advancing = true
    try {
      while (this.#queued > 0 && this.#admitRound()) { /* until there is no more room */ }
    } finally {
      this.#advancing = false
    }
  }

  /** @returns whether anything was admitted */
  #admitRound (): boolean {
    let admitted = false
    for (const source of this.#line) {
      if (!this.#hasRoom(source)) continue
      const next = source.waiting.shift()
      if (source.waiting.length === 0) this.#line.delete(source)
      if (next === undefined) continue
      this.#queued--
      this.#total++
      source.open++
      admitted = true
      next.work()
    }
    return admitted
  }
}
