import type { Knex } from 'knex'
import { floor, hour } from '../../time.ts'

// Spans of several series are arrays, which PostgreSQL alone takes. A single one is constants: MySQL uses no key for a range
// whose ends come out of a join.
const spansOf = 'unnest(?::int[], ?::bigint[], ?::bigint[]) as span (id, from_ts, to_ts)'
const isInSpan = 'series_id = id and ts >= from_ts and ts < to_ts'

/**
 * The end (UTC ms) of about `count` rows of each span: its own where there are no more. Always after the first row, and so
 * there may be more than `count` where they have one time.
 * @param spans of different series; several only with PostgreSQL
 */
export async function firstRows (db: Knex, table: 'metrics' | 'metrics_1h', spans: Span[], count: number): Promise<number[]> {
  const rows = await timesOf(db, table, spans, count) as Array<Record<'id' | 'first' | 'next', number | string | null>>
  const ends = new Map(rows.filter(({ next }) => next !== null).map(({ id, first, next }) => [Number(id), Math.max(Number(next), Number(first) + 1)]))
  return spans.map(({ seriesId, to }) => Math.min(to, ends.get(seriesId) ?? to))
}

/** Rows of a series' id, the time of its first row, and of that which is `count` rows later. */
function timesOf (db: Knex, table: string, spans: Span[], count: number): Knex.QueryBuilder {
  const times = (rows: () => Knex.QueryBuilder): Record<'first' | 'next', Knex.QueryBuilder> => {
    const timeOfRow = (offset: number): Knex.QueryBuilder => rows().orderBy('ts').limit(1).offset(offset).select('ts')
    return { first: timeOfRow(0), next: timeOfRow(count) }
  }
  const [only] = spans
  if (only !== undefined && spans.length === 1) return db.select({ id: db.raw('?', [only.seriesId]), ...times(() => within(db(table), only)) })
  // Without the spans' ends: PostgreSQL would expect a few rows, and read and sort all there are.
  return db.from(db.raw(spansOf, arraysOf(spans))).select({ id: 'id', ...times(() => db(table).whereRaw('series_id = id and ts >= from_ts')) })
}

/**
 * The first hour of each span that has to be rolled up, by series.
 * @param spans as for `firstRows`
 */
export async function firstDirty (db: Knex, spans: Span[]): Promise<Map<number, number>> {
  const [only] = spans
  if (only === undefined) return new Map()
  const query: Knex.QueryBuilder = spans.length === 1 ? within(db('dirty_hours'), only) : db.from(db.raw(`dirty_hours, ${spansOf}`, arraysOf(spans))).whereRaw(isInSpan)
  const rows = await query.groupBy('series_id').select('series_id').min({ ts: 'ts' }) as Array<Record<'series_id' | 'ts', number | string>>
  return new Map(rows.map(row => [Number(row.series_id), floor(Number(row.ts), hour)]))
}

/**
 * Delete metrics.
 * @param spans as for `firstRows`
 * @returns how many
 */
export async function deleteRows (db: Knex, spans: Span[]): Promise<number> {
  const [only] = spans
  if (only !== undefined && spans.length === 1) return await within(db('metrics'), only).delete()
  const { rowCount } = await db.raw(`delete from metrics using ${spansOf} where ${isInSpan}`, arraysOf(spans)) as { rowCount: number }
  return rowCount
}

function within (query: Knex.QueryBuilder, { seriesId, from, to }: Span): Knex.QueryBuilder {
  return query.where('series_id', seriesId).where('ts', '>=', from).where('ts', '<', to)
}

function arraysOf (spans: Span[]): string[] {
  return [spans.map(({ seriesId }) => seriesId), spans.map(({ from }) => from), spans.map(({ to }) => to)].map(values => `{${values.join(',')}}`)
}

/** From `from` (UTC ms) to before `to`. */

export interface Span { seriesId: number; from: number; to: number} 
export interface Key { seriesId: number; ts: number} 
