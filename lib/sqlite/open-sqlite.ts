import knexFactory, { type Knex } from 'knex'
import type { Database } from 'sqlite3'
import { NodeDatabase, nodeSqliteClient } from './node-database.ts'
import { keepingClient, keepingDatabase } from './kept-statements.ts'
import { sqliteDriver, type SqliteDriver } from './driver.ts'

/** ms to wait for another program's lock before a statement fails. */
const busyTimeout = 2_000

/** After a long reading, such as an export, kept it from being emptied, the log gives back what is beyond this: 16 MB are twice as much as it holds otherwise. */
const limitOfLog = 'pragma journal_size_limit = 16000000'

/** OPEN_READWRITE and OPEN_CREATE; https://sqlite.org/c3ref/open.html */
const readWriteCreate = 6

/**
 * Open a SQLite file, which is made when it is not there.
 * @param filename absolute
 * @param connections most connections
 * @param preparations the first statements of each connection, given whether the file is new
 * @param driver absent: the one that is installed
 * @param check throws where a new connection must not look into the file
 * @throws PlatziverseError STORE_DRIVER_MISSING, or what SQLite says
 */
export async function openSqlite (
  filename: string, connections: number, preparations: (isNew: boolean) => string[], driver: SqliteDriver = sqliteDriver(), check?: () => void
): Promise<Knex> {
  const knex = knexFactory({
    client: driver === 'sqlite3' ? keepingClient() : nodeSqliteClient(),
    connection: { filename },
    useNullAsDefault: true,
    pool: { min: 1, max: connections, afterCreate: preparer(preparations, check) },
    acquireConnectionTimeout: 10_000,
    // Every error reaches the caller; Knex would print it as well.
    log: { error: () => undefined, warn: () => undefined }
  })
  try {
    await knex.raw('select 1')
    return knex
  } catch (error) {
    await knex.destroy()
    throw error
  }
}

/** Knex calls the result with each new connection. */
function preparer (preparations: (isNew: boolean) => string[], check?: () => void) {
  return (connection: Database, done: (error: Error | null, connection: Database) => void): void => {
    connection.configure('busyTimeout', busyTimeout)
    try {
      // SQLite opens a file when it first looks into it.
      check?.()
    } catch (error) {
      return done(error as Error, connection)
    }
    connection.get<{ page_count: number }>('pragma page_count', (error, file) => {
      if (error !== null) return done(error, connection)
      const statements = [limitOfLog, ...preparations(file?.page_count === 0)]
      const next = (): void => {
        const statement = statements.shift()
        if (statement === undefined) return done(null, connection)
        connection.run(statement, error => { if (error === null) next(); else done(error, connection) })
      }
      next()
    })
  }
}

/**
 * One connection to a SQLite file, which is made when it is not there: `all`, `run`, `configure` and `close` of sqlite3.
 * @throws PlatziverseError STORE_DRIVER_MISSING, or what SQLite says
 */
export async function openSqliteDatabase (filename: string, driver: SqliteDriver = sqliteDriver()): Promise<Database> {
  const Database = driver === 'sqlite3' ? keepingDatabase() : NodeDatabase
  return await new Promise((resolve, reject) => {
    const db = new Database(filename, readWriteCreate, error => { if (error === null) resolve(db as Database); else reject(error) })
  })
}

/** Whether a connection has ended on its own, as one of Node's own SQLite does when its thread dies. */
export function isGone (db: Database): boolean {
  return (db as Partial<NodeDatabase>).__knex__disposed !== undefined
}
