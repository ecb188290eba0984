import type { SqliteDriver } from '../../sqlite/driver.ts'

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
