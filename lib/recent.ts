/**
 * What was set last, by name: at most so many, and at least the last half of that. In two halves, because a Map gives away its oldest only
 * after it passed by all that it gave away before.
 */
export class Recent<Value> {
  #newer = new Map<string, Value>()
  #older = new Map<string, Value>()
  readonly #half: number

  constructor (most: number) {
    this.#half = most / 2
  }

  get isEmpty (): boolean { return this.#newer.size === 0 && this.#older.size === 0 }

  get (name: string): Value | undefined { return this.#newer.get(name) ?? this.#older.get(name) }

  set (name: string, value: Value): void {
    if (this.#newer.size >= this.#half && !this.#newer.has(name)) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(name, value)
  }

  delete (name: string): void {
    this.#newer.delete(name)
    this.#older.delete(name)
  }
}
