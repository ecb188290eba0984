import { Alarm } from '../../alarm.ts'

/** ms between two looks for what expired: nobody gets it meanwhile. */
const pause = 60_000
/** The same while there is no room, because times are told in seconds. */
const shortestPause = 1_000
/** ms that looking may take in one turn of the event loop: a hundred thousand may expire at once. */
const longest = 2
/** How many are looked at between two looks at the clock: removing one takes some microseconds. */
const atOnce = 32

/** The messages that expire. [MQTT-3.3.2-5] */
export class Expiring<Key> {
  /** How many have expired. */
  expired = 0
  #now: () => number
  #remove: (key: Key) => void
  #ends = new Map<Key, number>()
  #alarm: Alarm
  /** When `makeRoom` last looked. */
  #lookedAt = -Infinity
  /** Those that are still to be looked at; undefined: nobody looks. */
  #unseen: Iterator<[Key, number]> | undefined
  /** When this turn's time is over; undefined: nothing was looked at in this turn. */
  #until: number | undefined

  /** @param remove removes a message that has expired; it was deleted here before */
  constructor (now: () => number, remove: (key: Key) => void) {
    this.#now = now
    this.#remove = remove
    this.#alarm = new Alarm(now, () => this.#sweep(), pause)
  }

  /** @param end ms since 1970; undefined: never */
  set (key: Key, end: number | undefined): void {
    if (end === undefined) return this.delete(key)
    this.#ends.set(key, end)
    // As soon as the pause is over.
    this.#alarm.by(0)
  }

  delete (key: Key): void {
    if (this.#ends.size > 0) this.#ends.delete(key)
  }

  /** Whether a message has expired; then it is removed. */
  ends (key: Key): boolean {
    // Most brokers have none.
    if (this.#ends.size === 0) return false
    const end = this.#ends.get(key)
    if (end === undefined || end > this.#now()) return false
    this.#end(key)
    return true
  }

  /** Remove what expired while the broker did not run. */
  start (): void { this.#alarm.ring() }

  stop (): void {
    this.#alarm.stop()
    this.#unseen = undefined
  }

  /**
   * Remove what has expired, because there is no room: as much as this turn has time for, and the rest soon. It is looked for once a second at most: a publisher may
   * find no room many times.
   */
  makeRoom (): void {
    if (this.#ends.size === 0) return
    const now = this.#now()
    if (this.#unseen === undefined && now < this.#lookedAt + shortestPause) return
    this.#lookedAt = now
    this.#look()
  }

  #end (key: Key): void {
    this.#ends.delete(key)
    this.expired++
    this.#remove(key)
  }

  /** @returns when to look again: after the pause, or when there is something to look for */
  #sweep (): number {
    this.#look()
    return this.#ends.size === 0 ? Infinity : 0
  }

  /** Look for what has expired, and go on in the next turns. */
  #look (): void {
    const unseen = this.#unseen ??= this.#ends.entries()
    const isFirst = this.#until === undefined
    if (this.#until === undefined) {
      this.#until = performance.now() + longest
      setImmediate(() => {
        this.#until = undefined
        if (this.#unseen !== undefined) this.#look()
      })
    }
    const now = this.#now()
    // A few in any case: a busy machine may take the time away.
    for (let seen = isFirst ? 1 : 0; seen % atOnce > 0 || performance.now() < this.#until; seen++) {
      const { done, value } = unseen.next()
      if (done === true) {
        this.#unseen = undefined
        return
      }
      const [key, end] = value
      if (end <= now) this.#end(key)
    }
  }
}
