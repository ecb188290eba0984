import { setTimeout } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Store } from './store.ts'

/** ms of a slice: before `few` it may begin another step; after more than `many` the next one does less. */
const few = 10
const many = 25

export interface PaceOptions {
  store: Store
  /** Work ends before its next slice. */
  signal: AbortSignal
  /** Told how long (ms) each slice held the writer. */
  held (took: number): void
}

/** Long work in the writer's place, in slices so short that senders do not feel them. */
export class Pace {
  /** How much to do in the next slice, in whatever the work counts. */
  size: number
  #least: number
  #most: number
  #options: PaceOptions

  constructor (options: PaceOptions, size: { first: number, least: number, most: number }) {
    this.#options = options
    this.size = size.first
    this.#least = size.least
    this.#most = size.most
  }

  /**
   * A slice of work, once the writer is free; afterwards senders have the writer for at least as long.
   * @param work told whether there is time for another step
   * @throws what the work or the store throws, or the signal's reason
   */
  async run<Result> (work: (knex: Knex, hasTime: () => boolean) => Promise<Result>): Promise<Result> {
    const { store, signal, held } = this.#options
    signal.throwIfAborted()
    let took = 0
    const result = await store.run(async knex => {
      const started = performance.now()
      try {
        return await work(knex, () => performance.now() - started < few)
      } finally {
        took = performance.now() - started
      }
    })
    held(took)
    if (took > many) this.size = Math.max(this.#least, Math.floor(this.size / 2))
    else if (took < 1.5 * few) this.size = Math.min(this.#most, Math.ceil(this.size * 1.5))
    await setTimeout(took, undefined, { signal })
    return result
  }

  /** A slice that is one transaction. */
  transaction<Result> (work: (db: Knex, hasTime: () => boolean) => Promise<Result>): Promise<Result> {
    return this.run((knex, hasTime) => inTransaction(knex, db => work(db, hasTime)))
  }
}

export function isSqlite (db: Knex): boolean {
  return db.client.dialect === 'sqlite3'
}

/** Read committed: MySQL's default locks the gaps between rows too, and another process's writer would wait for them. */
function inTransaction<Result> (knex: Knex, work: (db: Knex) => Promise<Result>): Promise<Result> {
  return isSqlite(knex) ? knex.transaction(work) : knex.transaction(work, { isolationLevel: 'read committed' })
}

/**
 * Lock the rows that a query finds until the transaction ends. Those that another process has locked are left out:
 * waiting for them would keep our own senders waiting.
 */
export function locked<Query extends Knex.QueryBuilder> (db: Knex, query: Query): Query {
  // SQLite has one writer at a time.
  return (isSqlite(db) ? query : query.forUpdate().skipLocked()) as Query
}

export interface LockedSeries { id: number, rawFrom: number, hoursFrom: number }

/** Lock series: only who has a series' row changes its rollups, and from when on it has raw metrics and hours. */
export async function lockSeries (db: Knex, ids: Iterable<number>): Promise<Map<number, LockedSeries>> {
  const query = db('series').whereIn('id', [...new Set(ids)]).select('id', 'raw_from', 'hours_from')
  const rows = await locked(db, query) as Array<Record<'id' | 'raw_from' | 'hours_from', number | string>>
  return new Map(rows.map(row => [Number(row.id), { id: Number(row.id), rawFrom: Number(row.raw_from), hoursFrom: Number(row.hours_from) }]))
}
