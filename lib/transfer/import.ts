import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { Parser } from 'csv-parse'
import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { parse as parseMessage } from '../messages/parse.ts'
import { deletedPart } from '../store/rollup.ts'
import type { DirtyHourRow, LatestRow, MessageRow } from '../store/dialects/dialect.ts'
import type { OpenDatabase } from './database.ts'
import { csvColumns, type AgentRecord, type MetricRecord, type RollupRecord, type TransferRecord } from './records.ts'

export interface ImportOptions {
  format: 'ndjson' | 'csv'
  progress (rows: number): void
}

/** Bytes; a metric has 2 kB at most. */
const longestLine = 100_000

/** Rows in one transaction. */
const batchSize = 2_000
const hour = 3_600_000

/** A line, the number that an editor would give it, and where the next begins. */
interface Line { record: TransferRecord, number: number, end: number }

/**
 * Read an export into a database, a batch at a time. What is there already stays as it is. How far it came is kept in a
 * file beside the export until the end: started again it goes on there.
 * @returns rows read, and metrics that were new
 * @throws PlatziverseError TRANSFER_LINE_INVALID, with all lines before it stored
 */
export async function importFrom (database: OpenDatabase, file: string, { format, progress }: ImportOptions): Promise<{ rows: number, fresh: number }> {
  const place = `${file}.progress`
  const start = await placeIn(place, file)
  const importer = new Importer(database)
  let rows = 0
  let fresh = 0
  let batch: Line[] = []
  const flush = async (): Promise<void> => {
    const last = batch.at(-1)
    if (last === undefined) return
    fresh += await importer.write(batch.map(({ record }) => record))
    // After the commit: killed in between, the batch is read again and found there.
    await writeFile(`${place}.new`, JSON.stringify({ at: last.end, line: last.number, before: await printBefore(file, last.end) }))
    await rename(`${place}.new`, place)
    rows += batch.length
    progress(batch.length)
    batch = []
  }
  try {
    for await (const line of format === 'csv' ? csvLines(file, start) : jsonLines(file, start)) {
      batch.push(line)
      if (batch.length === batchSize) await flush()
    }
  } finally {
    // A line that is wrong keeps none before it out.
    await flush()
  }
  await rm(place, { force: true })
  return { rows, fresh }
}

/** Where an import of the same file was when it ended. */
async function placeIn (place: string, file: string): Promise<{ at: number, line: number }> {
  try {
    const { at, line, before } = JSON.parse(await readFile(place, 'utf8')) as { at: number, line: number, before: string }
    if (await printBefore(file, at) === before) return { at, line }
  } catch { /* there is none, or it was being written: from the beginning, nothing is stored twice */ }
  return { at: 0, line: 0 }
}

/** Of the bytes before a place, so that a file is known again although a line after it was mended. */
async function printBefore (file: string, at: number): Promise<string> {
  const bytes = Buffer.alloc(Math.min(at, 4_096))
  const handle = await open(file)
  try {
    await handle.read(bytes, 0, bytes.length, at - bytes.length)
  } finally {
    await handle.close()
  }
  return hash('sha1', bytes)
}

async function * jsonLines (file: string, { at, line }: { at: number, line: number }): AsyncGenerator<Line> {
  let number = line
  let end = at
  let rest = Buffer.alloc(0)
  const take = (bytes: Buffer): Line | undefined => {
    number++
    end += bytes.length
    const text = bytes.toString().trim()
    return text === '' ? undefined : { record: checked(jsonOf(text, number), number), number, end }
  }
  for await (const chunk of createReadStream(file, { start: at }) as AsyncIterable<Buffer>) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let feed = bytes.indexOf(10); feed >= 0; feed = bytes.indexOf(10)) {
      const found = take(bytes.subarray(0, feed + 1))
      bytes = bytes.subarray(feed + 1)
      if (found !== undefined) yield found
    }
    rest = Buffer.from(bytes)
    if (rest.length > longestLine) throw invalid(number + 1, `it is longer than ${longestLine} bytes`)
  }
  const found = rest.length === 0 ? undefined : take(rest)
  if (found !== undefined) yield found
}

function jsonOf (text: string, number: number): TransferRecord {
  try {
    return JSON.parse(text) as TransferRecord
  } catch {
    throw invalid(number, 'it is no JSON')
  }
}

