import { createReadStream, existsSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { PlatziverseError } from '../errors.ts'
import { beginning, csvLines, jsonLines } from './import-lines.ts'
import { csvColumns, standard, type MetricRecord, type RollupRecord, type TransferRecord } from './records.ts'
import type { SeriesOfAgent } from './rows.ts'

/** Where what is whole in a file ends, and its last record. */
export interface End { bytes: number, last: MetricRecord | RollupRecord }

/** Bytes at the end of a file in which its last whole line must be. */
const tailBytes = 65_536
const header = `${csvColumns.join(',')}\n`

/**
 * Where an unfinished export goes on; undefined: at the beginning, because no metric was written yet.
 * @throws PlatziverseError TRANSFER_RESUME_IMPOSSIBLE when the end of the file is not from this database or cannot be read, or when retention deleted something since
 */
export async function endOf (file: string, format: 'ndjson' | 'csv', series: SeriesOfAgent[]): Promise<End | undefined> {
  if (file !== standard && !existsSync(file)) return undefined
  const found = file === standard ? undefined : await stat(file)
  if (!found?.isFile()) throw new PlatziverseError('TRANSFER_RESUME_IMPOSSIBLE', `${file} is not a file that can be read back.`)
  const end = found.size === 0 ? undefined : await (format === 'csv' ? endOfCsv(file) : endOfJson(file, found.size))
  if (end !== undefined && !series.some(({ uuid, type }) => uuid === end.last.uuid && type === end.last.type)) throw impossible(file)
  if (end !== undefined && format === 'ndjson') await refuseDeleted(file, series)
  return end
}

/** Refuse to go on if retention deleted something since: the file records the times from which each series has metrics and hours. */
async function refuseDeleted (file: string, series: SeriesOfAgent[]): Promise<void> {
  const now = new Map(series.map(one => [JSON.stringify([one.uuid, one.type]), one]))
  for await (const { record } of jsonLines(createReadStream(file), beginning)) {
    if ('agent' in record) continue
    if (!('series' in record)) return
    const { uuid, type, rawFrom, hoursFrom } = record.series
    const one = now.get(JSON.stringify([uuid, type]))
    if (one?.rawFrom !== rawFrom || one.hoursFrom !== hoursFrom) throw new PlatziverseError('TRANSFER_RESUME_IMPOSSIBLE', `Retention has deleted something since ${file} was begun.`)
  }
}

function impossible (file: string, cause?: unknown): PlatziverseError {
  return new PlatziverseError('TRANSFER_RESUME_IMPOSSIBLE', `${file} does not end with a line of this database.`, { cause })
}

/** Reads the file from its beginning, because a line break in quotes ends no record, and an agent can send a text that looks like a line. */
async function endOfCsv (file: string): Promise<End | undefined> {
  let [start, end, at, inQuotes] = [0, 0, 0, false]
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    for (const byte of chunk) {
      at++
      if (byte === 34) inQuotes = !inQuotes
      else if (byte === 10 && !inQuotes) [start, end] = [end, at]
    }
  }
  const begins = (await bytesOf(file, 0, header.length)).toString()
  if (end === 0 ? header.startsWith(begins) : start === 0 && begins === header) return undefined
  if (begins !== header && begins !== header.replace('\n', '\r')) throw impossible(file)
  try {
    for await (const { record } of csvLines(createReadStream(file, { start, end: end - 1 }), { at: start, line: 0 })) return { bytes: end, last: record as MetricRecord }
  } catch (cause) {
    throw impossible(file, cause)
  }
  throw impossible(file)
}

async function endOfJson (file: string, size: number): Promise<End | undefined> {
  const start = Math.max(0, size - tailBytes)
  const tail = await bytesOf(file, start, size - start)
  const complete = tail.lastIndexOf('\n') + 1
  if (complete === 0 && start === 0 && isBeginning(tail.toString())) return undefined
  const line = tail.subarray(0, complete).toString().trimEnd().split('\n').at(-1) ?? ''
  if (/^{"(agent|series)":/.test(line)) return undefined
  const last = jsonRecord(line)
  if (last === undefined) throw impossible(file)
  return { bytes: start + complete, last }
}

/** Whether a text may be what was written of a first line. */
function isBeginning (text: string): boolean {
  const first = '{"agent":'
  return text.startsWith(first) || first.startsWith(text)
}

function jsonRecord (line: string): MetricRecord | RollupRecord | undefined {
  try {
    const record = JSON.parse(line) as TransferRecord
    return 'uuid' in record ? record : undefined
  } catch {
    return undefined
  }
}

async function bytesOf (file: string, start: number, length: number): Promise<Buffer> {
  const handle = await open(file)
  try {
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await handle.read(bytes, 0, length, start)
    return bytes.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
