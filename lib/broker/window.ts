interface Waiting {
  bytes: number
  work: () => void
  forgotten: (() => void) | undefined
}

interface Source {
  open: number
  bytes: number
  waiting: Waiting[]
  gone: boolean
}

export interface WindowLimits {
  /** How many one source may have open, and all of them together. */
  perSource: number
  total: number
  /** How many bytes. What is larger has its turn when nothing else is open. */
  sourceBytes: number
  totalBytes: number
}

/** Admits work while one source and all of them together have less open than a limit, in number and in bytes; the rest waits in order. */
export class Window {
  limits: WindowLimits
  #sources = new Map<number, Source>()
  /** Those with something waiting. */
  #line = new Set<Source>()
  #total = 0
  #bytes = 0
  #queued = 0
  #paused = false
  #advancing = false

  constructor (limits: WindowLimits) {
    this.limits = limits
  }

  /** How many are open. */
  get size (): number { return this.#total }
  /** How many bytes those have. */
  get bytes (): number { return this.#bytes }
  /** How many wait. */
  get waiting (): number { return this.#queued }

  /** Take a place if there is one now. Every place that was taken is to be left once. */
  tryEnter (id: number, bytes = 0): boolean {
    const source = this.#source(id)
    if (source.waiting.length > 0 || !this.#hasRoom(source, bytes)) return false
    this.#enter(source, bytes)
    return true
  }

  /** Run `work` once it has a place, or `forgotten` when its source went before. */
  wait (id: number, work: () => void, forgotten?: () => void, bytes = 0): void {
    const source = this.#source(id)
    this.#queued++
    source.waiting.push({ bytes, work, forgotten })
    this.#line.add(source)
  }

  /** @param bytes as it entered with */
  leave (id: number, bytes = 0): void {
    this.#total--
    this.#bytes -= bytes
    const source = this.#sources.get(id)
    if (source !== undefined) {
      source.bytes -= bytes
      if (--source.open === 0 && source.gone) this.#sources.delete(id)
    }
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
      source = { open: 0, bytes: 0, waiting: [], gone: false }
      this.#sources.set(id, source)
    }
    return source
  }

  #hasRoom (source: Source, bytes: number): boolean {
    const { perSource, total, sourceBytes, totalBytes } = this.limits
    return !this.#paused && this.#total < total && source.open < perSource &&
      (source.open === 0 || source.bytes + bytes <= sourceBytes) && (this.#total === 0 || this.#bytes + bytes <= totalBytes)
  }

  #enter (source: Source, bytes: number): void {
    this.#total++
    this.#bytes += bytes
    source.open++
    source.bytes += bytes
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
      const [next] = source.waiting
      if (next === undefined || !this.#hasRoom(source, next.bytes)) continue
      source.waiting.shift()
      if (source.waiting.length === 0) this.#line.delete(source)
      this.#queued--
      this.#enter(source, next.bytes)
      admitted = true
      next.work()
    }
    return admitted
  }
}
