import type { Connection } from '../broker/publication.ts'

/** ms after which the agents of a client are gone, however long its last will is held back. */
const longest = 3_600_000

/** Connections that have ended, until their clients have had time to come back. */
export class Awaited {
  readonly #over: (connection: Connection) => void
  #timers = new Map<Connection, NodeJS.Timeout>()

  /** @param over is called when that time is over */
  constructor (over: (connection: Connection) => void) {
    this.#over = over
  }

  has (connection: Connection): boolean { return this.#timers.has(connection) }

  /** @param patience ms */
  add (connection: Connection, patience: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(connection)
      this.#over(connection)
    }, Math.min(patience, longest)).unref()
    this.#timers.set(connection, timer)
  }

  delete (connection: Connection): void {
    clearTimeout(this.#timers.get(connection))
    this.#timers.delete(connection)
  }

  clear (): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }
}
