export const mostBans = 10_000

/** Client ids that are kept out for a time. */
export class Bans {
  #until = new Map<string, number>()
  #now: () => number

  /** @param now ms */
  constructor (now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** @returns false: there are as many as there may be. None is lifted for another: strangers could lift theirs by getting others banned */
  add (clientId: string, seconds: number): boolean {
    const isNew = !this.#until.has(clientId)
    if (isNew && this.#until.size >= mostBans) this.#forget()
    if (isNew && this.#until.size >= mostBans) return false
    this.#until.set(clientId, this.#now() + seconds * 1000)
    return true
  }

  has (clientId: string): boolean {
    const until = this.#until.get(clientId)
    if (until === undefined) return false
    if (until > this.#now()) return true
    this.#until.delete(clientId)
    return false
  }

  /** Forget the bans that are over. */
  #forget (): void {
    for (const [clientId, until] of this.#until) if (until <= this.#now()) this.#until.delete(clientId)
  }
}