async function * csvLines (file: string, { at, line }: { at: number, line: number }): AsyncGenerator<Line> {
  const parser = new Parser({ info: true, bom: at === 0, relax_column_count: true })
  const source = createReadStream(file, { start: at })
  source.on('error', error => { parser.destroy(error) })
  source.pipe(parser)
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[], info: { lines: number, bytes: number } }>) {
      const number = line + info.lines
      if (at === 0 && info.lines === 1) {
        if (record.join(',') !== csvColumns.join(',')) throw invalid(1, `the columns are not ${csvColumns.join(',')}`)
        continue
      }
      const [uuid = '', type = '', timestamp = '', seq = '', value = '', text = ''] = record
      if (record.length !== csvColumns.length) throw invalid(number, `it has ${record.length} columns and not ${csvColumns.length}`)
      const metric: MetricRecord = { uuid, type, timestamp: whole(timestamp), seq: whole(seq), value: value === '' ? text : Number(value) }
      yield { record: checked(metric, number), number, end: at + info.bytes }
    }
  } catch (cause) {
    if (cause instanceof PlatziverseError || (cause as NodeJS.ErrnoException).syscall !== undefined) throw cause
    throw invalid(line, (cause as Error).message)
  }
}

/** Number('') would be 0. */
function whole (text: string): number {
  return text === '' ? Number.NaN : Number(text)
}

/** By the contract that messages keep to: an import brings nothing in that an agent could not. */
function checked (record: TransferRecord, number: number): TransferRecord {
  if (typeof record !== 'object' || record === null) throw invalid(number, 'it is no object')
  if ('agent' in record) {
    const { uuid, username, name, hostname, pid } = record.agent ?? {}
    const agent = Object.fromEntries(Object.entries({ uuid, username, name, hostname, pid }).filter(([, value]) => value !== null))
    const parsed = parseMessage('agent/connected', { agent }, 0)
    if (!parsed.ok) throw invalid(number, parsed.detail)
    return { agent: { uuid, username: username ?? null, name: name ?? null, hostname: hostname ?? null, pid: pid ?? null, createdAt: time(record.agent.createdAt, number), lastSeenAt: record.agent.lastSeenAt === null ? null : time(record.agent.lastSeenAt, number) } }
  }
  const { uuid, type } = 'series' in record ? record.series : record
  const { timestamp, seq, value } = 'timestamp' in record ? record : { timestamp: 0, seq: 0, value: 0 }
  const parsed = parseMessage('agent/message', { agent: { uuid }, metrics: [{ type, value }], timestamp, seq }, 0)
  if (!parsed.ok) throw invalid(number, parsed.detail)
  if ('timestamp' in record) return { uuid, type, timestamp: time(timestamp, number), seq, value: typeof value === 'boolean' ? Number(value) : value }
  if ('series' in record) return { series: { uuid, type, rawFrom: time(record.series.rawFrom, number), hoursFrom: time(record.series.hoursFrom, number) } }
  const { n, sum, min, max, last } = record
  if (![n, sum, min, max, last].every(Number.isFinite)) throw invalid(number, 'it is none of agent, series, metric, hour, day')
  return { uuid, type, n, sum, min, max, last, ...'hour' in record ? { hour: record.hour === deletedPart ? deletedPart : time(record.hour, number) } : { day: time(record.day, number) } }
}

function time (ms: unknown, number: number): number {
  if (!Number.isSafeInteger(ms) || (ms as number) < 0) throw invalid(number, 'a time is no whole number of ms')
  return ms as number
}

function invalid (number: number, why: string): PlatziverseError {
  return new PlatziverseError('TRANSFER_LINE_INVALID', `Line ${number}: ${why.replace(/\.$/, '')}.`)
}

/** Writes batches of records, each in one transaction. */
class Importer {
  #database: OpenDatabase
  /** Ids of series by `uuid` and type; a batch of another file's order asks the database for them again. */
  #series = new Map<string, number>()

  constructor (database: OpenDatabase) {
    this.#database = database
  }

