const mostBans = 10_000

/** Client ids that are kept out for a time. */
export class Bans {
  #until = new Map<string, number>()
  #now: () => number

  /** @param now ms */
  constructor (now: () => number = () => performance.now()) {
    this.#now = now
  }

  add (clientId: string, seconds: number): void {
    if (this.#until.size >= mostBans) this.#forget()
    this.#until.set(clientId, this.#now() + seconds * 1000)
  }

  has (clientId: string): boolean {
    const until = this.#until.get(clientId)
    if (until === undefined) return false
    if (until > this.#now()) return true
    this.#until.delete(clientId)
    return false
  }

  /** What is over; and the oldest where that is not enough. */
  #forget (): void {
    for (const [clientId, until] of this.#until) if (until <= this.#now()) this.#until.delete(clientId)
    for (const clientId of this.#until.keys()) {
      if (this.#until.size < mostBans) return
      this.#until.delete(clientId)
    }
  }
}
