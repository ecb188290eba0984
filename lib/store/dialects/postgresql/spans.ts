import type { Knex } from 'knex'
import type { SpanStatements } from '../database-kind.ts'
import type { Span } from '../spans.ts'

const spanRows = 'unnest(?::int[], ?::bigint[], ?::bigint[]) as span (id, from_ts, to_ts)'
const isInSpan = 'series_id = id and ts >= from_ts and ts < to_ts'

/** Spans are bound as three arrays. */
export const postgresqlSpans: SpanStatements = {
  async times (db, table, spans, count) {
    // Without the ends of the spans: with them the planner expects few rows, and reads and sorts all of them.
    const timeOfRow = (offset: number): Knex.QueryBuilder => db(table).whereRaw('series_id = id and ts >= from_ts').orderBy('ts').limit(1).offset(offset).select('ts')
    return await db.from(db.raw(spanRows, arraysOf(spans))).select({ id: 'id', first: timeOfRow(0), next: timeOfRow(count) })
  },

  async firstDirty (db, spans) {
    const rows = await db.from(db.raw(`dirty_hours, ${spanRows}`, arraysOf(spans))).whereRaw(isInSpan).groupBy('series_id').select('series_id').min({ ts: 'ts' })
    return (rows as Array<Record<'series_id' | 'ts', number | string>>).map(row => ({ seriesId: Number(row.series_id), ts: Number(row.ts) }))
  },

  async deleteRows (db, spans) {
    const { rowCount } = await db.raw(`delete from metrics using ${spanRows} where ${isInSpan}`, arraysOf(spans)) as { rowCount: number }
    return rowCount
  }
}

function arraysOf (spans: Span[]): string[] {
  return [spans.map(({ seriesId }) => seriesId), spans.map(({ from }) => from), spans.map(({ to }) => to)].map(values => `{${values.join(',')}}`)
}
