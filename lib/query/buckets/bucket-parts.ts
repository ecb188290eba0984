import { partsOfRollup, partsOfValue } from '../../store/rollup/large-sums.ts'
import { deletedPart } from '../../store/rollup/rollup.ts'
import { day, floor, hour } from '../../time.ts'
import type { Source } from '../series/reading.ts'

/** From when (included) to when (not included); UTC ms. */
export interface Span { from: number, to: number }

/** Series by their ids, and a span of whole buckets. */
export interface Scope extends Span {
  ids: number[]
  /** The SQL expression for the start of the bucket that a time is in. */
  bucketOf (time: string): string
  /** Whether the last values are asked for. */
  withLast: boolean
  /** Where buckets begin inside an hour: the metrics of that hour are read, which are all there. */
  cuts: readonly number[]
}

/** Hours that are not rolled up, or got metrics since. */
export interface Dirty {
  /** From the first to the end of the last. */
  span: Span
  /** Each of them (UTC ms), and those that are cut; absent where there are too many to name them in a statement. */
  hours?: Array<{ seriesId: number, ts: number }>
}

/** SQL with named bindings. */
export interface Statement { sql: string, bindings: Record<string, number> }

type Within = (table: string, span?: 'scope' | 'dirty') => string
type Length = 'hour' | 'day'
const lengths = { hour, day }

/**
 * The parts that are added up to buckets: rows of `series_id`, `start` (ms), `n`, `small` and `large` (the parts of their sum),
 * `min`, `max`, `newest` (ms) and, if asked for, `last` and `newest_seq`; parts are compared by `newest` and `newest_seq`. A part is a bucket of
 * metrics, an hour or a day; no metric is in two of them.
 *
 * Hours in `dirty_hours` have no rollup, or one that is out of date: their metrics are added up instead. Where retention deleted
 * those (`raw_from`), what came late is all there is, and is added to the rollup; where it deleted the first of them, their sums
 * are in `deletedPart`. A day is made of its hours, so the same goes for days, down to where the hours were deleted (`hours_from`).
 * @param dirty the hours to take for dirty; absent: none
 * @param metricsAreView as the kind of database says
 */
export function partsOf (source: Source, { ids, from, to, bucketOf, withLast, cuts }: Scope, dirty: Dirty | undefined, metricsAreView: boolean): Statement {
  const binds = ids.map((_, i) => `:id${i}`).join(', ')
  const within: Within = (table, span) => `${table}.series_id in (${binds}) and ` +
    (span === 'dirty' ? `${table}.ts >= :dirtyFrom and ${table}.ts < :dirtyTo` : `${table}.ts >= :from and ${table}.ts < :to`)
  // Rollups of older versions do not have the seq of their last metric.
  const last = withLast ? ', coalesce(r.last_seq, 0) as newest_seq, r.last' : ''
  const withLastOf = (sql: string): string => withLast ? lastOf(sql, metricsAreView) : sql
  const ofDirty = (of: Dirty): string => withLastOf(dirtyMetrics(within, of, { from, to, cuts }, metricsAreView))
  const parts = {
    raw: () => [withLastOf(metrics(within, bucketOf('m.ts')))],
    hours: () => [hours(within, last, dirty), ...dirty === undefined ? [] : [ofDirty(dirty), deletedParts(within, last, dirty)]],
    days: () => [
      days(within, last, dirty),
      ...dirty === undefined ? [] : [hoursOfDirtyDays(within, last, dirty), ofDirty(dirty), deletedParts(within, last, dirty)]
    ]
  }[source]()
  // A day of the calendar may begin before 1970, where \`deletedPart\` is, and no metric.
  const bindings = { from: Math.max(0, from), to, dirtyFrom: dirty?.span.from ?? 0, dirtyTo: dirty?.span.to ?? 0, hour, day, deletedPart, ...Object.fromEntries(ids.map((id, i) => [`id${i}`, id])) }
  return { sql: parts.join(' union all '), bindings }
}

const ofValue = partsOfValue('m.value')
const added = `count(m.value) as n, sum(${ofValue.small}) as small, sum(${ofValue.large}) as large, min(m.value) as min, max(m.value) as max, max(m.ts) as newest`

const ofRollup = partsOfRollup('r.')
/** @param newest the time of the last metric where an older version did not keep it */
const rolledUp = (newest: string): string => `r.n, ${ofRollup.small} as small, ${ofRollup.large} as large, r.min, r.max, coalesce(r.last_ts, ${newest}) as newest`

const metrics = (within: Within, start: string): string => `
  select m.series_id, ${start} as start, ${added}
  from metrics m where ${within('m')} and m.value is not null
  group by m.series_id, start`

/** The starts of the dirty hours, or of the days that have some, by series. */
function startsOf (hours: NonNullable<Dirty['hours']>, length: Length): Map<number, Set<number>> {
  const starts = new Map<number, Set<number>>()
  for (const { seriesId, ts } of hours) starts.set(seriesId, (starts.get(seriesId) ?? new Set()).add(floor(ts, lengths[length])))
  return starts
}

/**
 * Rows of `series_id`, `start` and `stop`, each once, of the dirty hours, or of the days that have some. The time of a row of dirty_hours may
 * be anywhere in its hour, as it is while the hour is being rolled up. Nothing may be added to the times, because PostgreSQL takes a small
 * literal for an integer of four bytes.
 */
