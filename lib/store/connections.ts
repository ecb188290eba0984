import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import type { Dialect } from './dialects/dialect.ts'
import { migrate } from './migrations/migrate.ts'
import { mostTransientFailures, transientPause } from './transient-failure.ts'
import type { Writers } from './writer/writers.ts'

/** A store's connections to its database: the writer's own, and pools for readers and for long work beside the writer. */
export class Connections {
  /** Attempts at long work that failed and were repeated. */
  retries = 0
  readonly #dialect: Dialect
  readonly #writers: Writers
  readonly #opened: () => Promise<void>
  #writer: Knex | undefined
  #wasOpened = false
  /** Whether the database is no longer where it was opened. */
  #isMissed = false
  #pools = new Map<'read' | 'beside', Promise<Knex>>()
  #isClosing = false

  /** @param opened resolves once the writer is connected, so that the tables are there; rejects with the reason why it is not */
  constructor (dialect: Dialect, writers: Writers, opened: () => Promise<void>) {
    this.#dialect = dialect
    this.#writers = writers
    this.#opened = opened
  }

  /** The writer's connection, while there is one. */
  get writer (): Knex | undefined { return this.#writer }

  /** Whether the writer has to connect, or to connect anew. */
  get isLost (): boolean { return this.#writer === undefined || this.#isMissed }

  /** Connect the writer and migrate the schema. */
  async connectWriter (): Promise<Knex> {
    this.#leaveReplaced()
    const knex = await this.#dialect.connect()
    try {
      await migrate(knex)
      await this.#dialect.prepare?.(knex)
      const { pending } = this.#dialect
      await pending?.opened(knex, this.#writers.mark)
      await this.#writers.enter(knex)
      // From now on no other process keeps anything back.
      await pending?.recover(knex, true)
    } catch (error) {
      await knex.destroy()
      throw error
    }
    this.#wasOpened = true
    return this.#writer = knex
  }

  async disconnectWriter (): Promise<void> {
    const knex = this.#writer
    this.#writer = undefined
    this.#isMissed = false
    // A broken connection may not close cleanly; there is nothing left to lose in it.
    if (knex !== undefined) await this.#dialect.disconnect(knex).catch(() => undefined)
  }

  /**
   * Check that the writer's database is still the one that was opened.
   * @throws PlatziverseError STORE_REPLACED
   */
  check (): void {
    this.#dialect.check?.()
    this.#isMissed = false
  }

  /** Whether it still is; if not, the connection counts as lost. */
  isThere (): boolean {
    if (this.#writer === undefined || this.#isClosing) return true
    try {
      this.#dialect.check?.()
      return true
    } catch {
      this.#isMissed = true
      return false
    }
  }

  /**
   * A pool that only reads.
   * @throws PlatziverseError STORE_CLOSED, or the reason why there is no database now
   */
  read (): Promise<Knex> {
    return this.#pool('read', this.#dialect.read)
  }

  /**
   * Do long work beside the writer; transient failures are tried again.
   * @param open the dialect's `beside`
   * @throws PlatziverseError STORE_CLOSED, or whatever the database says
   */
  async beside<Result> (open: () => Promise<Knex>, work: (knex: Knex) => Promise<Result>): Promise<Result> {
    for (let failures = 1; ; failures++) {
      const knex = await this.#pool('beside', open)
      try {
        return await work(knex)
      } catch (error) {
        if (this.#isClosing) throw closedError()
        if (!this.#dialect.isTransient(error) || failures > mostTransientFailures) throw this.#dialect.explain(error)
        this.retries++
        await transientPause(failures)
      }
    }
  }

  /** Give out no more pools. */
  close (): void {
    this.#isClosing = true
  }

  async destroyPools (): Promise<void> {
    await Promise.all([...this.#pools.values()].map(pool => pool.then(knex => knex.destroy()).catch(() => undefined)))
  }

  #pool (name: 'read' | 'beside', open: () => Promise<Knex>): Promise<Knex> {
    if (this.#isClosing) return Promise.reject(closedError())
    let pool = this.#pools.get(name)
    if (pool === undefined) {
      pool = this.#opened().then(open).catch((error: unknown) => {
        this.#pools.delete(name)
        throw this.#dialect.explain(error)
      })
      this.#pools.set(name, pool)
    }
    return pool
  }

  /** Close the pools if the database was replaced; what is being read is read to its end. */
  #leaveReplaced (): void {
    // Pools that were asked for already still wait for the database to be opened.
    if (!this.#wasOpened) return
    try {
      this.#dialect.check?.()
      return
    } catch { /* it must not be read any more */ }
    void this.destroyPools()
    this.#pools.clear()
  }
}

export function closedError (): PlatziverseError {
  return new PlatziverseError('STORE_CLOSED', 'The database is closed.')
}
