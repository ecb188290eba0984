import type { Knex } from 'knex'
import { day, floor, hour } from '../../time.ts'
import { kindOf, settledTableOf } from '../dialects/database-kind.ts'
import type { Key, Span } from '../dialects/spans.ts'
import type { Pace } from '../slices/pace.ts'
import { lockSeries, type LockedSeries } from '../slices/series-locks.ts'
import { firstRows } from '../slices/spans.ts'
import type { Store } from '../store.ts'
import { aggregate, combine, keyOf, nothing, readRollups, replaceRollups, whichAre, type RollupRow } from './aggregate.ts'
import type { Aggregate } from './rollup-columns.ts'

/** ms from the end of an hour until it is first rolled up: most late metrics have come by then. */
const lateTime = 60_000
/** ms after which a claimed hour is free again: the process that claimed it has crashed. */
const claimLasts = 60_000

/**
 * The `ts` of the row of metrics_1h in which a series keeps the aggregate of an hour's metrics that were deleted while others of
 * that hour are still there; `raw_from` is inside the hour then. No metric is that old.
 */
export const deletedPart = -1

/** A row of dirty_hours: `ts` is the start of the hour, or a time inside it once a process has claimed it. */
type DirtyHour = Key
interface Candidate extends DirtyHour { rawFrom: number }

/**
 * Rolls up the hours that got metrics. Where all metrics of an hour are there, the hour is claimed, aggregated while the writer goes
 * on, and then replaced; metrics that come meanwhile make it dirty again. A claim is a row of dirty_hours too, whose `ts` is as far
 * into the hour as the clock was when it was made: so after a crash the hour is still dirty. Metrics that come after the others of
 * their hour were deleted are added to the row that is there, and deleted as well.
 */
export class Rollup {
  /** Hours rolled up from all their metrics, and hours that got metrics after theirs had been deleted. */
  counters = { hours: 0, late: 0 }
  #store: Store
  #pace: Pace

  /** @param pace of hours */
  constructor (store: Store, pace: Pace) {
    this.#store = store
    this.#pace = pace
  }

  /** The end of the hours that are rolled up if they are dirty: undefined where none is. @param now UTC ms */
  async dueTo (now: number): Promise<number | undefined> {
    const [first] = await this.#candidates(now, { seriesId: 0, ts: 0 })
    return first === undefined ? undefined : floor(now - lateTime, hour)
  }

  /**
   * Roll up the dirty hours that have ended.
   * @param now UTC ms
   * @param rows most metrics to delete in one step
   */
  async run (now: number, rows: () => number): Promise<void> {
    const started = performance.now()
    for (let after: DirtyHour = { seriesId: 0, ts: 0 }; ;) {
      const candidates = await this.#candidates(now, after)
      const last = candidates.at(-1)
      if (last === undefined) return
      after = last
      const free = candidates.filter(({ ts }) => ts % hour === 0 || (now - ts) % hour >= claimLasts)
      const late = free.filter(isLate)
      const fresh = free.filter(candidate => !isLate(candidate))
      if (fresh.length > 0) await this.#rollUp(fresh, now + Math.floor(performance.now() - started))
      if (late.length > 0) await this.#addLate(late, rows)
    }
  }

  async #candidates (now: number, after: DirtyHour): Promise<Candidate[]> {
    const knex = await this.#store.read('metrics')
    const rows = await knex('dirty_hours as dirty')
      .leftJoin('retention', 'retention.series_id', 'dirty.series_id')
      .where('dirty.series_id', '>=', after.seriesId)
      .where(query => query.where('dirty.series_id', '>', after.seriesId).orWhere('dirty.ts', '>', after.ts))
      .whereRaw(`dirty.ts - dirty.ts % ${hour} <= ?`, [now - lateTime - hour])
      .orderBy([{ column: 'dirty.series_id' }, { column: 'dirty.ts' }])
      .limit(this.#pace.size)
      .select('dirty.series_id', 'dirty.ts', 'retention.raw_from') as Array<Record<'series_id' | 'ts' | 'raw_from', number | string | null>>
    return rows.map(row => ({ seriesId: Number(row.series_id), ts: Number(row.ts), rawFrom: Number(row.raw_from) }))
  }

