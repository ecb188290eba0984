import type { Knex } from 'knex'
import { day, floor, hour } from '../../time.ts'
import { kindOf, settledTableOf } from '../dialects/database-kind.ts'
import type { Span } from '../dialects/spans.ts'
import { aggregate, combine, keyOf, nothing, replaceRollups } from '../rollup/aggregate.ts'
import type { Aggregate } from '../rollup/rollup-columns.ts'
import { deletedPart, readParts } from '../rollup/rollup.ts'
import { undo, type Pace } from '../slices/pace.ts'
import { lockSeries, type LockedSeries } from '../slices/series-locks.ts'
import { deleteRows, firstDirty, firstRows } from '../slices/spans.ts'
import type { Store } from '../store.ts'
import type { Limits } from './policy.ts'

/** Most series that are looked at, and locked, at once. */
const mostLooked = 500
const mostLocked = 50
/** Most slices in a row that are undone because senders added metrics; then the pass goes on with other series. */
const mostUndone = 10

interface Target { id: number, limits: Limits }
/** The times (UTC ms) of a series' oldest metric, hour and day. */
type Times = Record<keyof Limits, number | string | null>

/** Deletes metrics, hours and days that were kept for long enough. */
export class Deletion {
  counters: Counts = { metrics: 0, hours: 0, days: 0 }
  #store: Store
  #pace: Pace

  /** @param pace of rows */
  constructor (store: Store, pace: Pace) {
    this.#store = store
    this.#pace = pace
  }

  /**
   * Delete everything older than the limits of its series, except metrics that are not rolled up yet.
   * @param hasChunks whether TimescaleDB keeps the metrics
   */
  async run (limitsOf: (type: string) => Limits, hasChunks: boolean): Promise<void> {
    // Where metrics lie in the order in which they came, a step takes a little of many series, because the rows of one series are all on
    // different pages. TimescaleDB finds compressed rows only series by series.
    const together = kindOf(await this.#store.read('metrics')).spans !== undefined && !hasChunks ? mostLocked : 1
    for (let after = 0; ;) {
      const targets = await this.#look(after, limitsOf)
      const last = targets.at(-1)
      if (last === undefined) return
      after = last.id
      let undone = 0
      for (let left = targets.filter(hasOld); left.length > 0 && undone < mostUndone;) {
        const some = left.slice(0, mostLocked)
        const slice = await this.#pace.attempt((db, hasTime) => deleteSome(db, some, { together, rows: this.#pace.size, hasTime }))
        undone = slice === undefined ? undone + 1 : 0
        if (slice === undefined) continue
        for (const kind of ['metrics', 'hours', 'days'] as const) this.counters[kind] += slice.deleted[kind]
        left = left.slice(slice.done)
      }
    }
  }

  /** The next series, with their oldest times that may be too old. */
  async #look (after: number, limitsOf: (type: string) => Limits): Promise<Array<Target & { times: Times }>> {
    const knex = await this.#store.read('metrics')
    const series = await knex('series').where('id', '>', after).orderBy('id').limit(mostLooked).select<Array<{ id: number, type: string }>>('id', 'type')
    const targets = series.map(({ id, type }) => ({ id: Number(id), limits: limitsOf(type) }))
    const oldest = (table: string, kind: keyof Limits) => {
      // Without this limit TimescaleDB would look for a series' first metric in one chunk after another.
      const newest = Math.max(...targets.map(({ limits }) => limits[kind]))
      return knex(table).whereRaw('series_id = series.id').where('ts', '>=', 0).where('ts', '<', newest).orderBy('ts').limit(1).select('ts')
    }
    const last = targets.at(-1)
    if (last === undefined) return []
    const rows = await knex('series').where('id', '>', after).where('id', '<=', last.id)
      .select('id', { raw: oldest(settledTableOf(knex), 'raw'), hours: oldest('metrics_1h', 'hours'), days: oldest('metrics_1d', 'days') }) as Array<Times & { id: number | string }>
    const times = new Map(rows.map(row => [Number(row.id), row]))
    return targets.flatMap(target => {
      const itsTimes = times.get(target.id)
      return itsTimes === undefined ? [] : [{ ...target, times: itsTimes }]
    })
  }
}

type Counts = Record<'metrics' | 'hours' | 'days', number>
interface SliceOptions { together: number, rows: number, hasTime: () => boolean }

/** @returns how much was deleted, and how many of the series, from the first on, are done */
async function deleteSome (db: Knex, targets: Target[], { together, rows, hasTime }: SliceOptions): Promise<{ deleted: Counts, done: number }> {
  const deleted = { metrics: 0, hours: 0, days: 0 }
  const locked = await lockSeries(db, targets.map(({ id }) => id))
  for (let done = 0; done < targets.length; done += together) {
    if (done > 0 && !hasTime()) return { deleted, done }
    // Series that are not locked here are locked by another process, which deletes from them itself.
    const group = targets.slice(done, done + together).flatMap(({ id, limits }) => {
      const series = locked.get(id)
      return series === undefined ? [] : [{ series, limits }]
    })
    while (await deleteMetrics(db, group.map(({ series, limits }) => ({ series, limit: limits.raw })), rows, deleted)) if (!hasTime()) return { deleted, done }
    for (const { series, limits } of group) {
      while (await deleteHours(db, series, limits.hours, rows, deleted)) if (!hasTime()) return { deleted, done }
      if (limits.days > 0) deleted.days += await db('metrics_1d').where('series_id', series.id).where('ts', '<', limits.days).delete()
    }
  }
  return { deleted, done: targets.length }
}

