import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { dialectOf } from './dialect-of.ts'
import type { TimescaleState } from './dialects/chunks.ts'
import { kindOf, settledTableOf } from './dialects/database-kind.ts'
import type { Dialect } from './dialects/dialect.ts'
import type { DatabaseOptions } from './dialects/options.ts'
import { pendingMigrations } from './migrations/migrate.ts'

export interface Trial {
  /** What the server calls itself, such as `PostgreSQL 16.2`. */
  server: string
  /** Whether this package's tables are there, in an older shape, or not at all. */
  tables: 'ready' | 'older' | 'none'
  /** Absent where this kind of database has no such extension; undefined where it could have it and has not. */
  timescale?: TimescaleState | undefined
}

/**
 * Whether a database can be used with these options. Leaves nothing behind.
 * @throws PlatziverseError what is wrong: STORE_HOST_UNKNOWN, STORE_LOGIN_REFUSED, STORE_NOT_ALLOWED, STORE_SCHEMA_NEWER …
 */
export async function tryDatabase (options: DatabaseOptions): Promise<Trial> {
  const dialect = dialectOf(options)
  return dialect.rehearse === undefined ? await tryDialect(dialect) : await dialect.rehearse(tryDialect)
}

async function tryDialect (dialect: Dialect): Promise<Trial> {
  let knex: Knex | undefined
  try {
    knex = await dialect.connect()
    const { name, version, timescale } = kindOf(knex)
    const row = await knex.first(knex.raw(`${version} as version`)) as { version: string }
    const pending = await pendingMigrations(knex)
    // Where tables are missing, the user has to be allowed to create some.
    if (pending > 0) await tryTable(knex)
    else await tryRows(knex)
    // Without what packagers add to it.
    const server = `${name(row.version)} ${/^[\d.]+/.exec(row.version)?.[0] ?? row.version}`
    const tables = pending === 0 ? 'ready' : await knex.schema.hasTable('series') ? 'older' : 'none'
    return { server, tables, ...timescale && { timescale: await timescale.state(knex) } }
  } catch (error) {
    throw error instanceof PlatziverseError ? error : dialect.explain(error)
  } finally {
    await knex?.destroy().catch(() => undefined)
  }
}

/** Check that metrics may be written, without writing any: another user may have created the tables, or the server may be a standby. */
async function tryRows (knex: Knex): Promise<void> {
  const tables = ['agents', 'series', settledTableOf(knex), 'metrics_1h', 'metrics_1d', 'dirty_hours', 'retention', 'writers']
  for (const table of tables) await knex(table).insert(knex(table).whereRaw('1 = 0'))
  for (const table of ['agents', 'series', 'writers']) await knex(table).whereRaw('1 = 0').update({ id: 0 })
  await knex('retention').whereRaw('1 = 0').update({ raw_from: 0 })
  for (const table of tables) await knex(table).whereRaw('1 = 0').delete()
}

async function tryTable (knex: Knex): Promise<void> {
  const name = `platziverse_try_${Math.random().toString(36).slice(2, 10)}`
  await knex.schema.createTable(name, table => { table.integer('id') })
  await knex.schema.dropTable(name)
}
