import type { Knex } from 'knex'
import { kindOf } from '../dialects/database-kind.ts'

/** Rows in one insert. */
const mostAdded = 100

export interface LockedSeries { id: number, rawFrom: number, hoursFrom: number }

/**
 * Lock series by their rows of `retention`: only the process that has locked a series' row changes its rollups, and the times from
 * which it has raw metrics and hours. Senders do not need that row.
 * @returns the series that could be locked; another process has the others
 */
export async function lockSeries (db: Knex, ids: Iterable<number>): Promise<Map<number, LockedSeries>> {
  const wanted = [...new Set(ids)]
  const there = await lockRows(db, wanted)
  if (there.size === wanted.length) return there
  // The others are locked by another process, or have no row yet.
  await addRows(db, wanted.filter(id => !there.has(id)))
  return await lockRows(db, wanted)
}

async function lockRows (db: Knex, ids: number[]): Promise<Map<number, LockedSeries>> {
  const query = db('retention').whereIn('series_id', ids).select('series_id', 'raw_from', 'hours_from')
  const rows = await kindOf(db).lockRows(query) as Array<Record<'series_id' | 'raw_from' | 'hours_from', number | string>>
  return new Map(rows.map(row => [Number(row.series_id), { id: Number(row.series_id), rawFrom: Number(row.raw_from), hoursFrom: Number(row.hours_from) }]))
}

/** Add the rows of `retention` that are missing; they say that nothing was deleted yet. */
export async function addRows (db: Knex, ids: number[]): Promise<void> {
  for (let start = 0; start < ids.length; start += mostAdded) {
    const some = ids.slice(start, start + mostAdded)
    // The others were deleted since.
    const exist = (await db('series').whereIn('id', some).pluck<Array<number | string>>('id')).map(Number)
    const there = new Set((await db('retention').whereIn('series_id', exist).pluck<Array<number | string>>('series_id')).map(Number))
    const missing = exist.filter(id => !there.has(id)).map(id => ({ series_id: id, raw_from: 0, hours_from: 0 }))
    // Another process may add them too.
    if (missing.length > 0) await db('retention').insert(missing).onConflict('series_id').ignore()
  }
}
