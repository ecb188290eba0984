import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, parse } from 'node:path'
import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { dialectOf } from './dialect-of.ts'
import type { DatabaseOptions, SqliteOptions } from './dialects/options.ts'
import { timescaleState, type TimescaleState } from './dialects/postgresql/timescale.ts'
import { pendingMigrations } from './migrations/migrate.ts'

export interface Trial {
  /** What the server calls itself, such as `PostgreSQL 16.2`. */
  server: string
  /** Whether this package's tables are there, in an older shape, or not at all. */
  tables: 'ready' | 'older' | 'none'
  /** Undefined where there is none. */
  timescale: TimescaleState | undefined
}

const names = { sqlite: 'SQLite', postgresql: 'PostgreSQL', mysql: 'MySQL' } as const
const versions = { sqlite: 'sqlite_version()', postgresql: 'current_setting(\'server_version\')', mysql: 'version()' } as const

/**
 * Whether a database can be used with these options. Leaves nothing behind.
 * @throws PlatziverseError what is wrong: STORE_HOST_UNKNOWN, STORE_LOGIN_REFUSED, STORE_NOT_ALLOWED, STORE_SCHEMA_NEWER …
 */
export async function tryDatabase (options: DatabaseOptions): Promise<Trial> {
  if (options.client === 'sqlite' && !existsSync(options.filename)) return await tryNewFile(options)
  return await tryThere(options)
}

/** Where no file is, one beside it is tried: the file itself may be made by a store meanwhile, and must not be deleted then. */
async function tryNewFile (options: SqliteOptions): Promise<Trial> {
  const { dir, base } = parse(options.filename)
  const filename = join(dir, `.try-${randomUUID()}-${base}`)
  try {
    return await tryThere({ ...options, filename })
  } catch (error) {
    if (!(error instanceof PlatziverseError)) throw error
    throw new PlatziverseError(error.code, error.detail.replaceAll(filename, options.filename), { cause: error })
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(`${filename}${end}`, { force: true }).catch(() => undefined)
  }
}

async function tryThere (options: DatabaseOptions): Promise<Trial> {
  const dialect = dialectOf(options)
  let knex: Knex | undefined
  try {
    knex = await dialect.connect()
    const row = await knex.first(knex.raw(`${versions[options.client]} as version`)) as { version: string }
    const pending = await pendingMigrations(knex)
    // Where tables are missing the user has to be allowed to make some.
    if (pending > 0) await tryTable(knex)
    else await tryRows(knex)
    // What packagers add to it says nothing here.
    const version = /^[\d.]+/.exec(row.version)?.[0] ?? row.version
    const server = `${/mariadb/i.test(row.version) ? 'MariaDB' : names[options.client]} ${version}`
    const tables = pending === 0 ? 'ready' : await knex.schema.hasTable('metrics') ? 'older' : 'none'
    return { server, tables, timescale: await timescaleState(knex) }
  } catch (error) {
    throw error instanceof PlatziverseError ? error : dialect.explain(error)
  } finally {
    await knex?.destroy().catch(() => undefined)
  }
}

/** Whether metrics may be written, without writing any: another user may have made the tables, or the server be a standby. */
async function tryRows (knex: Knex): Promise<void> {
  for (const table of ['agents', 'series', 'metrics', 'metrics_1h', 'metrics_1d', 'dirty_hours', 'retention', 'writers']) await knex(table).insert(knex(table).whereRaw('1 = 0'))
  for (const table of ['agents', 'series', 'writers']) await knex(table).whereRaw('1 = 0').update({ id: 0 })
  await knex('retention').whereRaw('1 = 0').update({ raw_from: 0 })
  for (const table of ['metrics', 'metrics_1h', 'metrics_1d', 'dirty_hours', 'writers']) await knex(table).whereRaw('1 = 0').delete()
}

async function tryTable (knex: Knex): Promise<void> {
  const name = `platziverse_try_${Math.random().toString(36).slice(2, 10)}`
  await knex.schema.createTable(name, table => { table.integer('id') })
  await knex.schema.dropTable(name)
}
