import type { Knex } from 'knex'
import { valueOf } from '../store/dialects/metric-value.ts'
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
    .select('series.id', 'agents.uuid', 'series.type', 'raw_from', 'hours_from', 'last_ts', 'last_value', 'last_text')
  return rows.map(({ id, uuid, type, raw_from: rawFrom, hours_from: hoursFrom, last_ts: timestamp, last_value: value, last_text: text }) => {
    const latest = timestamp === null ? {} : { latest: { timestamp, value: valueOf(value, text) ?? 0 } }
    return { id, uuid, type, rawFrom: rawFrom ?? 0, hoursFrom: hoursFrom ?? 0, ...latest }
  })
}

interface Row { id: number, uuid: string, type: string, raw_from: number | null, hours_from: number | null, last_ts: number | null, last_value: number | null, last_text: string | null }

/** The rows of a series in pages, in the order of the table's key. @param after the key of the row before the first */
export async function * rowsOf<Row extends { ts: number, seq?: number }> (knex: Knex, table: SeriesTable, seriesId: number, after?: { ts: number, seq?: number | undefined }): AsyncGenerator<Row[]> {
  const key = seriesTables[table]
  let last = after
  for (;;) {
    const query = knex(table).where('series_id', seriesId).limit(page)
    for (const column of key) void query.orderBy(column)
    if (last !== undefined) {
      const { ts, seq = 0 } = last
      // The first comparison is what an index understands.
      if (key.length === 1) void query.where('ts', '>', ts)
      else void query.where('ts', '>=', ts).where(either => either.where('ts', '>', ts).orWhere('seq', '>', seq))
    }
    const rows = await query as Row[]
    if (rows.length > 0) yield rows
    if (rows.length < page) return
    last = rows.at(-1)
  }
}
