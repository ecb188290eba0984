import type { Knex } from 'knex'
import { PlatziverseError } from '../../errors.ts'
import { kindOf } from '../../store/dialects/database-kind.ts'
import { averageOf, sumOf } from '../../store/rollup/large-sums.ts'
import { floor, hour } from '../../time.ts'
import { partsOf, type Dirty, type Scope } from './bucket-parts.ts'
import { labelsOf, type Choice, type Labels } from '../series/choice.ts'
import { findSeries, refuseTexts, type FoundSeries } from '../series/find-series.ts'
import { bestSource, bordersOf, gridIn, type Extent, type Grid, type Width } from './grid.ts'
import type { Aggregate } from '../series/names.ts'
import { dataDeleted, type About, type Reading, type Source } from '../series/reading.ts'

/**
 * Buckets of a fixed width begin at multiples of it since 1970 (UTC), those of the calendar where their time zone says. They are
 * whole: the range is widened to where they begin and end.
 */
export interface BucketRange extends Extent {
  aggregates: Aggregate[]
  /** What becomes of buckets without metrics: `null` gives them a count of 0 and null for the rest, `skip` leaves them out. */
  fill: 'null' | 'skip'
  /** `desc`: the newest first. */
  order: 'asc' | 'desc'
}

/** Numbers and booleans (1 or 0) in one span of time; strings do not count. */
export type Bucket = Labels & { ts: number } & Partial<Record<Aggregate, number | null>>

/** Most buckets of one query: a stream of more would never end. */
const mostBuckets = 10_000_000
const mostSeries = 100_000
/** Most series in one statement, where each is bound several times. */
const seriesAtOnce = 200
/** Most dirty hours that a statement names: SQLite takes no more than 500 selects. A series in use has one or two. */
const mostNamed = 400
/** Most hours that buckets begin inside of, in one statement, which reads both sides of each; and most dirty hours beside them. */
const mostCuts = 150
const mostNamedBesideCuts = 100

/**
 * Series by bucket, one series after the other. Buckets of whole hours and days come from the rollups, completed by what is not rolled
 * up yet; others come from the metrics, or from the hours where retention has deleted the metrics. `about` names the source and the
 * width that follows from it. Reading throws PlatziverseError QUERY_DATA_DELETED when retention has deleted the source meanwhile.
 * @throws PlatziverseError QUERY_AGENT_UNKNOWN, QUERY_SERIES_UNKNOWN, QUERY_SERIES_TEXT, QUERY_RANGE_TOO_LARGE
 */
export async function buckets (db: Knex, choice: Choice, range: BucketRange): Promise<Reading<Bucket>> {
  const series = await findSeries(db, choice, mostSeries)
  await refuseTexts(db, series)
  const { source, width, grid, isCut } = layOver(series, range)
  const count = grid.count * series.length
  if (count > mostBuckets) throw new PlatziverseError('QUERY_RANGE_TOO_LARGE', `The range has ${count} buckets, and ${mostBuckets} is the limit.`)
  const { order, fill, timezone } = range
  const withLast = range.aggregates.includes('last')
  const labels = labelsOf(choice)
  const about: About = { source, bucket: width, ...timezone === undefined ? {} : { timezone }, from: grid.startOf(0), to: grid.startOf(grid.count) }
  return {
    about,
    ...fill === 'null' ? { count } : { places: count },
    async * pages (size) {
      for (const slice of slicesOf(series, grid, size, order, isCut ? mostCuts : Number.POSITIVE_INFINITY)) {
        const { first, end } = slice
        const scope: Scope = {
          ids: slice.series.map(({ id }) => id),
          from: grid.startOf(first),
          to: grid.startOf(end),
          bucketOf: time => grid.sqlOf(time, first, end),
          withLast,
          cuts: isCut ? Array.from({ length: end - first + 1 }, (_, i) => grid.startOf(first + i)).filter(border => border % hour !== 0) : []
        }
        const found = await sumsOf(db, scope, source)
        await refuseDeleted(db, slice.series, scope.from, isCut ? 'raw' : source)
        const starts = Array.from({ length: end - first }, (_, i) => grid.startOf(order === 'asc' ? first + i : end - 1 - i))
        const page = slice.series.flatMap(one => starts.flatMap(ts => {
          const sums = found.get(`${one.id}/${ts}`)
          return sums === undefined && fill === 'skip' ? [] : [{ ...labels(one), ...bucketOf(ts, sums, range.aggregates) }]
        }))
        if (page.length > 0) yield page
      }
    }
  }
}

interface Layout {
  source: Source
  width: Width
  grid: Grid
  /** Buckets begin inside of hours, whose metrics are read; the other hours come from the rollup. */
  isCut: boolean
}

/** The finest source that has the whole range, and the range in whole buckets of it. */
function layOver (series: FoundSeries[], range: BucketRange): Layout {
  const borders = bordersOf(range)
  const gridOf = (source: Source): Grid & { bucket: Width } => gridIn(source, range, borders)
  let source = bestSource(range.bucket, borders)
  let grid = gridOf(source)
  // No metric is older than 1970, where a day of the calendar may begin before.
  const begin = (): number => Math.max(0, grid.startOf(0))
  if (source === 'raw' && typeof range.bucket !== 'number' && series.every(({ rawFrom }) => rawFrom <= floor(begin(), hour))) {
    return { source: 'hours', width: grid.bucket, grid, isCut: true }
  }
  if (source === 'raw' && series.some(({ rawFrom }) => begin() < rawFrom)) grid = gridOf(source = 'hours')
  if (source === 'hours' && series.some(({ hoursFrom }) => begin() < hoursFrom)) grid = gridOf(source = 'days')
  return { source, width: grid.bucket, grid, isCut: false }
}

