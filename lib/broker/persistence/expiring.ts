import { Alarm } from '../../alarm.ts'

/** ms between two looks for what expired: nobody gets it meanwhile. */
const pause = 60_000
/** The same while there is no room, because times are told in seconds. */
const shortestPause = 1_000

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

  stop (): void { this.#alarm.stop() }

  /** Remove what has expired, because there is no room. It is looked for once a second at most: a publisher may find no room many times. */
  makeRoom (): void {
    const now = this.#now()
    if (this.#ends.size === 0 || now < this.#lookedAt + shortestPause) return
    this.#lookedAt = now
    this.#removeExpired(now)
  }

  #end (key: Key): void {
    this.#ends.delete(key)
    this.expired++
    this.#remove(key)
  }

  /** @returns when to look again: after the pause, or when there is something to look for */
  #sweep (): number {
    this.#removeExpired(this.#now())
    return this.#ends.size === 0 ? Infinity : 0
  }

  #removeExpired (now: number): void {
    for (const [key, end] of this.#ends) if (end <= now) this.#end(key)
  }
}
