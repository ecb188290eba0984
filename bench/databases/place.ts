import type { Knex } from 'knex'
import type { SqliteDriver } from '../../lib/sqlite/driver.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import type { Dialect } from '../../lib/store/dialects/dialect.ts'
import type { DatabaseOptions } from '../../lib/store/dialects/options.ts'
import { sqliteDialect } from '../../lib/store/dialects/sqlite/sqlite.ts'
import { migrate } from '../../lib/store/migrations/migrate.ts'
import { SettlingLoop } from '../../lib/store/settling/settling.ts'
import { Store } from '../../lib/store/store.ts'
import { storedInFile } from '../stored-rows.ts'

/** An empty database, as JSON can carry it to another process; `driver` for SQLite alone. */
export interface Place { options: DatabaseOptions, driver?: SqliteDriver }

export function dialectAt ({ options, driver }: Place): Dialect {
  return options.client === 'sqlite' ? sqliteDialect(options.filename, driver) : dialectOf(options)
}

/** The database with the package's tables, and as durable as the package makes it; the caller closes it. */
export async function openTables (place: Place): Promise<Knex> {
  const knex = await dialectAt(place).connect()
  await migrate(knex)
  return knex
}

/** The SQL for how many metrics there are. */
export function rowsIn (knex: Knex): string {
  return knex.client.dialect === 'sqlite3' ? storedInFile : 'select count(*) as n from metrics'
}

/** A store as a database node has it: what comes in is settled meanwhile. */
export function openStore (dialect: Dialect): Store {
  const store = new Store(dialect, { instance: 'bench' })
  new SettlingLoop(store).start(problem => { if (problem.code !== 'STORE_CLOSED') throw problem })
  return store
}

/** What `raw` gives differs from driver to driver: rows, {rows}, or [rows, fields]. */
export async function readNumber (knex: Knex, sql: string): Promise<number> {
  const result: unknown = await knex.raw(sql)
  const rows = Array.isArray(result) ? result.flat() : (result as { rows: unknown[] }).rows
  return Number((rows[0] as { n: unknown }).n)
}
