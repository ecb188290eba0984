import { createRequire } from 'node:module'
import { PlatziverseError } from '../errors.ts'

const require = createRequire(import.meta.url)

/** The part of Node's SQLite that is used here; the types of the oldest Node.js that this package runs on lack it. */
export interface NodeSqlite { DatabaseSync: new (filename: string) => NodeDatabase }
export interface NodeDatabase { prepare (sql: string): NodeStatement }
export interface NodeStatement {
  all (...values: unknown[]): unknown[]
  run (...values: unknown[]): { lastInsertRowid: number | bigint, changes: number | bigint }
}

export type SqliteDriver = 'sqlite3' | 'node:sqlite'

let chosen: SqliteDriver | undefined

/**
 * The driver for SQLite: the package sqlite3, or Node's own where that could not be installed. One for the whole process, because
 * each brings its own SQLite, and two of those in one process undo each other's locks (https://sqlite.org/howtocorrupt.html).
 * @throws PlatziverseError STORE_DRIVER_MISSING when there is neither
 */
export function sqliteDriver (): SqliteDriver {
  chosen ??= has(() => require('sqlite3')) ? 'sqlite3' : has(loadNodeSqlite) ? 'node:sqlite' : undefined
  if (chosen === undefined) throw new PlatziverseError('STORE_DRIVER_MISSING', 'The package sqlite3 is not there, or not built for this machine, and this Node.js has no SQLite of its own (22.13 has).')
  return chosen
}

/** Node's own SQLite; not an import, because older versions of Node.js have none. */
export function loadNodeSqlite (): NodeSqlite {
  return require('node:sqlite') as NodeSqlite
}

function has (load: () => unknown): boolean {
  try {
    load()
    return true
  } catch {
    return false
  }
}
