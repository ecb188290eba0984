import type { SqliteDriver } from '../../sqlite/driver.ts'
import type { TlsOptions } from '../../tls.ts'

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
  /** The login was lost with the credentials of the flows: no connection is made without one. */
  loginLost?: boolean
  /** Absent: no TLS. */
  tls?: TlsOptions | undefined
  /** Most connections that readers have; the writer and the retention have one of their own each. */
  poolSize: number
}

export type DatabaseOptions = SqliteOptions | ServerOptions

/** By which URLs name each kind of server, as `URL` has them. */
export const urlSchemes = { postgresql: ['postgres:', 'postgresql:'], mysql: ['mysql:', 'mariadb:'] } satisfies Record<ServerOptions['client'], string[]>
