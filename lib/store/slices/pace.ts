import { setTimeout } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Store } from '../store.ts'

/** ms of a slice: before `few` it may begin another step; after more than `many` the next one does less. */
const few = 10
const many = 25

/** Rows in one insert. */
const mostAdded = 100

export interface PaceOptions {
  store: Store
  /** Work ends before its next slice. */
  signal: AbortSignal
  /** Told how long (ms) each slice took. */
  took (ms: number): void
}

/** Thrown in an attempt: its transaction is undone, and may be tried again. */
export const undo = new Error('To be done later.')

/** Long work in slices so short that senders do not feel them, also where they wait for each as SQLite's do. */
export class Pace {
  /** How much to do in the next slice, in whatever the work counts. */
  size: number
  #least: number
  #most: number
  #options: PaceOptions
  /** ms */
  #rest = 0

  constructor (options: PaceOptions, size: { first: number, least: number, most: number }) {
    this.#options = options
    this.size = size.first
    this.#least = size.least
    this.#most = size.most
  }

  /**
   * A slice of work, after senders had the database for at least as long as the slice before took.
   * @param work told whether there is time for another step
   * @throws what the work or the store throws, or the signal's reason
   */
  async run<Result> (work: (knex: Knex, hasTime: () => boolean) => Promise<Result>): Promise<Result> {
    const { store, signal } = this.#options
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
    this.#rest = took
    return result
  }

  /** A slice that is one transaction. */
  transaction<Result> (work: (db: Knex, hasTime: () => boolean) => Promise<Result>): Promise<Result> {
    return this.run((knex, hasTime) => inTransaction(knex, db => work(db, hasTime)))
  }

  /** A slice that is one transaction. @returns undefined when the work threw `undo` */
  attempt<Result> (work: (db: Knex, hasTime: () => boolean) => Promise<Result>): Promise<Result | undefined> {
    return this.run((knex, hasTime) => inTransaction(knex, db => work(db, hasTime)).catch((error: unknown) => {
      if (error !== undo) throw error
      return undefined
    }))
  }
}

export function isSqlite (db: Knex): boolean {
  return db.client.dialect === 'sqlite3'
}

/** Read committed: MySQL's default locks the gaps between rows too, and writers would wait for them. */
function inTransaction<Result> (knex: Knex, work: (db: Knex) => Promise<Result>): Promise<Result> {
  return isSqlite(knex) ? knex.transaction(work) : knex.transaction(work, { isolationLevel: 'read committed' })
}

/**
 * Lock the rows that a query finds until the transaction ends. Those that another process has locked are left out: it comes
 * to them itself.
 */
export function locked<Query extends Knex.QueryBuilder> (db: Knex, query: Query): Query {
  // SQLite has one writer at a time.
  return (isSqlite(db) ? query : query.forUpdate().skipLocked()) as Query
}

export interface LockedSeries { id: number, rawFrom: number, hoursFrom: number }

/**
 * Lock series: only who has a series' row of `retention` changes its rollups, and from when on it has raw metrics and hours.
 * Senders do not need that row.
 */
export async function lockSeries (db: Knex, ids: Iterable<number>): Promise<Map<number, LockedSeries>> {
  const wanted = [...new Set(ids)]
  const there = await lockRows(db, wanted)
  if (there.size === wanted.length) return there
  // Another process has the others, or they have no row yet.
  await addRows(db, wanted.filter(id => !there.has(id)))
  return await lockRows(db, wanted)
}

async function lockRows (db: Knex, ids: number[]): Promise<Map<number, LockedSeries>> {
  const query = db('retention').whereIn('series_id', ids).select('series_id', 'raw_from', 'hours_from')
  const rows = await locked(db, query) as Array<Record<'series_id' | 'raw_from' | 'hours_from', number | string>>
  return new Map(rows.map(row => [Number(row.series_id), { id: Number(row.series_id), rawFrom: Number(row.raw_from), hoursFrom: Number(row.hours_from) }]))
}

/** Give series a row of `retention` where they have none: all of what they have is kept. */
export async function addRows (db: Knex, ids: number[]): Promise<void> {
  for (let start = 0; start < ids.length; start += mostAdded) {
    const some = ids.slice(start, start + mostAdded)
    const there = new Set((await db('retention').whereIn('series_id', some).pluck<Array<number | string>>('series_id')).map(Number))
    const missing = some.filter(id => !there.has(id)).map(id => ({ series_id: id, raw_from: 0, hours_from: 0 }))
    // Another process may do so as well.
    if (missing.length > 0) await db('retention').insert(missing).onConflict('series_id').ignore()
  }
}
