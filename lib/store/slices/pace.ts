import { setTimeout } from 'node:timers/promises'
import type { Knex } from 'knex'
import { kindOf } from '../dialects/database-kind.ts'
import type { Store } from '../store.ts'

/**
 * ms of a slice: until `few` have passed it may begin another step; after one longer than `many` the next does less. `rest`: how long senders
 * have the database after a slice, as a multiple of its time; what they sent while it ran comes before the next one in any case.
 */
const usual = { few: 10, many: 25, rest: 1 }

export interface PaceOptions {
  store: Store
  /** Ends the work before its next slice. */
  signal: AbortSignal
  /** Called after each slice, with the ms that it took. */
  took (ms: number): void
}

/** Thrown inside `attempt`: the transaction is rolled back, and may be tried again. */
export const undo = new Error('To be done later.')

/** Long work in slices so short that senders do not feel them, not even where they wait for each slice, as with SQLite. */
export class Pace {
  /** How much to do in the next slice, in the units that the work counts. */
  size: number
  #least: number
  #most: number
  #options: PaceOptions
  #slice: typeof usual
  /** ms */
  #rest = 0

  constructor (options: PaceOptions, size: { first: number, least: number, most: number }, slice = usual) {
    this.#options = options
    this.#slice = slice
    this.size = size.first
    this.#least = size.least
    this.#most = size.most
  }

  /**
   * Do a slice of work, after senders had the database.
   * @param work `hasTime` says whether there is time for another step
   * @throws what the work or the store throws, or the signal's reason
   */
  async run<Result> (work: (knex: Knex, hasTime: () => boolean) => Promise<Result>): Promise<Result> {
    const { store, signal } = this.#options
    const { few, many, rest } = this.#slice
    await setTimeout(this.#rest, undefined, { signal })
    let took = 0
    const result = await store.run(async knex => {
      const started = performance.now()
      try {
        return await work(knex, () => performance.now() - started < few)
      } finally {
        took = performance.now() - started
      }
    })
    this.#options.took(took)
    if (took > many) this.size = Math.max(this.#least, Math.floor(this.size / 2))
    else if (took < 1.5 * few) this.size = Math.min(this.#most, Math.ceil(this.size * 1.5))
    this.#rest = took * rest
    return result
  }

  /** A slice that is one transaction. */
  transaction<Result> (work: (db: Knex, hasTime: () => boolean) => Promise<Result>): Promise<Result> {
    return this.run((knex, hasTime) => kindOf(knex).transact(knex, db => work(db, hasTime)))
  }

  /** A slice that is one transaction. @returns undefined when the work threw `undo` */
  attempt<Result> (work: (db: Knex, hasTime: () => boolean) => Promise<Result>): Promise<Result | undefined> {
    return this.run((knex, hasTime) => kindOf(knex).transact(knex, db => work(db, hasTime)).catch((error: unknown) => {
      if (error !== undo) throw error
      return undefined
    }))
  }
}
