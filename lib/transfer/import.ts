import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { parse as parseCsv } from 'csv-parse/sync'
import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { fingerprint } from '../messages/fingerprint.ts'
import { parse as parseMessage } from '../messages/parse.ts'
import type { DatabaseOptions } from '../store/database.ts'
import { addRows } from '../store/retention-pace.ts'
import { deletedPart } from '../store/rollup.ts'
import type { DirtyHourRow, LatestRow, MessageRow } from '../store/dialects/dialect.ts'
import type { OpenDatabase } from './database.ts'
import { csvColumns, standard, type AgentRecord, type MetricRecord, type RollupRecord, type TransferRecord } from './records.ts'
import { seriesOf } from './rows.ts'

export interface ImportOptions {
  format: 'ndjson' | 'csv'
  progress (rows: number): void
}

/** Bytes; a metric has 2 kB at most. */
const longestLine = 100_000

/** Rows in one transaction. */
const batchSize = 2_000
const hour = 3_600_000

/** A number as people write it: Number() takes blanks and 0x10 as well. */
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** Bytes and lines before a place in a file. */
interface Place { at: number, line: number }
const beginning: Place = { at: 0, line: 0 }

/** A record as a line says it. */
type GivenRecord = Exclude<TransferRecord, MetricRecord> | (Omit<MetricRecord, 'seq'> & { seq?: number })

/** A record, the number that an editor would give its (last) line, and where the next begins. */
interface Line { record: TransferRecord, number: number, end: number }

/**
 * Read an export into a database, a batch at a time. What is there already stays as it is. How far it came is kept in a
 * file beside the export until the end: started again with the same database it goes on there. What comes out of a pipe is
 * read from the beginning again. A metric without `seq` gets a fingerprint of itself, so that two of one time are both kept,
 * and only one of two that are the same.
 * @param file a path, also of a pipe; `-` is standard input
 * @returns rows read, and metrics that were new
 * @throws PlatziverseError TRANSFER_LINE_INVALID, with all lines before it stored
 */
export async function importFrom (database: OpenDatabase, file: string, { format, progress }: ImportOptions): Promise<{ rows: number, fresh: number }> {
  const importer = new Importer(database)
  const place = file !== standard && (await stat(file)).isFile() ? `${file}.progress` : undefined
  const start = place === undefined ? beginning : await placeIn(place, file, importer)
  const source: AsyncIterable<Buffer> = file === standard ? process.stdin : createReadStream(file, start.at > 0 ? { start: start.at } : {})
  let rows = 0
  let fresh = 0
  let batch: Line[] = []
  const flush = async (): Promise<void> => {
    const last = batch.at(-1)
    if (last === undefined) return
    fresh += await importer.write(batch.map(({ record }) => record))
    // After the commit: killed in between, the batch is read again and found there.
    if (place !== undefined) await keep(place, file, importer, last)
    rows += batch.length
    progress(batch.length)
    batch = []
  }
  try {
    for await (const line of format === 'csv' ? csvLines(source, start) : jsonLines(source, start)) {
      batch.push(line)
      if (batch.length === batchSize) await flush()
    }
  } finally {
    // A line that is wrong keeps none before it out.
    await flush()
  }
  if (place !== undefined) await rm(place, { force: true })
  return { rows, fresh }
}

async function keep (place: string, file: string, { name }: Importer, { record, number, end }: Line): Promise<void> {
  await writeFile(`${place}.new`, JSON.stringify({ at: end, line: number, before: await printBefore(file, end), into: name, record }))
  await rename(`${place}.new`, place)
}