function hasOld ({ limits, times }: Target & { times: Times }): boolean {
  return (['raw', 'hours', 'days'] as const).some(kind => times[kind] !== null && Number(times[kind]) < limits[kind])
}

/** The metrics of a series that are deleted in one step. */
interface Step extends Span { series: LockedSeries }

/**
 * Delete the oldest metrics of some series, about as many of each: whole hours, or a part of an hour that has too many for one step.
 * @param rows how many to delete, in all
 * @returns whether there may be more before the limits
 * @throws undo when metrics were added meanwhile
 */
async function deleteMetrics (db: Knex, group: Array<{ series: LockedSeries, limit: number }>, rows: number, counts: Counts): Promise<boolean> {
  const due = group.filter(({ series: { rawFrom }, limit }) => limit > rawFrom)
  const dirty = await firstDirty(db, due.map(({ series: { id, rawFrom }, limit: to }) => ({ seriesId: id, from: floor(rawFrom, hour), to })))
  const spans = due.map(({ series, limit }): Step => ({ series, seriesId: series.id, from: series.rawFrom, to: Math.min(limit, dirty.get(series.id) ?? limit) }))
    .filter(({ from, to }) => to > from)
  if (spans.length === 0) return false
  const steps = (await firstOf(db, spans, rows)).map((step): Step => {
    const start = floor(step.from, hour)
    return { ...step, from: start, to: floor(step.to, hour) > start ? floor(step.to, hour) : step.to }
  })
  await keepParts(db, steps)
  counts.metrics += await deleteRows(db, steps)
  // Checked last, because a sender may have added metrics just before they were deleted.
  const touched = steps.map(({ seriesId, from, to }) => ({ seriesId, from, to: floor(to - 1, hour) + hour }))
  if ((await firstDirty(db, touched)).size > 0) throw undo
  const moved = steps.map(({ seriesId, to }) => `when ${Number(seriesId)} then ${Number(to)}`).join(' ')
  await db('retention').whereIn('series_id', steps.map(({ seriesId }) => seriesId)).update({ raw_from: db.raw(`case series_id ${moved} end`) })
  for (const { series, to } of steps) series.rawFrom = to
  return steps.length < spans.length || steps.some(({ to }, i) => to < (spans[i] as Step).to)
}

/**
 * The oldest rows, about `rows` in all: the same number of each series, or, where that is less than an hour, whole hours of the first
 * few series, because parts of hours cost more. A part of an hour only where the hour alone has more rows than that.
 */
async function firstOf (db: Knex, spans: Step[], rows: number): Promise<Step[]> {
  const count = Math.ceil(rows / spans.length)
  const ends = await firstRows(db, settledTableOf(db), spans, count)
  const steps = spans.map((span, i) => ({ ...span, to: ends[i] as number }))
  const ofPart = steps.filter(({ from, to }, i) => floor(from, hour) === floor(to, hour) && to !== spans[i]?.to)
  if (spans.length === 1 || ofPart.length === 0) return steps
  const inHour = count * hour / Math.min(...ofPart.map(({ from, to }) => to - from))
  const width = Math.floor(rows / inHour)
  if (width < 2) return await firstOf(db, spans.slice(0, 1), rows)
  return spans.slice(0, width).map(span => ({ ...span, to: Math.min(span.to, floor(span.from, hour) + hour) }))
}

/** Keep an aggregate of what a step deletes of the hour that it ends in: if late metrics come, the hour is made of this and of what is left. */
async function keepParts (db: Knex, steps: Step[]): Promise<void> {
  const whole = steps.filter(({ series, to }) => to % hour === 0 && series.rawFrom % hour !== 0)
  const inPart = steps.filter(({ to }) => to % hour !== 0)
  const before = await readParts(db, inPart.filter(({ series, to }) => series.rawFrom > floor(to, hour)).map(({ series }) => series))
  const parts = await aggregate(db, settledTableOf(db), inPart.map(({ seriesId, to }) => ({ seriesId, from: floor(to, hour), to })))
  await replaceRollups(db, 'metrics_1h', [
    ...whole.map(({ seriesId }) => ({ ...nothing, seriesId, ts: deletedPart })),
    ...inPart.map(({ seriesId }, i) => ({ ...combine(before.get(keyOf(seriesId, deletedPart)) ?? nothing, parts[i] as Aggregate), seriesId, ts: deletedPart }))
  ])
}

/**
 * Delete a series' oldest hours: whole days, so that a day is never made of a part of its hours. Days that have metrics
 * stay, because those may be rolled up again.
 * @returns whether there may be more before the limit
 */
async function deleteHours (db: Knex, series: LockedSeries, limit: number, rows: number, counts: Counts): Promise<boolean> {
  const end = Math.min(limit, floor(series.rawFrom, day))
  if (end <= series.hoursFrom) return false
  const [next] = await firstRows(db, 'metrics_1h', [{ seriesId: series.id, from: series.hoursFrom, to: end }], rows) as [number]
  const to = floor(next, day)
  counts.hours += await db('metrics_1h').where('series_id', series.id).where('ts', '>=', series.hoursFrom).where('ts', '<', to).delete()
  await db('retention').where('series_id', series.id).update({ hours_from: to })
  series.hoursFrom = to
  return to < end
}
