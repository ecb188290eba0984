import type { ServerOptions } from '../database.ts'
import type { Dialect } from './dialect.ts'

/** PostgreSQL through `pg`. */
export function postgresqlDialect (_options: ServerOptions): Dialect {
  throw new Error('not yet')
}
