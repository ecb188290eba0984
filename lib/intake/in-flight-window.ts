interface Waiting {
  bytes: number
  work: () => void
  forgotten: (() => void) | undefined
  /** Whether a source that comes back sends it again. */
  comesAgain: boolean
}

interface Source {
  open: number
  bytes: number
  waiting: Waiting[]
  /** When it was gone, in ms of `performance.now()`. */
  goneAt: number | undefined
}

export interface InFlightLimits {
  /** How many one source may have open, and all of them together. */
  perSource: number
  total: number
  /** In bytes. Something larger has its turn when nothing else is open. */
  sourceBytes: number
  totalBytes: number
  /** How many may wait from sources that are gone, and together take up to `totalBytes`. */
  left: number
}

/** Admits work while its source, and all sources together, have less open than a limit, in number and in bytes; the rest waits in order. */
export class InFlightWindow {
  limits: InFlightLimits
  #sources = new Map<number, Source>()
  /** Those with something waiting. */
  #line = new Set<Source>()
  #total = 0
  #bytes = 0
  #queued = 0
  /** What waits from sources that are gone. */
  #left = { size: 0, bytes: 0 }
  #paused = false
  /** Whether the remaining room is kept for the first in line, which needs more. */
  #isHeld = false
  #advancing = false

  constructor (limits: InFlightLimits) {
    this.limits = limits
  }

  /** How many are open. */
  get size (): number { return this.#total }
  /** How many bytes those have. */
  get bytes (): number { return this.#bytes }
  /** How many wait. */
  get waiting (): number { return this.#queued }

  /** Take a place if there is one now. Each place that was taken has to be left once. */
  tryEnter (id: number, bytes = 0): boolean {
    const source = this.#source(id)
    if (source.waiting.length > 0 || (this.#isHeld && this.#queued > 0) || !this.#hasRoomOf(source, bytes) || !this.#hasRoomFor(bytes)) return false
    this.#enter(source, bytes)
    return true
  }

  /**
   * Run `work` once it has a place, or `forgotten` if its source is gone and the work is not kept.
   * @param comesAgain whether a source that comes back sends it again
   */
  wait (id: number, work: () => void, forgotten?: () => void, bytes = 0, comesAgain = true): void {
    const source = this.#source(id)
    this.#queued++
    source.waiting.push({ bytes, work, forgotten, comesAgain })
    this.#line.add(source)
  }

  /** Whether something waits from a source. */
  waits (id: number): boolean {
    return (this.#sources.get(id)?.waiting.length ?? 0) > 0
  }

  /** @param bytes as it entered with */
  leave (id: number, bytes = 0): void {
    this.#total--
    this.#bytes -= bytes
    const source = this.#sources.get(id)
    if (source !== undefined) {
      source.bytes -= bytes
      source.open--
      this.#drop(id, source)
    }
    if (this.#queued > 0) this.#advance()
  }

  /**
   * A source is gone: forget its waiting work that comes again, and what is too much to keep.
   * @param comesBack whether the source does
   * @returns how many are forgotten
   */
  forget (id: number, comesBack = true): number {
    const source = this.#sources.get(id)
    if (source === undefined || source.goneAt !== undefined) return 0
    source.goneAt = performance.now()
    const { left: most, totalBytes } = this.limits
    const left = this.#left
    return this.#forget(id, source, ({ bytes, comesAgain }) => {
      if ((comesBack && comesAgain) || left.size >= most || left.bytes + bytes > totalBytes) return false
      left.size++
      left.bytes += bytes
      return true
    })
  }

  /** Forget what waits from sources that are gone before `before` (ms of `performance.now()`). @returns how many */
  expire (before: number): number {
    if (this.#left.size === 0) return 0
    let forgotten = 0
    for (const [id, source] of this.#sources) {
      if (source.goneAt === undefined || source.goneAt >= before) continue
      for (const { bytes } of source.waiting) this.#took(bytes)
      forgotten += this.#forget(id, source, () => false)
    }
    return forgotten
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
      source = { open: 0, bytes: 0, waiting: [], goneAt: undefined }
      this.#sources.set(id, source)
    }
    return source
  }

  #forget (id: number, source: Source, keep: (waiting: Waiting) => boolean): number {
    const forgotten: Waiting[] = []
    source.waiting = source.waiting.filter(waiting => keep(waiting) || (forgotten.push(waiting), false))
    this.#queued -= forgotten.length
    if (source.waiting.length === 0) this.#line.delete(source)
    this.#drop(id, source)
    for (const each of forgotten) each.forgotten?.()
    return forgotten.length
  }

  /** Work of a source that is gone is no longer kept. */
  #took (bytes: number): void {
    this.#left.size--
    this.#left.bytes -= bytes
  }

  /** Forget a source that is gone and has nothing here any more. */
  #drop (id: number, { open, waiting, goneAt }: Source): void {
    if (goneAt !== undefined && open === 0 && waiting.length === 0) this.#sources.delete(id)
  }

  /** Whether a source may have more open. */
  #hasRoomOf ({ open, bytes: own }: Source, bytes: number): boolean {
    const { perSource, sourceBytes } = this.limits
    return open < perSource && (open === 0 || own + bytes <= sourceBytes)
  }

  /** Whether all of them together may. */
  #hasRoomFor (bytes: number): boolean {
    const { total, totalBytes } = this.limits
    return !this.#paused && this.#total < total && (this.#total === 0 || this.#bytes + bytes <= totalBytes)
  }

  #enter (source: Source, bytes: number): void {
    this.#total++
    this.#bytes += bytes
    source.open++
    source.bytes += bytes
  }

  /** One from each source in turn, so that a busy one does not keep the others out. */
  #advance (): void {
    // Work that leaves at once calls this again: the loop below goes on with the next one, and the stack does not grow.
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
    this.#isHeld = false
    for (const source of this.#line) {
      const [next] = source.waiting
      if (next === undefined || !this.#hasRoomOf(source, next.bytes)) continue
      // Smaller work that came later would take its room for ever.
      this.#isHeld = !this.#hasRoomFor(next.bytes)
      if (this.#isHeld) break
      source.waiting.shift()
      // A source with more waiting lines up behind the others: with room for one at a time it would get all of it.
      this.#line.delete(source)
      if (source.waiting.length > 0) this.#line.add(source)
      this.#queued--
      if (source.goneAt !== undefined) this.#took(next.bytes)
      this.#enter(source, next.bytes)
      admitted = true
      next.work()
    }
    return admitted
  }
}
