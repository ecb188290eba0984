import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { kindOf } from '../store/dialects/database-kind.ts'
import { averageOf, sumOf } from '../store/rollup/large-sums.ts'
import { day, floor, hour } from '../time.ts'
import { partsOf, type Dirty, type Scope } from './bucket-parts.ts'
import type { Aggregate } from './names.ts'
import { dataDeleted, type About, type Reading, type Source } from './reading.ts'
import { findAllSeries, findSeries, type FoundSeries } from './series.ts'

/** Buckets begin at multiples of their width since 1970 (UTC). They are whole: the range is widened to where they begin and end. */
export interface BucketRange {
  /** UTC ms. */
  from: number
  to: number
  /** The width in ms. */
  bucket: number
  aggregates: Aggregate[]
  /** What becomes of buckets without metrics: `null` gives them a count of 0 and null for the rest, `skip` leaves them out. */
  fill: 'null' | 'skip'
  /** `desc`: the newest first. */
  order: 'asc' | 'desc'
}

/** Numbers and booleans (1 or 0) in one span of time; strings do not count. */
export type Bucket = { ts: number } & Partial<Record<Aggregate, number | null>>
export type AgentBucket = { uuid: string, name: string | null } & Bucket

/** Most buckets of one query: a stream of more would never end. */
const mostBuckets = 10_000_000
const mostSeries = 100_000
/** Most series in one statement, where each is bound several times. */
const seriesAtOnce = 200
/** Most dirty hours that a statement names: SQLite takes no more than 500 selects. A series in use has one or two. */
const mostNamed = 400

const unitOf: Record<Source, number> = { raw: 1, hours: hour, days: day }

/**
 * One series by bucket. Buckets of whole hours and days come from the rollups, completed by what is not rolled up yet; others come from
 * the metrics, or from the hours where retention has deleted the metrics. `about` names the source and the width that follows from it. Reading throws
 * PlatziverseError QUERY_DATA_DELETED when retention has deleted the source meanwhile.
 * @throws PlatziverseError QUERY_AGENT_UNKNOWN, QUERY_SERIES_UNKNOWN, QUERY_RANGE_TOO_LARGE
 */
export async function buckets (db: Knex, { uuid, type, ...range }: { uuid: string, type: string } & BucketRange): Promise<Reading<Bucket>> {
  const series = await findSeries(db, uuid, type)
  return readingOf(db, [series], range, (_series, bucket) => bucket)
}

/**
 * The series of a type by bucket, one agent after the other; otherwise as `buckets`.
 * @throws PlatziverseError QUERY_SERIES_UNKNOWN, QUERY_RANGE_TOO_LARGE
 */
export async function typeBuckets (db: Knex, { type, ...range }: { type: string } & BucketRange): Promise<Reading<AgentBucket>> {
  const series = await findAllSeries(db, type, mostSeries)
  return readingOf(db, series, range, ({ uuid, name }, bucket) => ({ uuid, name, ...bucket }))
}

function readingOf<Row> (db: Knex, series: FoundSeries[], range: BucketRange, rowOf: (series: FoundSeries, bucket: Bucket) => Row): Reading<Row> {
  const about = rangeOf(series, range)
  const { from, to, bucket: width, source } = about
  const count = (to - from) / width * series.length
  if (count > mostBuckets) throw new PlatziverseError('QUERY_RANGE_TOO_LARGE', `The range has ${count} buckets, and ${mostBuckets} is the limit.`)
  const { order, fill } = range
  const withLast = range.aggregates.includes('last')
  return {
    about,
    ...fill === 'null' ? { count } : { places: count },
    async * pages (size) {
      for (const slice of slicesOf(series, from, to, width, size, order)) {
        const found = await sumsOf(db, { ...slice, ids: slice.series.map(({ id }) => id), width, withLast }, source)
        await refuseDeleted(db, slice, source)
        const starts = Array.from({ length: (slice.to - slice.from) / width }, (_, i) => order === 'asc' ? slice.from + i * width : slice.to - (i + 1) * width)
        const page = slice.series.flatMap(one => starts.flatMap(ts => {
          const sums = found.get(`${one.id}/${ts}`)
          return sums === undefined && fill === 'skip' ? [] : [rowOf(one, bucketOf(ts, sums, range.aggregates))]
        }))
        if (page.length > 0) yield page
      }
    }
  }
}

