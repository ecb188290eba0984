import { createWriteStream } from 'node:fs'
import { truncate } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Knex } from 'knex'
import { valueOf } from '../store/dialects/dialect.ts'
import { isSqlite } from '../store/slices/series-locks.ts'
import { csvColumns, csvLine, jsonLine, standard, type MetricRecord, type RollupRecord } from './records.ts'
import { endOf } from './resume.ts'
import { rowsOf, seriesOf, type SeriesOfAgent } from './rows.ts'

export interface ExportOptions {
  /** ndjson: everything, a JSON object in each line; csv: metrics alone. */
  format: 'ndjson' | 'csv'
  /** Go on at the end of a file that was not finished. */
  resume: boolean
  progress (rows: number): void
}

interface MetricRow { ts: number, seq: number, value: number | null, text: string | null }
interface RollupRow { ts: number, n: number, sum: number, min: number, max: number, last: number, last_ts: number | null, last_seq: number | null, scaled_sum: number | null }

/**
 * Write what is in a database into a file, a page at a time, as it was at one moment.
 * @param file a path, also of a pipe; `-` is standard output, which stays open
 * @returns rows written, those of a resumed file's beginning not counted
 * @throws PlatziverseError TRANSFER_RESUME_IMPOSSIBLE when the end of the file is nothing of this database, nobody can read it, or retention deleted something since
 */
export async function exportTo (knex: Knex, file: string, options: ExportOptions): Promise<number> {
  // Retention would delete metrics that are not written yet, of hours which the file has as whole.
  if (isSqlite(knex)) return await knex.transaction(db => writeTo(db, file, options))
  return await knex.transaction(async db => {
    // Whoever reads a pipe may take their time.
    if (knex.client.dialect === 'postgresql') await db.raw('set local idle_in_transaction_session_timeout = 0')
    return await writeTo(db, file, options)
  }, { isolationLevel: 'repeatable read' })
}

async function writeTo (knex: Knex, file: string, { format, resume, progress }: ExportOptions): Promise<number> {
  const series = await seriesOf(knex)
  const end = resume ? await endOf(file, format, series) : undefined
  // Half a line is longer than what follows, if what it was of is no more in the database.
  if (end !== undefined) await truncate(file, end.bytes)
  let rows = 0
  const texts = async function * (): AsyncGenerator<string> {
    if (end === undefined && format === 'csv') yield `${csvColumns.join(',')}\n`
    for await (const lines of linesOf(knex, series, format, end?.last)) {
      rows += lines.length
      progress(lines.length)
      yield lines.map(line => `${line}\n`).join('')
    }
  }
  const target = file === standard ? process.stdout : createWriteStream(file, { flags: end === undefined ? 'w' : 'a' })
  await pipeline(texts, target, { end: file !== standard })
  return rows
}

async function * linesOf (knex: Knex, series: SeriesOfAgent[], format: ExportOptions['format'], last: MetricRecord | RollupRecord | undefined): AsyncGenerator<string[]> {
  if (last === undefined && format === 'ndjson') {
    yield * agentLines(knex)
    yield series.map(({ id: _, ...record }) => jsonLine({ series: record }, record.latest?.value))
  }
  const stage = last === undefined || 'timestamp' in last ? 0 : 'hour' in last ? 1 : 2
  const at = series.findIndex(({ uuid, type }) => uuid === last?.uuid && type === last.type)
  const from = (own: number): SeriesOfAgent[] => stage === own && at >= 0 ? series.slice(at) : series
  const after = (own: number, id: number, key: { ts: number, seq?: number }): typeof key | undefined => stage === own && series[at]?.id === id ? key : undefined

  if (stage === 0) {
    for (const one of from(0)) {
      const key = last !== undefined && 'timestamp' in last ? { ts: last.timestamp, seq: last.seq } : { ts: 0 }
      for await (const rows of rowsOf<MetricRow>(knex, 'metrics', one.id, after(0, one.id, key))) yield rows.map(row => metricLine(one, row, format))
    }
  }
  if (format === 'csv') return
  if (stage <= 1) {
    for (const one of from(1)) {
      const key = { ts: last !== undefined && 'hour' in last ? last.hour : 0 }
      for await (const rows of rowsOf<RollupRow>(knex, 'metrics_1h', one.id, after(1, one.id, key))) yield rows.map(row => rollupLine(one, 'hour', row))
    }
  }
  for (const one of from(2)) {
    const key = { ts: last !== undefined && 'day' in last ? last.day : 0 }
    for await (const rows of rowsOf<RollupRow>(knex, 'metrics_1d', one.id, after(2, one.id, key))) yield rows.map(row => rollupLine(one, 'day', row))
  }
}

async function * agentLines (knex: Knex): AsyncGenerator<string[]> {
  for (let id = 0; ;) {
    const rows = await knex('agents').where('id', '>', id).orderBy('id').limit(1_000)
    if (rows.length === 0) return
    yield rows.map(({ uuid, username, name, hostname, pid, created_at: createdAt, last_seen_at: lastSeenAt }) => JSON.stringify({ agent: { uuid, username, name, hostname, pid, createdAt, lastSeenAt } }))
    id = rows.at(-1).id
  }
}

function metricLine ({ uuid, type }: SeriesOfAgent, { ts, seq, value, text }: MetricRow, format: ExportOptions['format']): string {
  const record: MetricRecord = { uuid, type, timestamp: ts, seq, value: valueOf(value, text) ?? 0 }
  return format === 'csv' ? csvLine(record) : jsonLine(record, record.value)
}

function rollupLine ({ uuid, type }: SeriesOfAgent, unit: 'hour' | 'day', { ts, n, sum, min, max, last, last_ts: lastTs, last_seq: lastSeq, scaled_sum: scaledSum }: RollupRow): string {
  const details = Object.fromEntries(Object.entries({ lastTs, lastSeq, scaledSum }).filter(([, value]) => value !== null))
  return JSON.stringify({ uuid, type, [unit]: ts, n, sum, min, max, last, ...details })
}
