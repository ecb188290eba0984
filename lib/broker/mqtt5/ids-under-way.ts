/** Ids of a page, as a power of two, and what of an id is its place in the page. */
const pageBits = 8
const pageSize = 1 << pageBits
const placeMask = pageSize - 1

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

  add (id: number, counts: boolean): void {
    const at = id >> pageBits
    const page = this.#pages[at] ??= new Uint8Array(pageSize)
    const before = this.#current
    this.#current = at
    if (before !== at) this.#drop(before)
    const place = id & placeMask
    if (page[place] === 0) this.#counts[at] = (this.#counts[at] ?? 0) + 1
    page[place] = counts ? 2 : 1
  }

  /** @returns whether it counted against the receive maximum */
  delete (id: number): boolean {
    const value = this.#valueOf(id)
    if (value === 0) return false
    const at = id >> pageBits
    this.#pages[at]![id & placeMask] = 0
    this.#counts[at]!--
    if (at !== this.#current) this.#drop(at)
    return value === 2
  }

  #valueOf (id: number): number { return this.#pages[id >> pageBits]?.[id & placeMask] ?? 0 }

  #drop (at: number): void {
    if ((this.#counts[at] ?? 0) === 0) this.#pages[at] = undefined
  }
}
