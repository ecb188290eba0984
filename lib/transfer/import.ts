import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import type { OpenDatabase } from './database.ts'
import { beginning, csvLines, jsonLines, type Line, type Place } from './import-lines.ts'
import { Importer } from './importer.ts'
import { standard, type TransferRecord } from './records.ts'

export interface ImportOptions {
  format: 'ndjson' | 'csv'
  progress (rows: number): void
}

/** Rows in one transaction. */
const batchSize = 2_000
/**
 * Read an export into a database, a batch at a time. What is there already stays as it is. A file beside the export remembers
 * how far the import has come until it is done: started again with the same database, it goes on there. A pipe is read from the beginning
 * again. A metric without `seq` gets a fingerprint of itself, so that two different metrics of one time are both kept, and of two equal ones
 * only one.
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
    // After the commit: a crash in between makes the import read the batch again, and find it stored.
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
    // A wrong line keeps no line before it from being stored.
    await flush()
  }
  if (place !== undefined) await rm(place, { force: true })
  return { rows, fresh }
}

async function keep (place: string, file: string, { name }: Importer, { record, number, end }: Line): Promise<void> {
  await writeFile(`${place}.new`, JSON.stringify({ at: end, line: number, before: await printBefore(file, end), into: name, record }))
  await rename(`${place}.new`, place)
}

/** How far an earlier import of the same file into the same database came. */
async function placeIn (place: string, file: string, importer: Importer): Promise<Place> {
  let kept: Place & { before: string, into: string, record: TransferRecord }
  try {
    kept = JSON.parse(await readFile(place, 'utf8'))
    if (await printBefore(file, kept.at) !== kept.before) return beginning
  } catch {
    // There is no such file, or only half of it. Reading all again stores nothing twice.
    return beginning
  }
  // The database may have been created anew.
  return kept.into === importer.name && await importer.has(kept.record) ? kept : beginning
}

/** A hash of the bytes before a place: it recognises a file of which a later line was corrected. */
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