/** Series, and their buckets from `first` to before `end`. */
interface Slice { series: FoundSeries[], first: number, end: number }

/** What one statement reads: at most `size` buckets, and at most `most`. */
function * slicesOf (series: FoundSeries[], grid: Grid, size: number, order: 'asc' | 'desc', most: number): Generator<Slice> {
  const length = Math.min(size, grid.atOnce, most)
  const atOnce = Math.max(1, Math.min(seriesAtOnce, Math.floor(Math.min(size, most) / grid.count)))
  for (let i = 0; i < series.length; i += atOnce) {
    const some = series.slice(i, i + atOnce)
    for (let done = 0; done < grid.count; done += length) {
      const buckets = Math.min(length, grid.count - done)
      const first = order === 'asc' ? done : grid.count - done - buckets
      yield { series: some, first, end: first + buckets }
    }
  }
}

/** Called after reading: what is there now was there then, because the transaction that deletes also writes so in `retention`. */
async function refuseDeleted (db: Knex, series: FoundSeries[], from: number, source: Source): Promise<void> {
  if (source === 'days') return
  const gone = await db('retention').whereIn('series_id', series.map(({ id }) => id)).where(source === 'raw' ? 'raw_from' : 'hours_from', '>', Math.max(0, from)).first('series_id')
  if (gone !== undefined) throw dataDeleted()
}

interface Sums { n: number, avg: number, sum: number, min: number, max: number, last: number | null }

/**
 * What is in the buckets of a slice. One statement reads all of it, so that a rollup that is written meanwhile counts wholly or not
 * at all; hours that become dirty after `dirtyIn` looked count as they were.
 */
async function sumsOf (db: Knex, scope: Scope, source: Source): Promise<Map<string, Sums>> {
  const dirty = source === 'raw' ? undefined : await dirtyIn(db, scope)
  // Hours that are cut have to be named: where others leave no room for that, all metrics are read.
  const isCrowded = scope.cuts.length > 0 && dirty?.hours === undefined
  const { sql, bindings } = partsOf(isCrowded ? 'raw' : source, scope, isCrowded ? undefined : dirty, kindOf(db).metricsAreView === true)
  const bucket = scope.bucketOf('start')
  // The newest part of a bucket has its last value.
  const placed = scope.withLast ? `select parts.*, row_number() over (partition by series_id, ${bucket} order by newest desc, newest_seq desc) as place from (${sql}) parts` : sql
  const rows = kindOf(db).rowsOf(await db.raw(`
    select series_id, ${bucket} as bucket, sum(n) as n, sum(small) as small, sum(large) as large, min(min) as min, max(max) as max
      ${scope.withLast ? ', max(case when place = 1 then last end) as last' : ''}
    from (${placed}) placed group by series_id, bucket`, bindings))
  return new Map(rows.map(row => [`${String(row.series_id)}/${Number(row.bucket)}`, sumsIn(row)]))
}

/** The dirty hours in the scope, and their span as constants, because MySQL searches no index by the ends of what it joins. */
async function dirtyIn (db: Knex, { ids, from, to, cuts }: Scope): Promise<Dirty | undefined> {
  const rows = () => db('dirty_hours').whereIn('series_id', ids).where('ts', '>=', from).where('ts', '<', to)
  const most = cuts.length > 0 ? mostNamedBesideCuts : mostNamed
  const named = await rows().limit(most + 1).select<Array<Record<'series_id' | 'ts', unknown>>>('series_id', 'ts')
  if (named.length + cuts.length === 0) return undefined
  if (named.length > most) {
    const [{ first, last }] = await rows().min('ts as first').max('ts as last') as [Record<'first' | 'last', unknown>]
    return { span: spanOf([Number(first), Number(last)]) }
  }
  const hours = named.map(({ series_id: seriesId, ts }) => ({ seriesId: Number(seriesId), ts: Number(ts) }))
  for (const seriesId of ids) for (const cut of cuts) hours.push({ seriesId, ts: floor(cut, hour) })
  return { span: spanOf(hours.map(({ ts }) => ts)), hours }
}

function spanOf (times: number[]): Dirty['span'] {
  return { from: floor(Math.min(...times), hour), to: floor(Math.max(...times), hour) + hour }
}

function sumsIn (row: Record<string, unknown>): Sums {
  const [n, small, large, min, max] = ['n', 'small', 'large', 'min', 'max'].map(name => Number(row[name])) as [number, number, number, number, number]
  const { sum } = sumOf({ small, large })
  return { n, avg: averageOf({ small, large }, { n, min, max }), sum, min, max, last: row.last === undefined ? null : Number(row.last) }
}

function bucketOf (ts: number, sums: Sums | undefined, wanted: Aggregate[]): Bucket {
  const bucket: Bucket = { ts }
  for (const name of wanted) {
    if (name === 'count') bucket.count = sums?.n ?? 0
    else if (sums === undefined) bucket[name] = null
    else bucket[name] = sums[name]
  }
  return bucket
}
