import type { ServerOptions } from '../database.ts'
import type { Dialect } from './dialect.ts'

/** MySQL and MariaDB through `mysql2`. */
export function mysqlDialect (_options: ServerOptions): Dialect {
  throw new Error('not yet')
}
