/** Something that is due at a time. */
export interface Due {
  /** The time at which it is looked at; Infinity: it waits for none. Set by `DueTimes` alone. */
  dueAt: number
}

interface Entry<Item> { at: number, item: Item }

/** Items by the time at which each is due: a binary heap, with at most one entry of an item that counts. */
export class DueTimes<Item extends Due> {
  readonly #heap: Array<Entry<Item>> = []

  /** When the next item is due; Infinity: none is. */
  get next (): number { return this.#heap[0]?.at ?? Infinity }

  /** Look at an item at a time at the latest. */
  add (item: Item, at: number): void {
    // It is looked at sooner already, and then says what its next time is.
    if (at >= item.dueAt) return
    item.dueAt = at
    const heap = this.#heap
    let place = heap.length
    const entry = { at, item }
    heap.push(entry)
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = heap[above] as Entry<Item>
      if (parent.at <= at) break
      heap[place] = parent
      place = above
    }
    heap[place] = entry
  }

  /** The next item that is due, which is no longer in here then; undefined: none is. */
  take (now: number): Item | undefined {
    while (this.next <= now) {
      const { at, item } = this.#takeFirst()
      // It was put forward since.
      if (item.dueAt !== at) continue
      item.dueAt = Infinity
      return item
    }
    return undefined
  }

  clear (): void {
    for (const { item } of this.#heap) item.dueAt = Infinity
    this.#heap.length = 0
  }

  #takeFirst (): Entry<Item> {
    const heap = this.#heap
    const first = heap[0] as Entry<Item>
    const last = heap.pop() as Entry<Item>
    if (heap.length === 0) return first
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      if (below + 1 < heap.length && (heap[below + 1] as Entry<Item>).at < (heap[below] as Entry<Item>).at) below++
      const child = heap[below]
      if (child === undefined || child.at >= last.at) break
      heap[place] = child
      place = below
    }
    heap[place] = last
    return first
  }
}
