/** Ids of a page: a power of two. */
const pageSize = 256

/**
 * Message ids of what is on its way to a client, and whether each counts against its receive maximum. Ids follow one another, so pages of bytes do what
 * a `Map` would, which makes itself anew every few messages.
 */
export class IdsUnderWay {
  readonly #pages: Array<Uint8Array | undefined> = []
  /** Of each page, how many of its ids are under way. */
  readonly #counts: number[] = []
  /** The page of the last id that was added: it stays while it is empty. */
  #current = 0

  has (id: number): boolean { return this.#valueOf(id) > 0 }

  /** Whether it counts against the receive maximum. */
  counts (id: number): boolean { return this.#valueOf(id) === 2 }

  add (id: number, counts: boolean): void {
    const at = Math.floor(id / pageSize)
    const page = this.#pages[at] ??= new Uint8Array(pageSize)
    const before = this.#current
    this.#current = at
    if (before !== at) this.#drop(before)
    if (page[id % pageSize] === 0) this.#counts[at] = (this.#counts[at] ?? 0) + 1
    page[id % pageSize] = counts ? 2 : 1
  }

  delete (id: number): void {
    if (!this.has(id)) return
    const at = Math.floor(id / pageSize)
    this.#pages[at]![id % pageSize] = 0
    this.#counts[at]!--
    if (at !== this.#current) this.#drop(at)
  }

  #valueOf (id: number): number { return this.#pages[Math.floor(id / pageSize)]?.[id % pageSize] ?? 0 }

  #drop (at: number): void {
    if ((this.#counts[at] ?? 0) === 0) this.#pages[at] = undefined
  }
}