  async #rollUp (dirty: DirtyHour[], now: number): Promise<void> {
    const claims = await this.#pace.transaction(db => claim(db, dirty, now))
    const aggregates = await aggregate(await this.#store.read('metrics'), 'metrics', spansOf(claims))
    this.counters.hours += await this.#pace.transaction(db => finish(db, claims, aggregates))
  }

  async #addLate (dirty: DirtyHour[], rows: () => number): Promise<void> {
    for (let left = dirty; left.length > 0;) {
      const { added, unfinished } = await this.#pace.transaction((db, hasTime) => addLate(db, left, rows(), hasTime))
      this.counters.late += added
      left = unfinished
    }
  }
}

/**
 * Roll up these hours in a transaction during which nobody adds metrics to them. Hours of series that another process has locked
 * stay dirty.
 */
export async function rollUpNow (db: Knex, dirty: DirtyHour[]): Promise<void> {
  const series = await lockSeries(db, dirty.map(({ seriesId }) => seriesId))
  const candidates = dirty.flatMap(hour => {
    const { rawFrom } = series.get(hour.seriesId) ?? {}
    return rawFrom === undefined ? [] : [{ ...hour, rawFrom }]
  })
  const fresh = candidates.filter(candidate => !isLate(candidate))
  await finish(db, fresh, await aggregate(db, 'metrics', spansOf(fresh)))
  await addLate(db, candidates.filter(isLate), Number.MAX_SAFE_INTEGER, () => true)
}

function spansOf (hours: DirtyHour[]): Span[] {
  return hours.map(({ seriesId, ts }) => ({ seriesId, from: floor(ts, hour), to: floor(ts, hour) + hour }))
}

/** Whether all metrics of the hour were deleted. */
function isLate ({ ts, rawFrom }: Candidate): boolean {
  return floor(ts, hour) < floor(rawFrom, hour)
}

/** Lock these rows. @returns those that are still there and that no other process has, in the order of time */
async function lockDirty (db: Knex, dirty: DirtyHour[]): Promise<DirtyHour[]> {
  if (dirty.length === 0) return []
  const rows = await kindOf(db).lockRows(whichAre(db, 'dirty_hours', dirty).select('series_id', 'ts')) as Array<Record<'series_id' | 'ts', number | string>>
  return rows.map(row => ({ seriesId: Number(row.series_id), ts: Number(row.ts) })).sort((a, b) => a.ts - b.ts)
}

async function claim (db: Knex, dirty: DirtyHour[], now: number): Promise<DirtyHour[]> {
  const mine = await lockDirty(db, dirty)
  if (mine.length === 0) return []
  await whichAre(db, 'dirty_hours', mine).delete()
  const within = Math.max(1, now % hour)
  // An hour may have two rows: it is dirty again, and a process that crashed had claimed it.
  const byHour = new Map(mine.map(({ seriesId, ts }) => [keyOf(seriesId, floor(ts, hour)), { seriesId, ts: floor(ts, hour) + within }]))
  const claims = [...byHour.values()]
  for (let start = 0; start < claims.length; start += 100) {
    await db('dirty_hours').insert(claims.slice(start, start + 100).map(({ seriesId, ts }) => ({ series_id: seriesId, ts })))
  }
  return claims
}

/** @returns how many of the hours were still claimed */
async function finish (db: Knex, claims: DirtyHour[], aggregates: Aggregate[]): Promise<number> {
  if (claims.length === 0) return 0
  const series = await lockSeries(db, claims.map(({ seriesId }) => seriesId))
  const claimed = claims.filter(({ seriesId, ts }) => {
    const { rawFrom } = series.get(seriesId) ?? {}
    // Another process has deleted the metrics since: once the claim expires, the hour is a late one.
    return rawFrom !== undefined && !isLate({ seriesId, ts, rawFrom })
  })
  const mine = await lockDirty(db, claimed)
  if (mine.length === 0) return 0
  const byClaim = new Map(claims.map(({ seriesId, ts }, i) => [keyOf(seriesId, ts), aggregates[i] as Aggregate]))
  const parts = await readParts(db, [...series.values()])
  const hours = mine.map(({ seriesId, ts: claimed }): RollupRow => {
    const ts = floor(claimed, hour)
    const { rawFrom } = series.get(seriesId) as LockedSeries
    const there = byClaim.get(keyOf(seriesId, claimed)) as Aggregate
    const part = rawFrom > ts && rawFrom < ts + hour ? parts.get(keyOf(seriesId, deletedPart)) : undefined
    return { ...combine(part ?? nothing, there), seriesId, ts }
  })
  await replaceRollups(db, 'metrics_1h', hours)
  await rollUpDays(db, hours)
  await whichAre(db, 'dirty_hours', mine).delete()
  return mine.length
}