/** Where an import of the same file into the same database was when it ended. */
async function placeIn (place: string, file: string, importer: Importer): Promise<Place> {
  let kept: Place & { before: string, into: string, record: TransferRecord }
  try {
    kept = JSON.parse(await readFile(place, 'utf8'))
    if (await printBefore(file, kept.at) !== kept.before) return beginning
  } catch {
    // There is none, or it was being written: nothing is stored twice.
    return beginning
  }
  // A database may have been made anew.
  return kept.into === importer.name && await importer.has(kept.record) ? kept : beginning
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

/** The lines as they are, with their line breaks. */
async function * textLines (source: AsyncIterable<Buffer>, { at, line }: Place): AsyncGenerator<{ text: string, number: number, end: number }> {
  let number = line
  let end = at
  let rest = Buffer.alloc(0)
  const take = (bytes: Buffer): { text: string, number: number, end: number } => {
    number++
    end += bytes.length
    if (bytes.length > longestLine) throw tooLong(number)
    if (!isUtf8(bytes)) throw invalid(number, 'it is not UTF-8')
    return { text: bytes.toString(), number, end }
  }
  for await (const chunk of source) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let feed = bytes.indexOf(10); feed >= 0; feed = bytes.indexOf(10)) {
      yield take(bytes.subarray(0, feed + 1))
      bytes = bytes.subarray(feed + 1)
    }
    rest = Buffer.from(bytes)
    if (rest.length > longestLine) throw tooLong(number + 1)
  }
  if (rest.length > 0) yield take(rest)
}

async function * jsonLines (source: AsyncIterable<Buffer>, start: Place): AsyncGenerator<Line> {
  for await (const { text, number, end } of textLines(source, start)) {
    // A byte order mark is blank as well.
    const json = text.trim()
    if (json !== '') yield { record: checked(jsonOf(json, number), number), number, end }
  }
}

function jsonOf (text: string, number: number): GivenRecord {
  try {
    return JSON.parse(text) as GivenRecord
  } catch {
    throw invalid(number, 'it is no JSON')
  }
}

async function * csvLines (source: AsyncIterable<Buffer>, start: Place): AsyncGenerator<Line> {
  let isHeader = start.at === 0
  let record = ''
  let first = start.line + 1
  let inQuotes = false
  for await (const { text, number, end } of textLines(source, start)) {
    record += text
    if (record.length > longestLine) throw tooLong(first)
    // An odd number of quotes: one of them begins or ends a text that has line breaks.
    if (text.split('"').length % 2 === 0) inQuotes = !inQuotes
    if (inQuotes) continue
    const line = record.replace(/\r?\n$/, '')
    if (isHeader) {
      // Spreadsheets write a byte order mark.
      if (fieldsOf(line.replace(/^\ufeff/, ''), first).join(',') !== csvColumns.join(',')) throw invalid(first, `the columns are not ${csvColumns.join(',')}`)
      isHeader = false
    } else if (line !== '') {
      yield { record: metricOf(fieldsOf(line, first), first, line !== record), number, end }
    }
    record = ''
    first = number + 1
  }
  if (inQuotes) throw invalid(first, 'a quote is not closed')
}

function fieldsOf (line: string, number: number): string[] {
  // Which is what most lines are, and ten times as fast.
  if (!line.includes('"')) return line.split(',')
  try {
    return (parseCsv(line, { record_delimiter: '\n' }) as string[][])[0] ?? []
  } catch {
    throw invalid(number, 'a quote is where none may be')
  }
}

/** @param isWhole whether it ends with a line break: without it a text may have been cut off, as no number can be */
function metricOf (fields: string[], number: number, isWhole: boolean): TransferRecord {
  if (fields.length !== csvColumns.length) throw invalid(number, `it has ${fields.length} columns and not ${csvColumns.length}`)
  const [uuid, type, timestamp, seq, value, text] = fields as [string, string, string, string, string, string]
  if (value !== '' && text !== '') throw invalid(number, 'it has a value and a text')
  if (value === '' && !isWhole) throw invalid(number, 'its text may be cut off: no line break is at its end')
  const numberOf = (column: string, digits: string): number => {
    if (!decimal.test(digits)) throw invalid(number, `its ${column} is no number`)
    return Number(digits)
  }
  const metric = { uuid, type, timestamp: numberOf('timestamp', timestamp), value: value === '' ? text : numberOf('value', value) }
  return checked(seq === '' ? metric : { ...metric, seq: numberOf('seq', seq) }, number)
}

