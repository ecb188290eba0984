import type { PlatziverseError } from '../../errors.ts'
import type { SqliteDriver } from '../../sqlite/driver.ts'
import type { TlsOptions } from '../../tls.ts'

export interface SqliteOptions {
  client: 'sqlite'
  /** Absolute. */
  filename: string
  /** Absent: the one that is installed. */
  driver?: SqliteDriver
  /** Why it is not opened. */
  refused?: PlatziverseError
}

export interface ServerOptions {
  client: 'postgresql' | 'mysql'
  /** Such as `postgres://user:password@host:5432/database`; it takes precedence over the fields below. */
  url?: string | undefined
  host?: string | undefined
  port?: number | undefined
  user?: string | undefined
  password?: string | undefined
  database?: string | undefined
  /** Why no connection is made. */
  refused?: PlatziverseError
  /** Absent: no TLS. */
  tls?: TlsOptions | undefined
  /** Most connections that readers have; the writer and the retention have one of their own each. */
  poolSize: number
}

export type DatabaseOptions = SqliteOptions | ServerOptions

/** The protocols in the URLs of each kind of server, written as `URL` has them. */
export const urlSchemes = { postgresql: ['postgres:', 'postgresql:'], mysql: ['mysql:', 'mariadb:'] } satisfies Record<ServerOptions['client'], string[]>
