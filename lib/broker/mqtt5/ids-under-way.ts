const mostIds = 65_535

/**
 * Message ids of what is on its way to a client, and whether each counts against its receive maximum. Ids follow one another, and clients acknowledge
 * in order [MQTT-4.6.0-2], so most of them are a run, of which two numbers say everything: to thousands of clients in turn, tables of their ids would
 * hardly ever be in the processor's cache.
 */
export class IdsUnderWay {
  /** The run: all of its ids count. */
  #first = 1
  #length = 0
  /** Those that are not in the run, such as messages of QoS 2 that are overtaken by others of QoS 1. */
  #others: Map<number, boolean> | undefined

  has (id: number): boolean { return this.#placeOf(id) < this.#length || this.#others?.has(id) === true }

  add (id: number, counts: boolean): void {
    const place = this.#placeOf(id)
    if (place < this.#length) {
      if (counts) return
      this.#takeOut(place)
    }
    this.#others?.delete(id)
    if (!counts || (this.#length > 0 && place > this.#length)) {
      (this.#others ??= new Map()).set(id, counts)
      return
    }
    if (this.#length === 0) this.#first = id
    this.#length++
  }

  /** @returns whether it counted against the receive maximum */
  delete (id: number): boolean {
    const place = this.#placeOf(id)
    if (place < this.#length) {
      this.#takeOut(place)
      return true
    }
    const counted = this.#others?.get(id) === true
    this.#others?.delete(id)
    return counted
  }

  /** How far an id is behind the first of the run. */
  #placeOf (id: number): number {
    const place = id - this.#first
    return place < 0 ? place + mostIds : place
  }

  /** The run goes on behind this place: those before it were not acknowledged in their turn. */
  #takeOut (place: number): void {
    for (let at = 0; at < place; at++) (this.#others ??= new Map()).set(this.#idAt(at), true)
    this.#first = this.#idAt(place + 1)
    this.#length -= place + 1
  }

  #idAt (place: number): number {
    const id = this.#first + place
    return id > mostIds ? id - mostIds : id
  }
}