  /** @returns metrics that were new */
  async write (records: TransferRecord[]): Promise<number> {
    const draft = new Map(this.#series)
    const fresh = await this.#database.knex.transaction(async db => {
      await this.#agents(db, records)
      await this.#findSeries(db, records, draft)
      const idOf = ({ uuid, type }: { uuid: string, type: string }): number => draft.get(keyOf(uuid, type)) as number
      await this.#edges(db, records, idOf)
      await this.#rollups(db, records, idOf)
      return await this.#metrics(db, records.filter((record): record is MetricRecord => 'timestamp' in record), idOf)
    })
    this.#series = draft.size > 100_000 ? new Map() : draft
    return fresh
  }

  async #agents (db: Knex, records: TransferRecord[]): Promise<void> {
    const agents = new Map<string, AgentRecord>()
    const now = Date.now()
    for (const record of records) {
      if ('agent' in record) agents.set(record.agent.uuid, record.agent)
      else {
        const { uuid } = 'series' in record ? record.series : record
        if (!agents.has(uuid)) agents.set(uuid, { uuid, username: null, name: null, hostname: null, pid: null, createdAt: now, lastSeenAt: null })
      }
    }
    const uuids = [...agents.keys()]
    const known = new Set<string>()
    for (let at = 0; at < uuids.length; at += 500) for (const uuid of await db('agents').whereIn('uuid', uuids.slice(at, at + 500)).pluck<string[]>('uuid')) known.add(uuid)
    const rows = [...agents.values()].filter(({ uuid }) => !known.has(uuid)).map(({ uuid, username, name, hostname, pid, createdAt, lastSeenAt }) =>
      ({ uuid, username, name, hostname, pid, connected: false, connected_at: null, last_seen_at: lastSeenAt, created_at: createdAt, updated_at: now }))
    for (let at = 0; at < rows.length; at += 100) await db('agents').insert(rows.slice(at, at + 100))
  }

  async #findSeries (db: Knex, records: TransferRecord[], draft: Map<string, number>): Promise<void> {
    const wanted = new Map<string, { uuid: string, type: string }>()
    for (const record of records) {
      if ('agent' in record) continue
      const { uuid, type } = 'series' in record ? record.series : record
      if (!draft.has(keyOf(uuid, type))) wanted.set(keyOf(uuid, type), { uuid, type })
    }
    if (wanted.size === 0) return
    const uuids = [...new Set([...wanted.values()].map(({ uuid }) => uuid))]
    const ids = new Map<string, number>()
    for (let at = 0; at < uuids.length; at += 500) {
      for (const { id, uuid } of await db('agents').whereIn('uuid', uuids.slice(at, at + 500)).select('id', 'uuid') as Array<{ id: number, uuid: string }>) ids.set(uuid, id)
    }
    const names = new Map([...ids].map(([uuid, id]) => [id, uuid]))
    const rows = [...wanted.values()].map(({ uuid, type }) => ({ agentId: ids.get(uuid) as number, type }))
    for (const { id, agentId, type } of await this.#database.dialect.upsertSeries(db, rows)) draft.set(keyOf(names.get(agentId) as string, type), id)
  }

  /** From when on the source had raw metrics and hours: before that, what comes late is added to what is there. */
  async #edges (db: Knex, records: TransferRecord[], idOf: (series: { uuid: string, type: string }) => number): Promise<void> {
    for (const record of records) {
      if (!('series' in record)) continue
      const { rawFrom, hoursFrom } = record.series
      await db('series').where('id', idOf(record.series)).where('raw_from', '<', rawFrom).update({ raw_from: rawFrom })
      await db('series').where('id', idOf(record.series)).where('hours_from', '<', hoursFrom).update({ hours_from: hoursFrom })
    }
  }

  async #rollups (db: Knex, records: TransferRecord[], idOf: (series: { uuid: string, type: string }) => number): Promise<void> {
    for (const [table, unit] of [['metrics_1h', 'hour'], ['metrics_1d', 'day']] as const) {
      const rows = records.filter((record): record is RollupRecord => unit in record).map(record => {
        const { n, sum, min, max, last } = record
        return { series_id: idOf(record), ts: 'hour' in record ? record.hour : record.day, n, sum, min, max, last }
      })
      // What is there was made of metrics that are there.
      for (let at = 0; at < rows.length; at += 100) await db(table).insert(rows.slice(at, at + 100)).onConflict(['series_id', 'ts']).ignore()
    }
  }

  async #metrics (db: Knex, records: MetricRecord[], idOf: (series: { uuid: string, type: string }) => number): Promise<number> {
    const { dialect } = this.#database
    const all = records.map((record): MessageRow => [record.timestamp, record.seq, idOf(record), record.value])
    if (all.length === 0) return 0
    const seen = await dialect.existingMetrics(db, all)
    const messages: MessageRow[] = []
    const latest = new Map<number, LatestRow>()
    const dirty = new Map<string, DirtyHourRow>()
    for (const row of all) {
      const [ts, seq, seriesId, value] = row as [number, number, number, number | string]
      const key = `${seriesId}/${ts}/${seq}`
      if (seen.has(key)) continue
      seen.add(key)
      messages.push(row)
      if (ts >= (latest.get(seriesId)?.[1] ?? 0)) latest.set(seriesId, [seriesId, ts, value])
      const itsHour = ts - ts % hour
      dirty.set(`${seriesId}/${itsHour}`, [seriesId, itsHour])
    }
    if (messages.length > 0) await dialect.append(db, { messages, latest: [...latest.values()], seen: [], dirtyHours: [...dirty.values()] })
    return messages.length
  }
}

function keyOf (uuid: string, type: string): string {
  return JSON.stringify([uuid, type])
}
