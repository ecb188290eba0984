/** More than `more` changes within `within` ms become one message; `more` 0: never. */
export interface DigestOptions { more: number, within: number }

/** Lets changes through one by one until there are too many; the others are gathered until the span is over. */
export class Digest<Change> {
  readonly #options: DigestOptions
  /** When the span began, and how many went through in it. */
  #from = -Infinity
  #count = 0
  readonly #gathered = new Set<Change>()

  constructor (options: DigestOptions) {
    this.#options = options
  }

  /** When what was gathered is due; Infinity: nothing was. */
  get due (): number { return this.#gathered.size === 0 ? Infinity : this.#from + this.#options.within }

  has (change: Change): boolean {
    return this.#gathered.has(change)
  }

  /** @returns whether a change goes through; otherwise it is gathered */
  add (change: Change, now: number): boolean {
    const { more, within } = this.#options
    if (more === 0) return true
    if (this.#gathered.size === 0 && (now - this.#from >= within || now < this.#from)) {
      this.#from = now
      this.#count = 0
    }
    if (this.#gathered.size === 0 && this.#count < more) {
      this.#count++
      return true
    }
    this.#gathered.add(change)
    return false
  }

  /** What was gathered, where it is due. */
  take (now: number): Change[] {
    if (now < this.due) return []
    const changes = [...this.#gathered]
    this.#gathered.clear()
    this.#from = now
    this.#count = 0
    return changes
  }

  /** The clock was set forward by so many ms. */
  shift (step: number): void {
    this.#from += step
  }

  delete (change: Change): void {
    this.#gathered.delete(change)
  }
}