/** The rows at `deletedPart` of these series, where they have one. */
export async function readParts (db: Knex, series: LockedSeries[]): Promise<Map<string, RollupRow>> {
  const inParts = series.filter(({ rawFrom }) => rawFrom % hour !== 0)
  return await readRollups(db, 'metrics_1h', inParts.map(({ id }) => ({ seriesId: id, ts: deletedPart })))
}

/** Roll up the days that these hours are in, from their hours, all of which are there. */
async function rollUpDays (db: Knex, hours: Key[]): Promise<void> {
  const spans = [...new Map(hours.map(({ seriesId, ts }) => {
    const from = floor(ts, day)
    return [keyOf(seriesId, from), { seriesId, from, to: from + day }]
  })).values()]
  const days = await aggregate(db, 'metrics_1h', spans)
  await replaceRollups(db, 'metrics_1d', spans.map(({ seriesId, from }, i) => ({ ...days[i] as Aggregate, seriesId, ts: from })))
}

/**
 * Add late metrics to the hours that are there, or to the days where the hours were deleted as well.
 * @returns how many hours got some, and the hours that are not finished
 */
async function addLate (db: Knex, dirty: DirtyHour[], rows: number, hasTime: () => boolean): Promise<{ added: number, unfinished: DirtyHour[] }> {
  const series = await lockSeries(db, dirty.map(({ seriesId }) => seriesId))
  const mine = await lockDirty(db, dirty.filter(({ seriesId }) => series.has(seriesId)))
  // Whatever is older than what was deleted is settled.
  const table = settledTableOf(db)
  const done: DirtyHour[] = []
  const unfinished: DirtyHour[] = []
  const hours: RollupRow[] = []
  for (const hourOf of mine) {
    const { seriesId } = hourOf
    // The hour may have been claimed before it was late.
    const ts = floor(hourOf.ts, hour)
    if (done.length + unfinished.length > 0 && !hasTime()) {
      unfinished.push(hourOf)
      continue
    }
    const [to] = await firstRows(db, table, [{ seriesId, from: ts, to: ts + hour }], rows) as [number]
    const [late] = await aggregate(db, table, [{ seriesId, from: ts, to }]) as [Aggregate]
    await db(table).where('series_id', seriesId).where('ts', '>=', ts).where('ts', '<', to).delete()
    hours.push({ ...late, seriesId, ts })
    if (to === ts + hour) done.push(hourOf)
    else unfinished.push(hourOf)
  }
  const hasHours = ({ seriesId, ts }: RollupRow): boolean => ts >= (series.get(seriesId) as LockedSeries).hoursFrom
  await addTo(db, 'metrics_1h', hours.filter(hasHours))
  await rollUpDays(db, hours.filter(row => hasHours(row) && row.n > 0))
  await addTo(db, 'metrics_1d', hours.filter(row => !hasHours(row)).map(row => ({ ...row, ts: floor(row.ts, day) })))
  if (done.length > 0) await whichAre(db, 'dirty_hours', done).delete()
  return { added: hours.length, unfinished }
}

/** Combine these with the rows that are there. */
async function addTo (db: Knex, table: 'metrics_1h' | 'metrics_1d', additions: RollupRow[]): Promise<void> {
  const late = new Map<string, RollupRow>()
  for (const row of additions) {
    const key = keyOf(row.seriesId, row.ts)
    if (row.n > 0) late.set(key, { ...row, ...combine(late.get(key) ?? nothing, row) })
  }
  const there = await readRollups(db, table, [...late.values()])
  await replaceRollups(db, table, [...late].map(([key, row]) => ({ ...row, ...combine(row, there.get(key) ?? nothing) })))
}
