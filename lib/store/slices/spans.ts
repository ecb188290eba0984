import type { Knex } from 'knex'
import { floor, hour } from '../../time.ts'
import { kindOf, settledTableOf, type MetricTable, type SpanStatements } from '../dialects/database-kind.ts'
import type { Key, Span } from '../dialects/spans.ts'

// The ends of a single span are constants in its statement, because MySQL uses no key for a range whose ends come from a join.

/**
 * Where the first rows of each span, about `count` of them, end (UTC ms); the end of the span where it has no more. Always after the
 * first row, so there are more than `count` where that many have the same time.
 * @param spans of different series; several only where the database has statements for them
 */
export async function firstRows (db: Knex, table: MetricTable | 'metrics_1h', spans: Span[], count: number): Promise<number[]> {
  const [only] = spans
  const rows = only !== undefined && spans.length === 1 ? await timesOf(db, table, only, count) : await several(db).times(db, table, spans, count)
  const ends = new Map(rows.filter(({ next }) => next !== null).map(({ id, first, next }) => [Number(id), Math.max(Number(next), Number(first) + 1)]))
  return spans.map(({ seriesId, to }) => Math.min(to, ends.get(seriesId) ?? to))
}

/** The times of a span's first row, and of the row `count` rows later. */
async function timesOf (db: Knex, table: MetricTable | 'metrics_1h', span: Span, count: number): Promise<Awaited<ReturnType<SpanStatements['times']>>> {
  const timeOfRow = (offset: number): Knex.QueryBuilder => within(db(table), span).orderBy('ts').limit(1).offset(offset).select('ts')
  return await db.select({ id: db.raw('?', [span.seriesId]), first: timeOfRow(0), next: timeOfRow(count) })
}

/**
 * The first dirty hour in each span, by series.
 * @param spans as for `firstRows`
 */
export async function firstDirty (db: Knex, spans: Span[]): Promise<Map<number, number>> {
  const [only] = spans
  if (only === undefined) return new Map()
  const first = spans.length === 1 ? await firstDirtyOf(db, only) : await several(db).firstDirty(db, spans)
  return new Map(first.map(({ seriesId, ts }) => [seriesId, floor(ts, hour)]))
}

async function firstDirtyOf (db: Knex, span: Span): Promise<Key[]> {
  const rows = await within(db('dirty_hours'), span).groupBy('series_id').select('series_id').min({ ts: 'ts' }) as Array<Record<'series_id' | 'ts', number | string>>
  return rows.map(row => ({ seriesId: Number(row.series_id), ts: Number(row.ts) }))
}

/**
 * Delete metrics.
 * @param spans as for `firstRows`
 * @returns how many
 */
export async function deleteRows (db: Knex, spans: Span[]): Promise<number> {
  const [only] = spans
  if (only !== undefined && spans.length === 1) return await within(db(settledTableOf(db)), only).delete()
  return await several(db).deleteRows(db, spans)
}

function within (query: Knex.QueryBuilder, { seriesId, from, to }: Span): Knex.QueryBuilder {
  return query.where('series_id', seriesId).where('ts', '>=', from).where('ts', '<', to)
}

function several (db: Knex): SpanStatements {
  const { spans } = kindOf(db)
  if (spans === undefined) throw new TypeError('This kind of database takes one span at a time.')
  return spans
}
