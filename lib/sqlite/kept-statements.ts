import { createRequire } from 'node:module'
import type { Knex } from 'knex'
import type { Database, Statement } from 'sqlite3'

type DatabaseClass = typeof Database
type Done = (this: Statement, error: Error | null, rows: unknown[]) => void
type SqliteClient = new (config: Knex.Config) => Knex.Client & { _driver (): unknown }

/** Most statements that a connection keeps compiled. The largest, of the view of all metrics, take some 50 kB each. */
const mostStatements = 50
/** Characters, or bytes. A statement holds what was bound to it last; one that is given more is not kept. */
const longestBinding = 16_384

const require = createRequire(import.meta.url)

/** sqlite3's `Database`, whose statements stay compiled: SQLite takes longer to compile a question about a series than to answer it. */
export function keepingDatabase (): DatabaseClass {
  const { Database } = require('sqlite3') as { Database: DatabaseClass }
  return class KeepingDatabase extends Database {
    /** The one that was used last is the last. */
    #statements = new Map<string, Statement>()

    /** Not `run`: it takes one step, and a statement that has more rows then would stay under way. */
    override all (sql: string, ...rest: unknown[]): this {
      const done = rest.find(value => typeof value === 'function') as Done | undefined
      const bindings = Array.isArray(rest[0]) ? rest[0] as unknown[] : []
      if (bindings.some(value => (typeof value === 'string' || Buffer.isBuffer(value)) && value.length > longestBinding)) return super.all(sql, bindings, done)
      const ended = (error: Error | null, rows?: unknown[]): void => {
        if (error !== null) this.#drop(sql)
        done?.call(this as unknown as Statement, error, rows ?? [])
      }
      this.#statementOf(sql, ended).all(bindings, ended)
      return this
    }

    override close (done?: (error: Error | null) => void): void {
      for (const sql of this.#statements.keys()) this.#drop(sql)
      super.close(done)
    }

    #statementOf (sql: string, refused: (error: Error) => void): Statement {
      // Of one that does not compile only this is called.
      const statement = this.#statements.get(sql) ?? this.prepare(sql, (error: Error | null) => { if (error !== null) refused(error) })
      this.#statements.delete(sql)
      if (this.#statements.size >= mostStatements) this.#drop(this.#statements.keys().next().value as string)
      this.#statements.set(sql, statement)
      return statement
    }

    #drop (sql: string): void {
      this.#statements.get(sql)?.finalize()
      this.#statements.delete(sql)
    }
  } as DatabaseClass
}

/** Knex's client for sqlite3 with such a database. */
export function keepingClient (): typeof Knex.Client {
  // Knex's own way to derive a client from another one; its types lack it.
  const Sqlite3Client = require('knex/lib/dialects/sqlite3') as SqliteClient
  return class KeepingClient extends Sqlite3Client {
    override _driver (): unknown {
      return { ...require('sqlite3') as object, Database: keepingDatabase() }
    }
  } as unknown as typeof Knex.Client
}