function dirtySpans (within: Within, length: Length, { hours }: Dirty): string {
  if (hours === undefined) return `(select distinct d.series_id, d.ts - d.ts % :${length} as start, d.ts - d.ts % :${length} + :${length} as stop from dirty_hours d where ${within('d', 'dirty')})`
  const spans = [...startsOf(hours, length)].flatMap(([id, starts]) => [...starts].map(start => `select ${id} as series_id, ${start} as start, ${start + lengths[length]} as stop`))
  return `(${spans.join(' union all ')})`
}

/** Whether the rollup `r` is clean. Every database makes an index of the list, whatever its length. */
function isClean (within: Within, length: Length, dirty: Dirty): string {
  return `(r.series_id, r.ts) not in (select x.series_id, x.start from ${dirtySpans(within, length, dirty)} x)`
}

/** Where the hours of a day begin in it; the first row finds none, and makes PostgreSQL count in eight bytes. */
const hoursOfDay = `(select ${Number.MAX_SAFE_INTEGER} as ms union all ${Array.from({ length: day / hour }, (_, i) => `select ${i * hour}`).join(' union all ')})`

/** The hour that `raw_from` is in, of which only some metrics were deleted. */
const rawHour = 'k.raw_from - k.raw_from % :hour'

const hours = (within: Within, last: string, dirty: Dirty | undefined): string => `
  select r.series_id, r.ts as start, ${rolledUp('r.ts + :hour - 1')}${last}
  from metrics_1h r left join retention k on k.series_id = r.series_id
  where ${within('r')} ${dirty === undefined ? '' : `and (r.ts < ${rawHour} or ${isClean(within, 'hour', dirty)})`}`

const days = (within: Within, last: string, dirty: Dirty | undefined): string => `
  select r.series_id, r.ts as start, ${rolledUp('r.ts + :day - 1')}${last}
  from metrics_1d r left join retention k on k.series_id = r.series_id
  where ${within('r')} ${dirty === undefined ? '' : `and (r.ts < k.hours_from or ${isClean(within, 'day', dirty)})`}`

const hoursOfDirtyDays = (within: Within, last: string, dirty: Dirty): string => `
  select r.series_id, r.ts as start, ${rolledUp('r.ts + :hour - 1')}${last}
  from ${dirtySpans(within, 'day', dirty)} x cross join ${hoursOfDay} h
  join metrics_1h r on r.series_id = x.series_id and r.ts = x.start + h.ms and r.ts >= x.start and r.ts < x.stop
  left join retention k on k.series_id = r.series_id
  where ${within('r')} and x.start >= coalesce(k.hours_from, 0) and (r.ts < ${rawHour} or ${isClean(within, 'hour', dirty)})`

/** Hour by hour where they are few: a tenth of the time of one statement that has to sort all of their metrics. */
function dirtyMetrics (within: Within, dirty: Dirty, scope: Pick<Scope, 'from' | 'to' | 'cuts'>, metricsAreView: boolean): string {
  if (dirty.hours !== undefined) {
    const selects = [...startsOf(dirty.hours, 'hour')].flatMap(([id, starts]) => [...starts].flatMap(start => spansOf(start, scope)).map(({ from, to }) => `
      select ${id} as series_id, ${from} as start, ${added}
      from metrics m where m.series_id = ${id} and m.ts >= ${from} and m.ts < ${to} and m.value is not null
      having count(*) > 0`))
    return `select * from (${selects.join(' union all ')}) h`
  }
  if (metricsAreView) {
    return `
    select m.series_id, m.ts - m.ts % :hour as start, ${added}
    from metrics m where ${within('m', 'dirty')} and m.value is not null
      and (m.series_id, m.ts - m.ts % :hour) in (select x.series_id, x.start from ${dirtySpans(within, 'hour', dirty)} x)
    group by m.series_id, start`
  }
  return `
    select x.series_id, x.start, ${added}
    from ${dirtySpans(within, 'hour', dirty)} x
    join metrics m on m.series_id = x.series_id and m.ts >= x.start and m.ts < x.stop and m.ts - m.ts % :hour = x.start
    where ${within('m', 'dirty')} and m.value is not null
    group by x.series_id, x.start`
}

/** The parts of an hour that are in the scope: both sides of where it is cut. */
function spansOf (start: number, { from, to, cuts }: Pick<Scope, 'from' | 'to' | 'cuts'>): Span[] {
  const cut = cuts.find(cut => cut > start && cut < start + hour)
  if (cut === undefined) return [{ from: start, to: start + hour }]
  return [{ from: start, to: cut }, { from: cut, to: start + hour }].filter(span => span.from >= from && span.to <= to)
}

const deletedParts = (within: Within, last: string, dirty: Dirty): string => `
  select r.series_id, x.start, ${rolledUp('x.start - 1')}${last}
  from ${dirtySpans(within, 'hour', dirty)} x
  join retention k on k.series_id = x.series_id and x.start = ${rawHour} and x.start < k.raw_from
  join metrics_1h r on r.series_id = x.series_id and r.ts = :deletedPart`

/** Adds each part's last value, and its seq. */
const lastOf = (parts: string, metricsAreView: boolean): string => {
  const ofLast = (column: string): string => {
    const rest = 'from metrics m where m.series_id = p.series_id and m.ts = p.newest and m.value is not null order by m.seq desc limit 1'
    return metricsAreView ? `(select ${column} from (select m.seq, m.value ${rest}))` : `(select m.${column} ${rest})`
  }
  return `select p.*, ${ofLast('seq')} as newest_seq, ${ofLast('value')} as last from (${parts}) p`
}
