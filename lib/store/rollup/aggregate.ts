import type { Knex } from 'knex'
import type { Key, Span } from '../dialects/spans.ts'
import { addSums, partsOfRollup, partsOfValue, sumOf } from './large-sums.ts'
import { aggregateIn, numberOrNull, rollupColumns, type Aggregate, type RollupColumns } from './rollup-columns.ts'

/** A row of metrics_1h or metrics_1d. */
export interface RollupRow extends Aggregate, Key {}

export type RollupTable = 'metrics_1h' | 'metrics_1d'

export const nothing: Aggregate = { n: 0, sum: 0, scaledSum: null, min: 0, max: 0, last: 0, lastTs: null, lastSeq: null }

/** Spans in one statement. */
const mostSpans = 50
/** Rows in one insert. */
const mostRows = 100

const ofMetrics = { count: 'count(value)', parts: partsOfValue('value'), min: 'value', max: 'value', last: 'value', lastTs: 'ts', lastSeq: 'seq', newest: 'ts desc, seq desc' } as const

/** How an aggregate is made of each table's columns. */
const sources = {
  metrics: ofMetrics,
  metrics_settled: ofMetrics,
  metrics_1h: { count: 'sum(n)', parts: partsOfRollup(), min: 'min', max: 'max', last: 'last', lastTs: 'last_ts', lastSeq: 'last_seq', newest: 'ts desc' }
} as const

type AggregateRow = Record<'i' | 'n' | 'small' | 'large' | 'lowest' | 'highest' | 'last' | 'last_ts' | 'last_seq', number | string | null>

/**
 * Aggregate metrics, or hours, over each span. The ends of every span are constants in the statement, because MySQL uses no key for a
 * range whose ends come from a join.
 * @returns one aggregate for each span, in their order; texts do not count
 */
export async function aggregate (db: Knex, table: keyof typeof sources, spans: Span[]): Promise<Aggregate[]> {
  const found: Aggregate[] = spans.map(() => nothing)
  for (let start = 0; start < spans.length; start += mostSpans) {
    const selects = spans.slice(start, start + mostSpans).map((span, i) => aggregateSql(table, span, start + i))
    const query = db.select('*').from(db.raw(`(${selects.join(' union all ')}) as spans`))
    for (const row of await query as AggregateRow[]) found[Number(row.i)] = aggregateOf(row)
  }
  return found
}

function aggregateSql (table: keyof typeof sources, { seriesId, from, to }: Span, i: number): string {
  const { count, parts, min, max, last, lastTs, lastSeq, newest } = sources[table]
  const where = `series_id = ${Number(seriesId)} and ts >= ${Number(from)} and ts < ${Number(to)}`
  return `select * from (
      select ${i} as i, ${count} as n, sum(${parts.small}) as small, sum(${parts.large}) as large, min(${min}) as lowest, max(${max}) as highest
      from ${table} where ${where}
    ) as sums left join (
      select ${last} as last, ${lastTs} as last_ts, ${lastSeq} as last_seq from ${table} where ${where} and ${last} is not null order by ${newest} limit 1
    ) as newest on 1 = 1`
}

function aggregateOf (row: AggregateRow): Aggregate {
  const n = Number(row.n)
  if (n === 0) return nothing
  const sum = sumOf({ small: Number(row.small), large: Number(row.large) })
  return { n, ...sum, min: Number(row.lowest), max: Number(row.highest), last: Number(row.last), lastTs: numberOrNull(row.last_ts), lastSeq: numberOrNull(row.last_seq) }
}

/** Two aggregates as one; where it is unknown which is newer, `last` comes from the second. */
export function combine (first: Aggregate, second: Aggregate): Aggregate {
  if (first.n === 0) return second
  if (second.n === 0) return first
  return {
    n: first.n + second.n,
    ...addSums(first, second),
    min: Math.min(first.min, second.min),
    max: Math.max(first.max, second.max),
    ...lastOf(isNewer(first, second) ? first : second)
  }
}

function lastOf ({ last, lastTs, lastSeq }: Aggregate): Pick<Aggregate, 'last' | 'lastTs' | 'lastSeq'> {
  return { last, lastTs, lastSeq }
}

function isNewer (first: Aggregate, second: Aggregate): boolean {
  if (first.lastTs === null || second.lastTs === null) return false
  return first.lastTs > second.lastTs || (first.lastTs === second.lastTs && Number(first.lastSeq) > Number(second.lastSeq))
}

/** The rows with these keys, as far as they are there, by `keyOf`. */
export async function readRollups (db: Knex, table: RollupTable, keys: Key[]): Promise<Map<string, RollupRow>> {
  const found = new Map<string, RollupRow>()
  if (keys.length === 0) return found
  for (const row of await whichAre(db, table, keys).select('*') as Array<RollupColumns & Record<'series_id' | 'ts', number | string>>) {
    const [seriesId, ts] = [Number(row.series_id), Number(row.ts)]
    found.set(keyOf(seriesId, ts), { ...aggregateIn(row), seriesId, ts })
  }
  return found
}

/** Replace the rows with these keys; an empty aggregate leaves no row. */
export async function replaceRollups (db: Knex, table: RollupTable, rows: RollupRow[]): Promise<void> {
  const empty = rows.filter(({ n }) => n === 0)
  if (empty.length > 0) await whichAre(db, table, empty).delete()
  const full = rows.filter(({ n }) => n > 0)
  for (let start = 0; start < full.length; start += mostRows) {
    const inserted = full.slice(start, start + mostRows).map(({ seriesId, ts, ...aggregate }) => ({ series_id: seriesId, ts, ...rollupColumns(aggregate) }))
    await db(table).insert(inserted).onConflict(['series_id', 'ts']).merge()
  }
}

/** A query of the rows with these keys. */
export function whichAre (db: Knex, table: RollupTable | 'dirty_hours', keys: Key[]): Knex.QueryBuilder {
  return db(table).whereIn(['series_id', 'ts'], keys.map(({ seriesId, ts }) => [seriesId, ts]))
}

export function keyOf (seriesId: number, ts: number): string {
  return `${seriesId}/${ts}`
}
