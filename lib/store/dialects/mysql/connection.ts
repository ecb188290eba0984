import { connect as connectSocket, type Socket } from 'node:net'
import knexFactory, { type Knex } from 'knex'
import type { Connection, ConnectionOptions, TypeCastField, TypeCastNext } from 'mysql2'
import { PlatziverseError } from '../../../errors.ts'
import type { TlsOptions } from '../../../tls.ts'
import { ofKind } from '../database-kind.ts'
import { guardReader } from '../guard-reader.ts'
import { urlSchemes, type ServerOptions } from '../options.ts'
import { answerPatience, connectPatience, poolSettings } from '../server.ts'
import { collation } from './collation.ts'
import { mysqlKind } from './kind.ts'

/** ms after which a connection that the server does not close is cut. */
const goodbyePatience = 1_000

/** Refuse what does not fit instead of changing it; quote and join text as other databases do. */
const sqlMode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'

/** The default isolation locks gaps so that a transaction reads the same twice, which none here does, and causes deadlocks. */
const isolation = 'set session transaction isolation level read committed'

/** Locks of another program must not stop the writer for long without an error; a reader must not run for ever. */
const session = `set names utf8mb4 collate ${collation}, autocommit = 1, sql_mode = '${sqlMode}'`
const writerPreparations = [isolation, `${session}, innodb_lock_wait_timeout = 5, lock_wait_timeout = 5`]
const readerPreparations = [`${isolation}, read only`, `${session}, /*M! max_statement_time = 30 */ /*!80000 max_execution_time = 30000 */`]

/** A pool of one for writing. */
export function openWriter (options: ServerOptions): Promise<Knex> {
  return open(options, { min: 1, max: 1 }, writerPreparations)
}

/** A pool of at most one for long work beside the writer. */
export function openBeside (options: ServerOptions): Promise<Knex> {
  return open(options, { min: 0, max: 1 }, writerPreparations)
}

/** A pool that cannot write. */
export function openReaders (options: ServerOptions): Promise<Knex> {
  return open(options, { min: 0, max: options.poolSize }, readerPreparations)
}

/** The server's name for people, without credentials. */
export function nameOf (options: ServerOptions): string {
  const { host, port } = addressOf(options)
  return `The database server at ${host}:${port}`
}

/** What Knex and mysql2 know of a connection. */
type ServerConnection = Connection & { stream: Socket, startTLS (done: (error?: Error) => void): void, __knex__disposed?: unknown }

/** @param preparations run on each new connection */
async function open (options: ServerOptions, pool: { min: number, max: number }, preparations: string[]): Promise<Knex> {
  const settings = settingsOf(options)
  const knex = knexFactory({
    client: 'mysql2',
    pool,
    connection: {},
    ...poolSettings
  })
  // Knex's own way leaves connections that failed, or ended, without a listener: one more error would end the process.
  knex.client.acquireRawConnection = async () => {
    const connection = knex.client.driver.createConnection(settings) as ServerConnection
    const { startTLS } = connection
    connection.startTLS = done => {
      startTLS.call(connection, done)
      guardReader(connection.stream)
    }
    try {
      await connected(connection)
      limitAnswers(connection)
      await refuseOld(connection, options)
      for (const statement of preparations) await query(connection, statement)
      return connection
    } catch (error) {
      connection.stream.destroy()
      throw error
    }
  }
  knex.client.destroyRawConnection = async (connection: ServerConnection) => {
    // The server closes it then, unless it hangs.
    setTimeout(() => { connection.stream.destroy() }, goodbyePatience).unref()
    connection.end(() => undefined)
  }
  try {
    await knex.raw('select 1')
    return ofKind(mysqlKind, knex)
  } catch (error) {
    await knex.destroy()
    throw error
  }
}

function connected (connection: ServerConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.on('error', (error: Error) => {
      connection.__knex__disposed ??= error
      reject(error)
    })
    connection.connect(error => { if (error === null) resolve(); else reject(error) })
  })
}

/**
 * A server that hangs does not close the connection, so the time limit is here. After it nothing is sent on this connection;
 * what still tries (a rollback) gets the first error, which says more than a later one would.
 */
function limitAnswers (connection: ServerConnection): void {
  const ask = connection.query.bind(connection) as (...args: unknown[]) => unknown
  const limited = (options: unknown, values: unknown, done?: (error: unknown, ...results: unknown[]) => void): unknown => {
    // A stream of rows, which only readers ask for.
    if (done === undefined) return ask(options, values)
    if (connection.__knex__disposed !== undefined) return done(connection.__knex__disposed)
    const timer = setTimeout(() => {
      const error = new Error(`no answer within ${answerPatience / 1000} s`)
      connection.stream.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
    }, answerPatience)
    return ask(options, values, (error: { fatal?: boolean } | null, ...results: unknown[]) => {
      clearTimeout(timer)
      if (error?.fatal === true) connection.__knex__disposed ??= error
      done(error, ...results)
    })
  }
  connection.query = limited as Connection['query']
}

