import type { Knex } from 'knex'
import { lockSeries, type LockedSeries, type Pace } from './retention-pace.ts'
import type { Limits } from './retention-policy.ts'
import { firstRows } from './retention-rows.ts'
import { aggregate, combine, keyOf, nothing, replaceRollups, type Aggregate } from './rollup-aggregate.ts'
import { day, floor, hour } from './rollup-hours.ts'
import { deletedPart, readParts } from './rollup.ts'
import type { Store } from './store.ts'

/** Series that are looked at, and locked, at once. */
const mostLooked = 500
const mostLocked = 50

interface Target { id: number, limits: Limits }
/** The oldest (UTC ms) of what a series has. */
type Times = Record<keyof Limits, number | string | null>

/** Deletes metrics, hours and days that were kept for long enough. */
export class Deletion {
  counters = { metrics: 0, hours: 0, days: 0 }
  #store: Store
  #pace: Pace

  /** @param pace of rows */
  constructor (store: Store, pace: Pace) {
    this.#store = store
    this.#pace = pace
  }

  /** Delete what is older than its series' limits, except metrics that still have to be rolled up. */
  async run (limitsOf: (type: string) => Limits): Promise<void> {
    for (let after = 0; ;) {
      const targets = await this.#look(after, limitsOf)
      const last = targets.at(-1)
      if (last === undefined) return
      after = last.id
      for (let left = targets.filter(hasOld); left.length > 0;) {
        const some = left.slice(0, mostLocked)
        const done = await this.#pace.transaction((db, hasTime) => this.#delete(db, some, hasTime))
        left = left.slice(done)
      }
    }
  }

  /** The next series, with the oldest of what they have that may be too old. */
  async #look (after: number, limitsOf: (type: string) => Limits): Promise<Array<Target & { times: Times }>> {
    const knex = await this.#store.read()
    const series = await knex('series').where('id', '>', after).orderBy('id').limit(mostLooked).select<Array<{ id: number, type: string }>>('id', 'type')
    const targets = series.map(({ id, type }) => ({ id: Number(id), limits: limitsOf(type) }))
    const oldest = (table: string, kind: keyof Limits) => {
      // Or TimescaleDB would look for a series' first metric in one chunk after the other.
      const newest = Math.max(...targets.map(({ limits }) => limits[kind]))
      return knex(table).whereRaw('series_id = series.id').where('ts', '>=', 0).where('ts', '<', newest).orderBy('ts').limit(1).select('ts')
    }
    const last = targets.at(-1)
    if (last === undefined) return []
    const rows = await knex('series').where('id', '>', after).where('id', '<=', last.id)
      .select('id', { raw: oldest('metrics', 'raw'), hours: oldest('metrics_1h', 'hours'), days: oldest('metrics_1d', 'days') }) as Array<Times & { id: number | string }>
    const times = new Map(rows.map(row => [Number(row.id), row]))
    return targets.flatMap(target => {
      const itsTimes = times.get(target.id)
      return itsTimes === undefined ? [] : [{ ...target, times: itsTimes }]
    })
  }

  /** @returns how many of the series, from the first on, are done */
  async #delete (db: Knex, targets: Target[], hasTime: () => boolean): Promise<number> {
    const series = await lockSeries(db, targets.map(({ id }) => id))
    for (const [i, { id, limits }] of targets.entries()) {
      const itself = series.get(id)
      // Another process has it, and comes to it as well.
      if (itself === undefined) continue
      while (await deleteMetrics(db, itself, limits.raw, this.#pace.size, this.counters)) if (!hasTime()) return i
      while (await deleteHours(db, itself, limits.hours, this.#pace.size, this.counters)) if (!hasTime()) return i
      if (limits.days > 0) this.counters.days += await db('metrics_1d').where('series_id', id).where('ts', '<', limits.days).delete()
      if (!hasTime()) return i + 1
    }
    return targets.length
  }
}

function hasOld ({ limits, times }: Target & { times: Times }): boolean {
  return (['raw', 'hours', 'days'] as const).some(kind => times[kind] !== null && Number(times[kind]) < limits[kind])
}

/**
 * Delete a series' oldest metrics: whole hours, or a part of one that has too many for one step.
 * @returns whether there may be more before the limit
 */
async function deleteMetrics (db: Knex, series: LockedSeries, limit: number, rows: number, counters: { metrics: number }): Promise<boolean> {
  if (limit <= series.rawFrom) return false
  const start = floor(series.rawFrom, hour)
  const end = Math.min(limit, await firstDirty(db, series.id, start) ?? limit)
  if (end <= series.rawFrom) return false
  const next = await firstRows(db, 'metrics', { seriesId: series.id, from: series.rawFrom, to: end }, rows)
  const to = floor(next, hour) > start ? floor(next, hour) : next
  await keepPart(db, series, to)
  counters.metrics += await db('metrics').where('series_id', series.id).where('ts', '>=', start).where('ts', '<', to).delete()
  // Looked at last, because another process may have added metrics before we deleted them.
  const dirty = db('dirty_hours').where('series_id', series.id).where('ts', '>=', start).where('ts', '<', floor(to - 1, hour) + hour)
  const moved = await db('series').where('id', series.id).whereNotExists(dirty.select('ts')).update({ raw_from: to })
  if (moved === 0) throw new Error('Metrics came while those of their hour were deleted.')
  series.rawFrom = to
  return to < end
}

async function firstDirty (db: Knex, seriesId: number, from: number): Promise<number | undefined> {
  const [ts] = await db('dirty_hours').where('series_id', seriesId).where('ts', '>=', from).orderBy('ts').limit(1).pluck<Array<number | string>>('ts')
  return ts === undefined ? undefined : floor(Number(ts), hour)
}

/** Remember of the hour that `to` is in what is deleted of it: if metrics come late to it, it is made of this and what is left. */
async function keepPart (db: Knex, series: LockedSeries, to: number): Promise<void> {
  const itsHour = floor(to, hour)
  const hadPart = series.rawFrom % hour !== 0
  if (itsHour === to) {
    if (hadPart) await replaceRollups(db, 'metrics_1h', [{ ...nothing, seriesId: series.id, ts: deletedPart }])
    return
  }
  const before = hadPart && series.rawFrom > itsHour ? (await readParts(db, [series])).get(keyOf(series.id, deletedPart)) : undefined
  const [part] = await aggregate(db, 'metrics', [{ seriesId: series.id, from: itsHour, to }]) as [Aggregate]
  await replaceRollups(db, 'metrics_1h', [{ ...combine(before ?? nothing, part), seriesId: series.id, ts: deletedPart }])
}

/**
 * Delete a series' oldest hours: whole days, so that a day is never made of a part of its hours. Days that have metrics
 * stay, because those may be rolled up again.
 * @returns whether there may be more before the limit
 */
async function deleteHours (db: Knex, series: LockedSeries, limit: number, rows: number, counters: { hours: number }): Promise<boolean> {
  const end = Math.min(limit, floor(series.rawFrom, day))
  if (end <= series.hoursFrom) return false
  const to = floor(await firstRows(db, 'metrics_1h', { seriesId: series.id, from: series.hoursFrom, to: end }, rows), day)
  counters.hours += await db('metrics_1h').where('series_id', series.id).where('ts', '>=', series.hoursFrom).where('ts', '<', to).delete()
  await db('series').where('id', series.id).update({ hours_from: to })
  series.hoursFrom = to
  return to < end
}
