import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { openSqlite } from '../../lib/sqlite/open-sqlite.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import type { Dialect } from '../../lib/store/dialects/dialect.ts'
import type { DatabaseOptions } from '../../lib/store/dialects/options.ts'
import { temporaryFolder } from './folder.ts'
import { mysqlName, startMariadb, withoutMariadb } from './mariadb.ts'
import { startPostgresql, withoutPostgresql, type DatabaseServer } from './postgresql.ts'

export interface OpenDatabase {
  name: string
  /** Of an empty database. */
  options: DatabaseOptions
  dialect: Dialect
  /** Looks into it, as another program would; whole numbers are numbers. */
  query: Knex
  /** Absent where the database is a file. */
  server?: DatabaseServer
}

export interface Database {
  name: string
  /** Why it cannot be tested here. */
  without: string | undefined
  /** Begin to start the server, which takes a while: other tests run meanwhile. */
  prepare? (): void
  /** A new, empty database, closed after the test. */
  open (t: TestContext): Promise<OpenDatabase>
}

/** The databases that are files. */
export const files: Database[] = [
  {
    name: 'SQLite',
    without: undefined,
    async open (t) {
      const options: DatabaseOptions = { client: 'sqlite', filename: join(await temporaryFolder(t), 'test.sqlite') }
      return await opened(t, 'SQLite', options, knexFactory({ client: 'sqlite3', connection: { filename: options.filename }, useNullAsDefault: true }), 'sqlite_version()')
    }
  },
  {
    name: 'SQLite of Node.js',
    without: undefined,
    async open (t) {
      const options: DatabaseOptions = { client: 'sqlite', filename: join(await temporaryFolder(t), 'test.sqlite'), driver: 'node:sqlite' }
      // Not sqlite3: two libraries of SQLite in one process undo each other's locks. https://sqlite.org/howtocorrupt.html
      return await opened(t, 'SQLite of Node.js', options, await openSqlite(options.filename, 1, () => [], 'node:sqlite'), 'sqlite_version()')
    }
  }
]

/** Servers start once in a process: when there is a test for them, or when they are asked for. */
export const servers: Database[] = [
  onServer('PostgreSQL', withoutPostgresql, startPostgresql),
  onServer(mysqlName, withoutMariadb, startMariadb)
]

/** Every kind of database that the store speaks to, as a real one. */
export const databases = [...files, ...servers]

/** A test for every database, named `<database>: <title>`. */
export function onEachDatabase (title: string, body: (t: TestContext, database: OpenDatabase) => Promise<void>, chosen = databases): void {
  for (const { name, without, prepare, open } of chosen) {
    if (without === undefined) prepare?.()
    test(`${name}: ${title}`, { skip: without ?? false }, async t => { await body(t, await open(t)) })
  }
}

/** The same for those that have a server. */
export function onEachServer (title: string, body: (t: TestContext, database: OpenDatabase & { server: DatabaseServer }) => Promise<void>): void {
  onEachDatabase(title, (t, database) => body(t, database as OpenDatabase & { server: DatabaseServer }), servers)
}

function onServer (name: string, without: string | undefined, start: () => Promise<DatabaseServer>): Database {
  let starting: Promise<DatabaseServer> | undefined
  after(async () => { await (await starting)?.end() })
  return {
    name,
    without,
    prepare () {
      starting ??= start()
      // Those that open it are told.
      starting.catch(() => undefined)
    },
    async open (t) {
      const server = await (starting ??= start())
      const options = await server.fresh()
      const { client, host, port, user, password, database } = options
      const connection = { host, port, user, password, database }
      const query = client === 'mysql'
        ? knexFactory({ client: 'mysql2', connection } as Knex.Config)
        : knexFactory({ client: 'pg', connection, pool: { min: 0, afterCreate: numbersFromPostgresql } } as Knex.Config)
      return { ...await opened(t, name, options, query, 'version()'), server }
    }
  }
}

function numbersFromPostgresql (connection: { setTypeParser (type: number, parse: (text: string) => unknown): void }, done: () => void): void {
  connection.setTypeParser(20, Number)
  done()
}

const announced = new Set<string>()

/** @param version the function that tells it */
async function opened (t: TestContext, name: string, options: DatabaseOptions, query: Knex, version: string): Promise<OpenDatabase> {
  t.after(() => query.destroy())
  if (!announced.has(name)) {
    announced.add(name)
    t.diagnostic(`${name}: ${(await query.first(query.raw(`${version} as version`))).version}`)
  }
  return { name, options, dialect: dialectOf(options), query }
}
