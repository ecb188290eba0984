#!/usr/bin/env node
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, resolve } from 'node:path'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Knex } from 'knex'
import { errorsOf, PlatziverseError, reasonOf } from '../errors.ts'
import type { TimescaleState } from '../store/dialects/chunks.ts'
import type { DatabaseOptions } from '../store/dialects/options.ts'
import { tryDatabase } from '../store/try-database.ts'
import { languageIn, languageOf } from '../texts/languages.ts'
import { day } from '../time.ts'
import { databaseAt } from './address.ts'
import { copyDatabase } from './copy.ts'
import { countOf, withDatabase } from './database.ts'
import { exportTo } from './export.ts'
import { importFrom } from './import.ts'
import { Progress } from './progress.ts'
import { standard } from './records.ts'
import { failureText, textsIn, type Texts } from './texts/texts.ts'

const options = {
  database: { type: 'string' },
  to: { type: 'string' },
  tls: { type: 'boolean' },
  ca: { type: 'string' },
  resume: { type: 'boolean' },
  force: { type: 'boolean' },
  quiet: { type: 'boolean' },
  lang: { type: 'string' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' }
} as const satisfies ParseArgsConfig['options']

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values']

const invalid = errorsOf('TRANSFER_OPTION_INVALID')

// A reader such as `head` may close the pipe early.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode = 1
  })
}

try {
  const { values, positionals: [command, file, ...rest] } = readArguments()
  const texts = textsIn(languageOf(values.lang, invalid))
  if (values.help) console.log(texts.help)
  else if (values.version) console.log(createRequire(import.meta.url)('@platziverse/node-red-platziverse/package.json').version)
  else if (rest.length > 0) throw invalid(`${rest.join(' ')} is too much.`)
  else await run(command, file, values, texts)
} catch (error) {
  console.error(failureText(error, languageIn(process.argv.slice(2))))
  process.exitCode = error instanceof PlatziverseError && ['TRANSFER_OPTION_INVALID', 'STORE_OPTION_INVALID'].includes(error.code) ? 2 : 1
}

function readArguments () {
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (cause) {
    throw invalid(`${reasonOf(cause).replace(/\.$/, '')}; see --help.`, cause)
  }
}

async function run (command: string | undefined, file: string | undefined, values: Values, texts: Texts): Promise<void> {
  const database = databaseAt(values.database ?? process.env.PLATZIVERSE_DATABASE ?? 'platziverse.sqlite', values)
  const to = values.to ?? process.env.PLATZIVERSE_TO
  const counter = new Progress(values.quiet === true, texts.rows)
  if (file !== undefined && (command === 'status' || command === 'migrate')) throw invalid(`${command} takes no file${command === 'migrate' ? '; the other database is --to' : ''}.`)
  const format = file !== undefined && extname(file).toLowerCase() === '.csv' ? 'csv' : 'ndjson'
  try {
    switch (command) {
      case 'status': {
        refuseMissing(database)
        const trial = await tryDatabase(database)
        console.log(texts.status(trial.server, trial.tables))
        if ('timescale' in trial) console.log(`TimescaleDB: ${inWords(trial.timescale, texts)}`)
        if (trial.tables === 'ready') await withDatabase(database, ({ knex }) => printStatus(knex, texts))
        return
      }
      case 'migrate': {
        if (to === undefined) return await withDatabase(database, async () => { console.log(texts.migrated) })
        refuseMissing(database)
        const counts = await withDatabase(database, from => withDatabase(databaseAt(to, values), to => copyDatabase(from, to, (_table, rows) => { counter.add(rows) })))
        counter.end()
        console.table(Object.fromEntries(Object.entries(counts).map(([table, { from, to }]) => [table, { [texts.from]: from, [texts.to]: to }])))
        return
      }
      case 'export': {
        if (file === undefined) throw invalid('export needs a file.')
        refuseMissing(database)
        if ('filename' in database && resolve(file) === database.filename) throw invalid(`${file} is the database itself.`)
        const to = file === '/dev/stdout' ? standard : file
        if (isFilled(to) && values.resume !== true && values.force !== true) {
          throw invalid(`${file} is there already: replace it with --force, or go on at its end with --resume.`)
        }
        const rows = await withDatabase(database, ({ knex }) => exportTo(knex, to, { format, resume: values.resume === true, progress: rows => { counter.add(rows) } }))
        counter.end()
        // Standard output is for the export alone.
        const say = to === standard ? console.error : console.log
        say(texts.written(rows))
        return
      }
      case 'import': {
        if (file === undefined) throw invalid('import needs a file.')
        const from = file === '/dev/stdin' ? standard : file
        const { rows, fresh } = await withDatabase(database, database => importFrom(database, from, { format, progress: rows => { counter.add(rows) } }))
        counter.end()
        console.log(texts.read(rows, fresh))
        return
      }
      default:
        throw invalid(`${command === undefined ? 'Say what to do' : `There is no command ${JSON.stringify(command)}`}: status, migrate, export or import; see --help.`)
    }
  } finally {
    counter.end()
  }
}

/** Opening it would make the file, and an empty database would pass for the one that was meant. */
function refuseMissing (database: DatabaseOptions): void {
  if ('filename' in database && !existsSync(database.filename)) throw invalid(`${database.filename} is not there.`)
}

/** Whether there is such a file, with something in it. */
function isFilled (file: string): boolean {
  const stats = file === standard ? undefined : statSync(file, { throwIfNoEntry: false })
  return stats?.isFile() === true && stats.size > 0
}

async function printStatus (knex: Knex, { newest: newestWord }: Texts): Promise<void> {
  const tables = ['agents', 'series', 'metrics', 'metrics_1h', 'metrics_1d', 'dirty_hours']
  for (const table of tables) console.log(`${table.padEnd(12)} ${await countOf(knex(table))}`)
  const [newest] = await knex('series').max('last_ts as ts') as Array<{ ts: number | null }>
  if (newest?.ts) console.log(`${newestWord.padEnd(12)} ${new Date(Number(newest.ts)).toISOString()}`)
}

function inWords (timescale: TimescaleState | undefined, texts: Texts): string {
  if (timescale === undefined) return texts.timescaleMissing
  const { version, isApache, metrics, compressedAfter } = timescale
  if (metrics !== 'hypertable') return texts[metrics](version)
  if (compressedAfter !== undefined) return texts.compressed(version, compressedAfter / day)
  return isApache ? texts.apache(version) : texts.hypertable(version)
}
