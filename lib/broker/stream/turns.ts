/** Units of work, and ms, after which connections that are not quiet wait for the next turn of the event loop. */
const mostPerTurn = 256
const longestTurn = 3
/** ms that a turn may take with everything that follows from it, before less is read per turn: one message may have thousands of subscribers. */
const longestWork = 15
const leastPerTurn = 1
/** Units a second up to which a connection is quiet: it does not wait for others, and so gets in between those that flood. A second's worth may come at once. */
const unitsOfTheQuiet = 64
/** Units that a quiet connection reads in one turn. They are bounded, because on a slow machine not even connections that flood exceed the pace of the quiet. */
const quietPerTurn = 8

/** What a client may send in a second; 0: no limit. */
export interface Rates {
  /** PUBLISH packets. */
  messageRate: number
  /** Packets of all types, by their cost. */
  packetRate: number
  /** Bytes of all packets. */
  byteRate: number
}

/** Divides each turn of the event loop among the connections that have something to read. */
export class Turns {
  rates: Rates
  #now: () => number
  /** Units of a turn. */
  #most = mostPerTurn
  #left = mostPerTurn
  #began = -Infinity
  /** Rises from turn to turn. */
  #number = 0
  /** Connections that wait for a later turn, in order of arrival. */
  #line = new Set<Turn>()
  #ends = false

  /** @param now ms */
  constructor (rates: Rates, now: () => number = () => performance.now()) {
    this.rates = rates
    this.#now = now
  }

  /** ms. Within a turn, the time at which it began, because asking the clock costs more than that difference is worth. */
  get now (): number { return this.#ends ? this.#began : this.#now() }
  get number (): number { return this.#number }
  /** Units that an admitted connection reads at a time. */
  get most (): number { return this.#most }

  /** Whether this turn has time left; if not, `turn` is woken in a later one. */
  admits (turn: Turn): boolean {
    if (this.#left > 0 && (!this.#ends || this.#now() - this.#began < longestTurn)) return true
    this.#line.add(turn)
    return false
  }

  spend (units: number): void {
    this.#left -= units
    if (this.#ends) return
    this.#ends = true
    this.#began = this.#now()
    setImmediate(() => { this.#next() })
  }

  leave (turn: Turn): void {
    this.#line.delete(turn)
  }

  #next (): void {
    const [began, isFull] = [this.#began, this.#left <= 0]
    // What was read is handled in immediates, which may come after this one.
    setImmediate(() => { this.#adapt(this.#now() - began, isFull) })
    this.#ends = false
    this.#number++
    this.#left = this.#most
    for (const turn of this.#line) {
      if (this.#left <= 0 || (this.#ends && this.#now() - this.#began >= longestTurn)) break
      this.#line.delete(turn)
      turn.wake()
    }
    // Even if those that were woken read nothing.
    if (this.#line.size > 0) this.spend(0)
  }

  /**
   * Read less at once, and more step by step, because what is read takes effect some turns later.
   * @param isFull whether the turn was used up: other turns say little about how much fits into one
   */
  #adapt (took: number, isFull: boolean): void {
    if (took > longestWork) this.#most = Math.max(leastPerTurn, this.#most / 4)
    else if (isFull && took < longestWork / 2) this.#most = Math.min(mostPerTurn, this.#most + 1)
    if (!this.#ends) this.#left = this.#most
  }
}

/** How much one connection may read, and when. A second's worth of each rate may come at once. */
export class Turn {
  #turns: Turns
  readonly wake: () => void
  /** The times, in ms, up to which everything read is paid for: at the pace of a quiet connection, and by the rates of units, messages and bytes. */
  #calm = -Infinity
  #units = -Infinity
  #messages = -Infinity
  #bytes = -Infinity
  #timer: NodeJS.Timeout | undefined
  /** The turn in which the connection last read without waiting for others. */
  #quietIn = -1

  /** @param wake is called when the connection may read again */
  constructor (turns: Turns, wake: () => void) {
    this.#turns = turns
    this.wake = wake
  }

  /** Units that may be read now; 0: none, and `wake` will be called. */
  get units (): number {
    if (this.#timer !== undefined) return 0
    const { now, rates: { packetRate, messageRate, byteRate } } = this.#turns
    const due = Math.max(packetRate > 0 ? this.#units : 0, messageRate > 0 ? this.#messages : 0, byteRate > 0 ? this.#bytes : 0)
    if (due > now) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.wake()
      }, Math.ceil(due - now))
      return 0
    }
    if (this.#calm <= now && this.#quietIn !== this.#turns.number) {
      this.#quietIn = this.#turns.number
      return quietPerTurn
    }
    return this.#turns.admits(this) ? this.#turns.most : 0
  }

  /** PUBLISH packets that may be read now. */
  get messages (): number {
    const { now, rates: { messageRate } } = this.#turns
    return messageRate > 0 ? Math.max(1, Math.floor(Math.min(1000, now - this.#messages) * messageRate / 1000)) : Infinity
  }

  /** Account for what was read. */
  spend (units: number, messages: number, bytes: number): void {
    const { now, rates: { packetRate, messageRate, byteRate } } = this.#turns
    this.#calm = Math.max(this.#calm, now - 1000) + units * 1000 / unitsOfTheQuiet
    this.#units = Math.max(this.#units, now - 1000) + (packetRate > 0 ? units * 1000 / packetRate : 0)
    this.#messages = Math.max(this.#messages, now - 1000) + (messageRate > 0 ? messages * 1000 / messageRate : 0)
    this.#bytes = Math.max(this.#bytes, now - 1000) + (byteRate > 0 ? bytes * 1000 / byteRate : 0)
    this.#turns.spend(units)
  }

  end (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#turns.leave(this)
  }
}
