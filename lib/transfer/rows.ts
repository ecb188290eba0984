import type { Knex } from 'knex'
import { literally } from '../store/dialects/literally.ts'
import { newestColumns, newestIn, type NewestRow } from '../store/dialects/metric-columns.ts'
import type { SeriesRecord } from './records.ts'

/** Rows that are in memory at a time. */
const page = 5_000

export interface SeriesOfAgent extends SeriesRecord { id: number }

/** The tables whose rows belong to series, and what orders them within one. */
export const seriesTables = { metrics: ['ts', 'seq'], metrics_1h: ['ts'], metrics_1d: ['ts'], dirty_hours: ['ts'] } as const
export type SeriesTable = keyof typeof seriesTables

/** All series with their agents' uuids, in the order of their ids. */
export async function seriesOf (knex: Knex): Promise<SeriesOfAgent[]> {
  const rows: Row[] = await knex('series').join('agents', 'agents.id', 'series.agent_id').leftJoin('retention', 'retention.series_id', 'series.id').orderBy('series.id')
    .select('series.id', 'agents.uuid', 'series.type', 'raw_from', 'hours_from', ...Object.values(newestColumns))
  return rows.map(({ id, uuid, type, raw_from: rawFrom, hours_from: hoursFrom, ...row }) => {
    const newest = newestIn(row)
    return { id, uuid, type, rawFrom: rawFrom ?? 0, hoursFrom: hoursFrom ?? 0, ...newest && { latest: { timestamp: newest.ts, value: newest.value ?? 0 } } }
  })
}

type Row = NewestRow & { id: number, uuid: string, type: string, raw_from: number | null, hours_from: number | null }

/** The rows of a series in pages, in the order of the table's key. @param after the key of the row before the first */
export async function * rowsOf<Row extends { ts: number, seq?: number }> (
  knex: Knex, table: SeriesTable, seriesId: number, after?: { ts: number, seq?: number | undefined }
): AsyncGenerator<Row[]> {
  const key = seriesTables[table]
  let last = after
  for (;;) {
    const query = knex(table).where('series_id', seriesId).limit(page, literally)
    for (const column of key) void query.orderBy(column)
    if (last !== undefined) {
      const { ts, seq = 0 } = last
      // The database searches its index by the first comparison alone.
      if (key.length === 1) void query.where('ts', '>', ts)
      else void query.where('ts', '>=', ts).where(either => either.where('ts', '>', ts).orWhere('seq', '>', seq))
    }
    const rows = await query as Row[]
    if (rows.length > 0) yield rows
    if (rows.length < page) return
    last = rows.at(-1)
  }
}
