/**
 * A bounded map, for keys that strangers choose. It keeps `most` values at most, and always the last `most / 2` that were set.
 *
 * It has two halves, because finding the oldest entry of a Map steps over every entry deleted before: with 10,000 entries that takes
 * 25 µs, and setting a value here 0.5 µs. The library lru-cache reserves room for all values at once, 217 KB for 10,000, which is too
 * much where each user has a map; this one takes what its values take.
 */
export class RecentMap<Value> {
  #newer = new Map<string, Value>()
  #older = new Map<string, Value>()
  readonly #half: number

  /** @param most values that are kept */
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