/** The finest source that has the whole range, and the range in whole buckets of it. */
function rangeOf (series: FoundSeries[], { from, to, bucket }: BucketRange): Required<About> & { from: number, to: number } {
  let source: Source = bucket % day === 0 ? 'days' : bucket % hour === 0 ? 'hours' : 'raw'
  const begins = (): number => floor(from, bucketIn(source, bucket))
  if (source === 'raw' && series.some(({ rawFrom }) => begins() < rawFrom)) source = 'hours'
  if (source === 'hours' && series.some(({ hoursFrom }) => begins() < hoursFrom)) source = 'days'
  const width = bucketIn(source, bucket)
  return { source, bucket: width, from: begins(), to: Math.ceil(to / width) * width }
}

function bucketIn (source: Source, bucket: number): number {
  return Math.ceil(bucket / unitOf[source]) * unitOf[source]
}

interface Slice { series: FoundSeries[], from: number, to: number }

/** What one statement reads: at most `size` buckets. */
function * slicesOf (series: FoundSeries[], from: number, to: number, width: number, size: number, order: 'asc' | 'desc'): Generator<Slice> {
  const length = (to - from) / width
  const atOnce = Math.max(1, Math.min(seriesAtOnce, Math.floor(size / length)))
  for (let i = 0; i < series.length; i += atOnce) {
    const some = series.slice(i, i + atOnce)
    for (let done = 0; done < length; done += size) {
      const buckets = Math.min(size, length - done)
      const start = order === 'asc' ? from + done * width : to - (done + buckets) * width
      yield { series: some, from: start, to: start + buckets * width }
    }
  }
}

/** Called after reading: what is there now was there then, because the transaction that deletes also writes so in `retention`. */
async function refuseDeleted (db: Knex, { series, from }: Slice, source: Source): Promise<void> {
  if (source === 'days') return
  const gone = await db('retention').whereIn('series_id', series.map(({ id }) => id)).where(source === 'raw' ? 'raw_from' : 'hours_from', '>', from).first('series_id')
  if (gone !== undefined) throw dataDeleted()
}

interface Sums { n: number, avg: number, sum: number, min: number, max: number, last: number | null }

/**
 * What is in the buckets of a slice. One statement reads all of it, so that a rollup that is written meanwhile counts wholly or not
 * at all; hours that become dirty after `dirtyIn` looked count as they were.
 */
async function sumsOf (db: Knex, scope: Scope, source: Source): Promise<Map<string, Sums>> {
  const { sql, bindings } = partsOf(source, scope, source === 'raw' ? undefined : await dirtyIn(db, scope))
  // The newest part of a bucket has its last value.
  const placed = scope.withLast ? `select parts.*, row_number() over (partition by series_id, start - start % :width order by newest desc, newest_seq desc) as place from (${sql}) parts` : sql
  const rows = kindOf(db).rowsOf(await db.raw(`
    select series_id, start - start % :width as bucket, sum(n) as n, sum(small) as small, sum(large) as large, min(min) as min, max(max) as max
      ${scope.withLast ? ', max(case when place = 1 then last end) as last' : ''}
    from (${placed}) placed group by series_id, bucket`, bindings))
  return new Map(rows.map(row => [`${String(row.series_id)}/${Number(row.bucket)}`, sumsIn(row)]))
}

/** The dirty hours in the scope, and their span as constants, because MySQL searches no index by the ends of what it joins. */
async function dirtyIn (db: Knex, { ids, from, to }: Scope): Promise<Dirty | undefined> {
  const rows = () => db('dirty_hours').whereIn('series_id', ids).where('ts', '>=', from).where('ts', '<', to)
  const named = await rows().limit(mostNamed + 1).select<Array<Record<'series_id' | 'ts', unknown>>>('series_id', 'ts')
  if (named.length === 0) return undefined
  if (named.length > mostNamed) {
    const [{ first, last }] = await rows().min('ts as first').max('ts as last') as [Record<'first' | 'last', unknown>]
    return { span: spanOf([Number(first), Number(last)]) }
  }
  const hours = named.map(({ series_id: seriesId, ts }) => ({ seriesId: Number(seriesId), ts: Number(ts) }))
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