/** By the contract that messages keep to: an import brings nothing in that an agent could not. */
function checked (record: GivenRecord, number: number): TransferRecord {
  if (!isObject(record) || ('series' in record && !isObject(record.series))) throw invalid(number, 'it is no object')
  if ('agent' in record) {
    const { uuid, username, name, hostname, pid } = record.agent ?? {}
    const agent = Object.fromEntries(Object.entries({ uuid, username, name, hostname, pid }).filter(([, value]) => value !== null))
    const parsed = parseMessage('agent/connected', { agent }, 0)
    if (!parsed.ok) throw invalid(number, parsed.detail)
    return { agent: { uuid, username: username ?? null, name: name ?? null, hostname: hostname ?? null, pid: pid ?? null, createdAt: time(record.agent.createdAt, number), lastSeenAt: record.agent.lastSeenAt === null ? null : time(record.agent.lastSeenAt, number) } }
  }
  const { uuid, type } = 'series' in record ? record.series : record
  const { timestamp, value, seq } = 'timestamp' in record ? record : { timestamp: 0, value: 0, seq: 0 }
  const parsed = parseMessage('agent/message', { agent: { uuid }, metrics: [{ type, value }], timestamp, seq }, 0)
  if (!parsed.ok) throw invalid(number, parsed.detail)
  if ('timestamp' in record) {
    const metric = { uuid, type, timestamp: time(timestamp, number), value: typeof value === 'boolean' ? Number(value) : value }
    return { ...metric, seq: seq ?? fingerprint(JSON.stringify(metric)) }
  }
  if ('series' in record) return { series: { uuid, type, rawFrom: time(record.series.rawFrom, number), hoursFrom: time(record.series.hoursFrom, number) } }
  const { n, sum, min, max, last } = record
  if (!Number.isSafeInteger(n) || ![sum, min, max, last].every(Number.isFinite)) throw invalid(number, 'it is none of agent, series, metric, hour, day')
  return { uuid, type, n, sum, min, max, last, ...'hour' in record ? { hour: record.hour === deletedPart ? deletedPart : time(record.hour, number) } : { day: time(record.day, number) } }
}

function isObject (value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function time (ms: unknown, number: number): number {
  if (!Number.isSafeInteger(ms) || (ms as number) < 0) throw invalid(number, 'a time is no whole number of ms')
  return ms as number
}

function invalid (number: number, why: string): PlatziverseError {
  return new PlatziverseError('TRANSFER_LINE_INVALID', `Line ${number}: ${why.replace(/\.$/, '')}.`)
}

function tooLong (number: number): PlatziverseError {
  return invalid(number, `it is longer than ${longestLine} bytes`)
}

/** Which database it is, without its password. */
function nameOf (options: DatabaseOptions): string {
  if (options.client === 'sqlite') return options.filename
  const { client, url, host, port, database } = options
  const address = url !== undefined && URL.canParse(url) ? new URL(url) : undefined
  return JSON.stringify([client, address?.host ?? host, port, address?.pathname ?? database])
}

/** Writes batches of records, each in one transaction. */
class Importer {
  #database: OpenDatabase
  /** Ids of series by `uuid` and type; a batch of another file's order asks the database for them again. */
  #series = new Map<string, number>()

  constructor (database: OpenDatabase) {
    this.#database = database
  }

  /** Of the database. */
  get name (): string { return nameOf(this.#database.options) }

  /** Whether a record is there, or is so old that retention may have deleted it. */
  async has (record: TransferRecord): Promise<boolean> {
    const { knex } = this.#database
    if ('agent' in record) return await knex('agents').where('uuid', record.agent.uuid).first('id') !== undefined
    const { uuid, type } = 'series' in record ? record.series : record
    const series = (await seriesOf(knex)).find(one => one.uuid === uuid && one.type === type)
    if (series === undefined || 'series' in record) return series !== undefined
    const isIn = async (table: string, key: object): Promise<boolean> => await knex(table).where({ series_id: series.id, ...key }).first('ts') !== undefined
    if ('timestamp' in record) return record.timestamp < series.rawFrom || await isIn('metrics', { ts: record.timestamp, seq: record.seq })
    if ('hour' in record) return record.hour < series.hoursFrom || await isIn('metrics_1h', { ts: record.hour })
    return await isIn('metrics_1d', { ts: record.day })
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
    const series = records.flatMap(record => 'series' in record ? [{ ...record.series, id: idOf(record.series) }] : [])
    await addRows(db, series.map(({ id }) => id))
    for (const { id, rawFrom, hoursFrom } of series) {
      await db('retention').where('series_id', id).where('raw_from', '<', rawFrom).update({ raw_from: rawFrom })
      await db('retention').where('series_id', id).where('hours_from', '<', hoursFrom).update({ hours_from: hoursFrom })
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