function query<Row> (connection: ServerConnection, sql: string): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    connection.query(sql, [], (error, rows) => { if (error === null) resolve(rows as Row[]); else reject(error) })
  })
}

/** The first versions with JSON_TABLE and with a collation that compares text as it is. */
const oldest = { mysql: [8, 0, 17], mariadb: [10, 6, 0] }

async function refuseOld (connection: ServerConnection, options: ServerOptions): Promise<void> {
  const [{ version } = { version: '' }] = await query<{ version: string }>(connection, 'select version() as version')
  const wanted = /mariadb/i.test(version) ? oldest.mariadb : oldest.mysql
  const numbers = version.split('.', 3).map(part => Number.parseInt(part))
  const different = wanted.findIndex((number, i) => number !== numbers[i])
  if (different >= 0 && (numbers[different] ?? 0) < (wanted[different] ?? 0)) throw new PlatziverseError('STORE_TOO_OLD', `${nameOf(options)} is version ${version}.`)
}

interface Address {
  host: string
  port: number
  user: string | undefined
  password: string | undefined
  database: string | undefined
  tls: TlsOptions | undefined
}

/** @throws PlatziverseError STORE_OPTION_INVALID, without the URL: a password is in it */
function addressOf ({ url, host, port, user, password, database, tls }: ServerOptions): Address {
  const address = { host: host || 'localhost', port: port || 3306, user, password, database, tls }
  if (!url) return address
  const invalid = new PlatziverseError('STORE_OPTION_INVALID', 'The URL of the database is not one such as mysql://user@host:3306/database.')
  if (!URL.canParse(url)) throw invalid
  const parsed = new URL(url)
  if (!urlSchemes.mysql.includes(parsed.protocol)) throw invalid
  try {
    return {
      host: parsed.hostname.replace(/^\[|\]$/g, '') || address.host,
      port: Number(parsed.port) || address.port,
      user: decodeURIComponent(parsed.username) || user,
      password: decodeURIComponent(parsed.password) || password,
      database: decodeURIComponent(parsed.pathname.slice(1)) || database,
      tls: tls ?? (asksForTls(parsed.searchParams) ? {} : undefined)
    }
  } catch {
    throw invalid
  }
}

/** Hosters give URLs with `ssl-mode=REQUIRED`, `sslmode=require`, `ssl=true` or `ssl={…}`. */
function asksForTls (parameters: URLSearchParams): boolean {
  return ['ssl-mode', 'sslmode', 'ssl', 'tls'].some(name => !/^(|0|false|disabled?|preferred)$/i.test(parameters.get(name) ?? ''))
}

function settingsOf (options: ServerOptions): ConnectionOptions {
  const { host, port, user, password, database, tls } = addressOf(options)
  const settings: ConnectionOptions = {
    // Also the name that the server's certificate has to have.
    host: tls?.servername ?? host,
    port,
    // Ids, times and counts are whole numbers that a number holds.
    supportBigNumbers: true,
    typeCast,
    connectTimeout: connectPatience,
    // No server may ask for files of this machine.
    flags: ['-LOCAL_FILES'],
    stream: () => {
      const socket = guardReader(connectSocket({ host, port, keepAlive: true, keepAliveInitialDelay: 10_000, noDelay: true }))
      // The driver tells TLS no name for an IP address; Node looks here then, before it takes a certificate for "localhost".
      return Object.assign(socket, { _host: host })
    },
    connectAttributes: { program_name: 'node-red-platziverse' }
  }
  if (user !== undefined) settings.user = user
  if (password !== undefined) settings.password = password
  if (database !== undefined) settings.database = database
  if (tls !== undefined) {
    const { pfx, ...pem } = tls
    // The driver passes on nothing of it, and would connect without a certificate.
    if (pfx !== undefined) throw new PlatziverseError('STORE_OPTION_INVALID', 'The driver of MySQL takes no PKCS#12 file: give certificate and key as PEM.')
    settings.ssl = { ...pem, verifyIdentity: pem.rejectUnauthorized !== false } as NonNullable<ConnectionOptions['ssl']> & object
  }
  return settings
}

/** The driver's own way reads about one in a hundred numbers with a wrong last digit. */
function typeCast (field: TypeCastField, next: TypeCastNext): unknown {
  if (field.type !== 'DOUBLE' && field.type !== 'NEWDECIMAL') return next()
  const text = field.string()
  return text === null ? null : Number(text)
}
