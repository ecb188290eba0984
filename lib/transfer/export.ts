import { createWriteStream } from 'node:fs'
import { truncate } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Knex } from 'knex'
import { agentColumns, descriptionFields, type AgentDescription } from '../store/dialects/agent-columns.ts'
import { kindOf } from '../store/dialects/database-kind.ts'
import { valueOf } from '../store/dialects/metric-columns.ts'
import { aggregateIn, type RollupColumns } from '../store/rollup/rollup-columns.ts'
import { csvColumns, csvLine, jsonLine, presenceColumns, standard, type AgentRecord, type MetricRecord, type PresenceRecord, type RollupRecord } from './records.ts'
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
type RollupRow = RollupColumns & { ts: number }

/**
 * Write what a database holds at one moment into a file, a page at a time.
 * @param file a path, also of a pipe; `-` is standard output, which stays open
 * @returns rows written, those of a resumed file's beginning not counted
 * @throws PlatziverseError TRANSFER_RESUME_IMPOSSIBLE when the end of the file is not from this database or cannot be read, or when retention deleted something since
 */
export async function exportTo (knex: Knex, file: string, options: ExportOptions): Promise<number> {
  // Otherwise retention could delete metrics that are not written yet, of hours that the file has as complete.
  return await kindOf(knex).snapshot(knex, db => writeTo(db, file, options))
}

async function writeTo (knex: Knex, file: string, { format, resume, progress }: ExportOptions): Promise<number> {
  const series = await seriesOf(knex)
  const end = resume ? await endOf(file, format, series) : undefined
  // Half a line could be longer than all that follows, and its end would stay.
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
    yield rows.map(row => JSON.stringify({ agent: agentRecord(row) }))
    id = rows.at(-1).id
  }
}

function agentRecord (row: Record<string, unknown>): AgentRecord {
  const description = Object.fromEntries(descriptionFields.map(field => [field, row[field]])) as unknown as AgentDescription
  const presence = Object.fromEntries(Object.entries(presenceColumns).map(([field, column]) => [field, row[column]])) as unknown as PresenceRecord
  const isSilent = Object.values(presence).every(value => value === null)
  return {
    uuid: row.uuid as string, ...description, createdAt: row.created_at as number, lastSeenAt: row[agentColumns.lastSeenAt.column] as number | null, ...isSilent ? {} : { presence }
  }
}

function metricLine ({ uuid, type }: SeriesOfAgent, { ts, seq, value, text }: MetricRow, format: ExportOptions['format']): string {
  const record: MetricRecord = { uuid, type, timestamp: ts, seq, value: valueOf(value, text) ?? 0 }
  return format === 'csv' ? csvLine(record) : jsonLine(record, record.value)
}

function rollupLine ({ uuid, type }: SeriesOfAgent, unit: 'hour' | 'day', row: RollupRow): string {
  const { n, sum, min, max, last, ...optional } = aggregateIn(row)
  const details = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null))
  return JSON.stringify({ uuid, type, [unit]: row.ts, n, sum, min, max, last, ...details })
}
