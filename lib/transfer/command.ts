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
import { day } from '../time.ts'
import { databaseAt } from './address.ts'
import { copyDatabase } from './copy.ts'
import { countOf, withDatabase } from './database.ts'
import { exportTo } from './export.ts'
import { importFrom } from './import.ts'
import { Progress } from './progress.ts'
import { standard } from './records.ts'

const help = `platziverse-store: look after a Platziverse database

Usage: platziverse-store <command> [options]

  status                   what is in the database
  migrate                  bring its tables to this version
  migrate --to <address>   copy everything into another database, and compare the counts; stop Node-RED first.
                           After an interruption, run it again: it continues where it stopped
  export <file>            write everything into a file of JSON lines, or, when its name ends with .csv, the metrics
  import <file>            read such a file; what is already there stays. It continues like migrate.
                           For both, - as the file is standard output or input

  --database <address>     a SQLite file, postgres://user:password@host/database, mysql://… or mariadb://…;
                           better in the environment: PLATZIVERSE_DATABASE; default platziverse.sqlite
  --to <address>           the other database; better in the environment: PLATZIVERSE_TO
  --tls                    use TLS with servers
  --ca <file>              … and trust the authority in this PEM file
  --resume                 export: continue a file that was not finished
  --force                  export: replace a file that is there
  --quiet                  show no progress
  --version                print the version
  --help                   print this

Exits with 0; with 1 when something failed, with 2 when an option is wrong.`

const options = {
  database: { type: 'string' },
  to: { type: 'string' },
  tls: { type: 'boolean' },
  ca: { type: 'string' },
  resume: { type: 'boolean' },
  force: { type: 'boolean' },
  quiet: { type: 'boolean' },
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
  if (values.help) console.log(help)
  else if (values.version) console.log(createRequire(import.meta.url)('@platziverse/node-red-platziverse/package.json').version)
  else if (rest.length > 0) throw invalid(`${rest.join(' ')} is too much.`)
  else await run(command, file, values)
} catch (error) {
  // What the errors of a running store end with: this command has ended.
  console.error(reasonOf(error).replace(/(?: Nothing is lost; t| T)he store keeps trying\.$/, ''))
  process.exitCode = error instanceof PlatziverseError && ['TRANSFER_OPTION_INVALID', 'STORE_OPTION_INVALID'].includes(error.code) ? 2 : 1
}

function readArguments () {
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (cause) {
    throw invalid(`${reasonOf(cause).replace(/\.$/, '')}; see --help.`, cause)
  }
}

async function run (command: string | undefined, file: string | undefined, values: Values): Promise<void> {
  const database = databaseAt(values.database ?? process.env.PLATZIVERSE_DATABASE ?? 'platziverse.sqlite', values)
  const to = values.to ?? process.env.PLATZIVERSE_TO
  const counter = new Progress(values.quiet === true)
  if (file !== undefined && (command === 'status' || command === 'migrate')) throw invalid(`${command} takes no file${command === 'migrate' ? '; the other database is --to' : ''}.`)
  const format = file !== undefined && extname(file).toLowerCase() === '.csv' ? 'csv' : 'ndjson'
  try {
    switch (command) {
      case 'status': {
        refuseMissing(database)
        const trial = await tryDatabase(database)
        console.log(`${trial.server}, tables: ${trial.tables}`)
        if ('timescale' in trial) console.log(`TimescaleDB: ${inWords(trial.timescale)}`)
        if (trial.tables === 'ready') await withDatabase(database, ({ knex }) => printStatus(knex))
        return
      }
      case 'migrate': {
        if (to === undefined) return await withDatabase(database, async () => { console.log('The tables are those of this version.') })
        refuseMissing(database)
        const counts = await withDatabase(database, from => withDatabase(databaseAt(to, values), to => copyDatabase(from, to, (_table, rows) => { counter.add(rows) })))
        counter.end()
        console.table(counts)
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
        say(`${rows} lines written.`)
        return
      }
      case 'import': {
        if (file === undefined) throw invalid('import needs a file.')
        const from = file === '/dev/stdin' ? standard : file
        const { rows, fresh } = await withDatabase(database, database => importFrom(database, from, { format, progress: rows => { counter.add(rows) } }))
        counter.end()
        console.log(`${rows} lines read, ${fresh} metrics were new.`)
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

async function printStatus (knex: Knex): Promise<void> {
  const tables = ['agents', 'series', 'metrics', 'metrics_1h', 'metrics_1d', 'dirty_hours']
  for (const table of tables) console.log(`${table.padEnd(12)} ${await countOf(knex(table))}`)
  const [newest] = await knex('series').max('last_ts as ts') as Array<{ ts: number | null }>
  if (newest?.ts) console.log(`newest       ${new Date(Number(newest.ts)).toISOString()}`)
}

function inWords (timescale: TimescaleState | undefined): string {
  if (timescale === undefined) return 'not there'
  const { version, isApache, metrics, compressedAfter } = timescale
  switch (metrics) {
    case 'hypertable':
      if (compressedAfter !== undefined) return `${version}, hypertable, compressed after ${compressedAfter / day} days`
      return `${version}, hypertable, not compressed${isApache ? ': its edition under the Apache licence cannot' : ''}`
    case 'next': return `${version}, metrics becomes a hypertable before the first ones are written`
    case 'forbidden': return `${version} is there, but this user may not make metrics a hypertable`
    case 'plain': return `${version} is there, but metrics is a plain table: it has metrics already`
  }
}
