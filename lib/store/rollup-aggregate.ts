import type { Knex } from 'knex'

/** The numbers of a span of time in short; `n` = 0: there were none. */
export interface Aggregate { n: number, sum: number, min: number, max: number, last: number }

/** From `from` (UTC ms) to before `to`. */
export interface Span { seriesId: number, from: number, to: number }

export interface Key { seriesId: number, ts: number }

/** A row of metrics_1h or metrics_1d. */
export interface RollupRow extends Aggregate, Key {}

export type RollupTable = 'metrics_1h' | 'metrics_1d'

export const nothing: Aggregate = { n: 0, sum: 0, min: 0, max: 0, last: 0 }

/** Spans in one statement. */
const mostSpans = 50
/** Rows in one insert. */
const mostRows = 100
/** Sums of larger values are kept apart and scaled down: they leave the range of a double, which is an error on some databases. */
const large = '1e290'
const scale = 2 ** 64

/** How each table's columns make an aggregate. */
const sources = {
  metrics: { count: 'count(value)', sum: 'value', min: 'value', max: 'value', last: 'value', newest: 'ts desc, seq desc' },
  metrics_1h: { count: 'sum(n)', sum: 'sum', min: 'min', max: 'max', last: 'last', newest: 'ts desc' }
} as const

type AggregateRow = Record<'i' | 'n' | 'small' | 'large' | 'lowest' | 'highest' | 'last', number | string | null>

/**
 * Aggregate metrics, or hours, over each span. Every span has its constants in the statement: MySQL uses no key for a
 * range whose ends come out of a join.
 * @returns one for each span, in their order; texts do not count
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
  const { count, sum, min, max, last, newest } = sources[table]
  const where = `series_id = ${Number(seriesId)} and ts >= ${Number(from)} and ts < ${Number(to)}`
  return `select ${i} as i, ${count} as n,
    sum(case when abs(${sum}) < ${large} then ${sum} else 0 end) as small,
    sum(case when abs(${sum}) < ${large} then 0 else ${sum} / ${scale}.0 end) as large,
    min(${min}) as lowest, max(${max}) as highest,
    (select ${last} from ${table} where ${where} and ${last} is not null order by ${newest} limit 1) as last
    from ${table} where ${where}`
}

function aggregateOf (row: AggregateRow): Aggregate {
  const n = Number(row.n)
  if (n === 0) return nothing
  const sum = finite(Number(row.small) + Number(row.large) * scale)
  return { n, sum, min: Number(row.lowest), max: Number(row.highest), last: Number(row.last) }
}

/** Two aggregates as one; `last` is that of the second, unless it is empty. */
export function combine (first: Aggregate, second: Aggregate): Aggregate {
  if (first.n === 0) return second
  if (second.n === 0) return first
  return {
    n: first.n + second.n,
    sum: finite(first.sum + second.sum),
    min: Math.min(first.min, second.min),
    max: Math.max(first.max, second.max),
    last: second.last
  }
}

function finite (sum: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, sum))
}

/** The rows of these series and times that are there, by `keyOf`. */
export async function readRollups (db: Knex, table: RollupTable, keys: Key[]): Promise<Map<string, RollupRow>> {
  const found = new Map<string, RollupRow>()
  if (keys.length === 0) return found
  for (const row of await whichAre(db, table, keys).select('*') as Array<Record<keyof Aggregate | 'series_id' | 'ts', number | string>>) {
    const [seriesId, ts] = [Number(row.series_id), Number(row.ts)]
    const [n, sum, min, max, last] = [Number(row.n), Number(row.sum), Number(row.min), Number(row.max), Number(row.last)]
    found.set(keyOf(seriesId, ts), { seriesId, ts, n, sum, min, max, last })
  }
  return found
}

/** Put these rows in place of those that are there; an empty one leaves none. */
export async function replaceRollups (db: Knex, table: RollupTable, rows: RollupRow[]): Promise<void> {
  const empty = rows.filter(({ n }) => n === 0)
  if (empty.length > 0) await whichAre(db, table, empty).delete()
  const full = rows.filter(({ n }) => n > 0)
  for (let start = 0; start < full.length; start += mostRows) {
    const inserted = full.slice(start, start + mostRows).map(({ seriesId: series_id, ts, n, sum, min, max, last }) => ({ series_id, ts, n, sum, min, max, last }))
    await db(table).insert(inserted).onConflict(['series_id', 'ts']).merge()
  }
}

/** The rows that have these keys. */
export function whichAre (db: Knex, table: RollupTable | 'dirty_hours', keys: Key[]): Knex.QueryBuilder {
  return db(table).whereIn(['series_id', 'ts'], keys.map(({ seriesId, ts }) => [seriesId, ts]))
}

export function keyOf (seriesId: number, ts: number): string {
  return `${seriesId}/${ts}`
}
