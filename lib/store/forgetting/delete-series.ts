import type { Knex } from 'knex'
import { settledTableOf } from '../dialects/database-kind.ts'
import { lockSeries } from '../slices/series-locks.ts'
import { deleteRows, firstRows } from '../slices/spans.ts'

/** Every time that a row may have. */
const ever = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER }

export interface DeletedSeries {
  /** How many of the series, from the first on, are done with, and how many of those another process has locked. */
  done: number
  locked: number
  /** Metrics deleted. */
  metrics: number
}

/**
 * Delete series, of which nothing is left that is not settled, in a transaction: as many as there is time for.
 * @param rows how many to delete in one step
 */
export async function deleteSeries (db: Knex, ids: number[], rows: number, hasTime: () => boolean): Promise<DeletedSeries> {
  // Whoever rolls up or deletes metrics of a series has it locked.
  const ours = await lockSeries(db, ids)
  const others = ids.filter(id => !ours.has(id))
  const theirs = new Set(others.length === 0 ? [] : (await db('series').whereIn('id', others).pluck<Array<number | string>>('id')).map(Number))
  const mine = ids.filter(id => ours.has(id))
  if (await haveFewRows(db, mine, rows)) return { done: ids.length, locked: theirs.size, metrics: await deleteTogether(db, mine) }
  let locked = 0
  let metrics = 0
  for (const [done, id] of ids.entries()) {
    if (done > 0 && !hasTime()) return { done, locked, metrics }
    if (theirs.has(id)) locked++
    if (!ours.has(id)) continue
    for (let isDone = false; !isDone;) {
      const step = await deleteMetrics(db, id, rows)
      metrics += step.deleted
      isDone = step.isDone
      if (!isDone && !hasTime()) return { done, locked, metrics }
    }
    while (await deleteHours(db, id, rows)) if (!hasTime()) return { done, locked, metrics }
    await db('metrics_1d').where('series_id', id).delete()
    await deleteStrays(db, [id])
    await db('series').where({ id }).delete()
  }
  return { done: ids.length, locked, metrics }
}

/** Whether series have, all together, no more rows in any table than one step deletes. */
async function haveFewRows (db: Knex, ids: number[], rows: number): Promise<boolean> {
  for (const table of [settledTableOf(db), 'metrics_1h', 'metrics_1d']) {
    const some = db(table).whereIn('series_id', ids).limit(rows + 1).select('series_id').as('some')
    const counted = await db.from(some).count({ n: '*' }).first<{ n: number | string }>()
    if (Number(counted.n) > rows) return false
  }
  return true
}

/** A statement for each of very many series would take longer than its few rows. @returns how many metrics were deleted */
async function deleteTogether (db: Knex, ids: number[]): Promise<number> {
  const metrics = await db(settledTableOf(db)).whereIn('series_id', ids).delete()
  for (const table of ['metrics_1h', 'metrics_1d']) await db(table).whereIn('series_id', ids).delete()
  await deleteStrays(db, ids)
  await db('series').whereIn('id', ids).delete()
  return metrics
}

/** Delete what a rollup that was under way may write of series that are gone. */
export async function deleteStrays (db: Knex, ids: number[]): Promise<void> {
  await db('dirty_hours').whereIn('series_id', ids).delete()
  await db('retention').whereIn('series_id', ids).delete()
}

async function deleteMetrics (db: Knex, seriesId: number, rows: number): Promise<{ deleted: number, isDone: boolean }> {
  const [to = ever.to] = await firstRows(db, settledTableOf(db), [{ seriesId, ...ever }], rows)
  const deleted = await deleteRows(db, [{ seriesId, from: ever.from, to }])
  return { deleted, isDone: to === ever.to }
}

/** Hours, and the part of an hour that retention may keep at a time before all others. @returns whether there may be more */
async function deleteHours (db: Knex, seriesId: number, rows: number): Promise<boolean> {
  const [to = ever.to] = await firstRows(db, 'metrics_1h', [{ seriesId, ...ever }], rows)
  await db('metrics_1h').where('series_id', seriesId).where('ts', '<', to).delete()
  return to < ever.to
}
