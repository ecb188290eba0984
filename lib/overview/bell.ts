export interface BellOptions<Part extends string> {
  /** What there is now of each part, in a few numbers: other numbers mean that the part changed. Called once in `every` ms while somebody looks, so it has to be cheap. */
  look (): Record<Part, string>
  /** Some parts changed. */
  ring (parts: Part[]): void
  /** ms between two rings, at least. */
  every?: number
  /** ms for which somebody who looked is believed to go on looking. */
  patience?: number
}

/** Rings when something changed, and only while somebody looks. */
export class Bell<Part extends string> {
  readonly #options: Required<BellOptions<Part>>
  #seen: Record<Part, string> | undefined
  #timer: NodeJS.Timeout | undefined
  #until = 0

  constructor (options: BellOptions<Part>) {
    this.#options = { every: 1_000, patience: 40_000, ...options }
  }

  /** Whether somebody looks. */
  get isWatched (): boolean { return this.#timer !== undefined }

  /** Somebody looks now. */
  watch (): void {
    const { every, patience, look } = this.#options
    this.#until = performance.now() + patience
    if (this.#timer !== undefined) return
    this.#seen = look()
    this.#timer = setInterval(() => { this.#check() }, every).unref()
  }

  /** Nobody looks any more. */
  close (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #check (): void {
    if (performance.now() > this.#until) return this.close()
    const { look, ring } = this.#options
    const before = this.#seen
    const now = this.#seen = look()
    const changed = (Object.keys(now) as Part[]).filter(part => before?.[part] !== now[part])
    if (changed.length > 0) ring(changed)
  }
}
