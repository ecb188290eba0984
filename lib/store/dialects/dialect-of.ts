import { PlatziverseError } from '../../errors.ts'
import type { SqliteDriver } from '../../sqlite/driver.ts'
import { mysqlDialect } from './mysql/mysql.ts'
import { postgresqlDialect } from './postgresql/postgresql.ts'
import { sqliteDialect } from './sqlite/sqlite.ts'
import type { Dialect } from './dialect.ts'

export interface SqliteOptions {
  client: 'sqlite'
  /** Absolute. */
  filename: string
  /** Absent: what there is. */
  driver?: SqliteDriver
}

export interface ServerOptions {
  client: 'postgresql' | 'mysql'
  /** Such as `postgres://user:password@host:5432/database`; what it says goes before the fields below. */
  url?: string | undefined
  host?: string | undefined
  port?: number | undefined
  user?: string | undefined
  password?: string | undefined
  database?: string | undefined
  /** The login was lost with the credentials of the flows: nobody connects without one. */
  loginLost?: boolean
  /** Absent: no TLS. */
  tls?: TlsOptions | undefined
  /** Most connections that readers have; the writer and the retention have one of their own each. */
  poolSize: number
}

/** As Node's `tls.connect` has them; PEM. */
export interface TlsOptions {
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
  /** PKCS#12. */
  pfx?: string | Buffer
  passphrase?: string
  servername?: string
  rejectUnauthorized?: boolean
}

export type DatabaseOptions = SqliteOptions | ServerOptions

/**
 * What speaks to the chosen kind of database.
 * @throws PlatziverseError STORE_OPTION_INVALID
 */
export function dialectOf (options: DatabaseOptions): Dialect {
  switch (options.client) {
    case 'sqlite': return sqliteDialect(options.filename, options.driver)
    case 'postgresql': return complete(options, postgresqlDialect(options))
    case 'mysql': return complete(options, mysqlDialect(options))
    default: throw new PlatziverseError('STORE_OPTION_INVALID', `${JSON.stringify((options as { client?: unknown }).client)} is no kind of database.`)
  }
}

const essentials = { url: 'URL', host: 'host', database: 'name' } as const

/** Where one of these is empty, and not absent, drivers would go to this machine, or to a database called like the user. */
function complete (options: ServerOptions, dialect: Dialect): Dialect {
  if (options.loginLost === true) return refusing(dialect, new PlatziverseError('CREDENTIALS_LOST', 'The login of the database was lost with the credentials of the flows.'))
  // mysql2 passes on nothing of it, and would connect without a certificate.
  if (options.client === 'mysql' && options.tls?.pfx !== undefined) return refusing(dialect, new PlatziverseError('STORE_OPTION_INVALID', 'The driver of MySQL takes no PKCS#12 file: give certificate and key as PEM.'))
  const missing = (Object.keys(essentials) as Array<keyof typeof essentials>).find(name => options[name] === '')
  if (missing === undefined) return dialect
  return refusing(dialect, new PlatziverseError('STORE_OPTION_INVALID', `The ${essentials[missing]} of the database is empty.`))
}

function refusing (dialect: Dialect, error: PlatziverseError): Dialect {
  const refuse = (): Promise<never> => Promise.reject(error)
  return { ...dialect, connect: refuse, read: refuse }
}
