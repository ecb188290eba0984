import { isUtf8 } from 'node:buffer'
import { parse as parseCsv } from 'csv-parse/sync'
import { PlatziverseError } from '../errors.ts'
import { fingerprint } from '../messages/fingerprint.ts'
import { parse as parseMessage } from '../messages/parse.ts'
import { describeAgent, descriptionFields } from '../store/dialects/agent-columns.ts'
import { deletedPart } from '../store/rollup/rollup.ts'
import { csvColumns, presenceColumns, restored, type AgentRecord, type MetricRecord, type PresenceRecord, type RollupDetails, type TransferRecord } from './records.ts'

/** Bytes; a metric has 2 kB at most. */
const longestLine = 100_000

/** A number as people write it: Number() takes blanks and 0x10 as well. */
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** Bytes and lines before a place in a file. */
export interface Place { at: number, line: number }
export const beginning: Place = { at: 0, line: 0 }

/** A record as a line has it, before it is checked. */
type GivenRecord = Exclude<TransferRecord, MetricRecord> | (Omit<MetricRecord, 'seq'> & { seq?: number })

/** A record, the number that an editor gives its (last) line, and where the next one begins. */
export interface Line { record: TransferRecord, number: number, end: number }

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

/** The records of a file of JSON lines. @throws PlatziverseError TRANSFER_LINE_INVALID */
export async function * jsonLines (source: AsyncIterable<Buffer>, start: Place): AsyncGenerator<Line> {
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
    throw invalid(number, 'it is not JSON')
  }
}

/** The records of a CSV file. @throws PlatziverseError TRANSFER_LINE_INVALID */
export async function * csvLines (source: AsyncIterable<Buffer>, start: Place): AsyncGenerator<Line> {
  let isHeader = start.at === 0
  let record = ''
  let first = start.line + 1
  let inQuotes = false
  for await (const { text, number, end } of textLines(source, start)) {
    record += text
    if (record.length > longestLine) throw tooLong(first)
    // With an odd number of quotes, one of them begins or ends a text that has line breaks.
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
  // Most lines are like this, and it is ten times as fast.
  if (!line.includes('"')) return line.split(',')
  try {
    return (parseCsv(line, { record_delimiter: '\n' }) as string[][])[0] ?? []
  } catch {
    throw invalid(number, 'a quote is out of place')
  }
}

/** @param isWhole whether it ends with a line break: without it a text may have been cut off, as no number can be */
function metricOf (fields: string[], number: number, isWhole: boolean): TransferRecord {
  if (fields.length !== csvColumns.length) throw invalid(number, `it has ${fields.length} columns and not ${csvColumns.length}`)
  const [uuid, type, timestamp, seq, value, text] = fields as [string, string, string, string, string, string]
  if (value !== '' && text !== '') throw invalid(number, 'it has a value and a text')
  if (value === '' && !isWhole) throw invalid(number, 'its text may be cut off, because no line break follows it')
  const numberOf = (column: string, digits: string): number => {
    if (!decimal.test(digits)) throw invalid(number, `its ${column} is not a number`)
    return Number(digits)
  }
  const metric = { uuid: restored(uuid), type: restored(type), timestamp: numberOf('timestamp', timestamp), value: value === '' ? restored(text) : numberOf('value', value) }
  return checked(seq === '' ? metric : { ...metric, seq: numberOf('seq', seq) }, number)
}

/** Check a record by the contract for messages: an import brings in nothing that an agent could not. */
function checked (record: GivenRecord, number: number): TransferRecord {
  if (!isObject(record) || ('series' in record && !isObject(record.series))) throw invalid(number, 'it is not an object')
  if ('agent' in record) {
    const given: Partial<AgentRecord> = record.agent ?? {}
    const agent = Object.fromEntries((['uuid', ...descriptionFields] as const).map(field => [field, given[field]]).filter(([, value]) => value !== null))
    const parsed = parseMessage('agent/connected', { agent }, 0)
    if (!parsed.ok) throw invalid(number, parsed.detail)
    const { uuid, createdAt, lastSeenAt } = record.agent
    const seen = lastSeenAt === null ? null : time(lastSeenAt, number)
    return { agent: { uuid, ...describeAgent(given), createdAt: time(createdAt, number), lastSeenAt: seen, ...presenceOf(record.agent, number) } }
  }
  const { uuid, type } = 'series' in record ? record.series : record
  const { latest } = 'series' in record ? record.series : {}
  if (latest !== undefined && !isObject(latest)) throw invalid(number, 'its latest is not an object')
  const { timestamp, value, seq } = 'timestamp' in record ? record : { timestamp: 0, value: 0, seq: 0, ...latest }
  const parsed = parseMessage('agent/message', { agent: { uuid }, metrics: [{ type, value }], timestamp, seq }, 0)
  if (!parsed.ok) throw invalid(number, parsed.detail)
  const stored = typeof value === 'boolean' ? Number(value) : value
  if ('timestamp' in record) {
    const metric = { uuid, type, timestamp: time(timestamp, number), value: stored }
    return { ...metric, seq: seq ?? fingerprint(JSON.stringify(metric)) }
  }
  if ('series' in record) return { series: { uuid, type, rawFrom: time(record.series.rawFrom, number), hoursFrom: time(record.series.hoursFrom, number), ...latest && { latest: { timestamp: time(timestamp, number), value: stored } } } }
  const { n, sum, min, max, last, lastTs, lastSeq, scaledSum } = record
  const details: RollupDetails = {
    ...lastTs !== undefined && { lastTs: time(lastTs, number) },
    ...lastSeq !== undefined && { lastSeq: time(lastSeq, number) },
    ...scaledSum !== undefined && { scaledSum }
  }
  if (!Number.isSafeInteger(n) || ![sum, min, max, last, scaledSum ?? 0].every(Number.isFinite)) throw invalid(number, 'it is none of agent, series, metric, hour, day')
  return { uuid, type, n, sum, min, max, last, ...details, ...'hour' in record ? { hour: record.hour === deletedPart ? deletedPart : time(record.hour, number) } : { day: time(record.day, number) } }
}

function presenceOf ({ presence }: AgentRecord, number: number): Pick<AgentRecord, 'presence'> {
  if (presence === undefined) return {}
  const given = Object.entries(presenceColumns).map(([field]) => [field, (presence as unknown as Record<string, unknown> | null)?.[field]])
  // A seq of -1 is none.
  if (!given.every(([, value]) => value === null || value === -1 || (Number.isSafeInteger(value) && Number(value) >= 0))) throw invalid(number, 'its presence is not of whole numbers')
  return { presence: Object.fromEntries(given) as unknown as PresenceRecord }
}

function isObject (value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function time (ms: unknown, number: number): number {
  if (!Number.isSafeInteger(ms) || (ms as number) < 0) throw invalid(number, 'a time is not a whole number of ms')
  return ms as number
}

function invalid (number: number, why: string): PlatziverseError {
  return new PlatziverseError('TRANSFER_LINE_INVALID', `Line ${number}: ${why.replace(/\.$/, '')}.`)
}

function tooLong (number: number): PlatziverseError {
  return invalid(number, `it is longer than ${longestLine} bytes`)
}
