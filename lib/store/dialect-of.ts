import { PlatziverseError } from '../errors.ts'
import type { Dialect } from './dialects/dialect.ts'
import { mysqlDialect } from './dialects/mysql/mysql.ts'
import type { DatabaseOptions, ServerOptions } from './dialects/options.ts'
import { postgresqlDialect } from './dialects/postgresql/postgresql.ts'
import { sqliteDialect } from './dialects/sqlite/sqlite.ts'

/**
 * The dialect of the chosen kind of database.
 * @throws PlatziverseError STORE_OPTION_INVALID
 */
export function dialectOf (options: DatabaseOptions): Dialect {
  const dialect = ofKind(options)
  return options.refused === undefined ? dialect : refusing(dialect, options.refused)
}

function ofKind (options: DatabaseOptions): Dialect {
  switch (options.client) {
    case 'sqlite': return sqliteDialect(options.filename, options.driver)
    case 'postgresql': return complete(options, postgresqlDialect(options))
    case 'mysql': return complete(options, mysqlDialect(options))
    default: throw new PlatziverseError('STORE_OPTION_INVALID', `${JSON.stringify((options as { client?: unknown }).client)} is not a kind of database.`)
  }
}

const essentials = { url: 'URL', host: 'host', database: 'name' } as const

/** Refuses what is incomplete. Where one of these is empty, and not absent, drivers would connect to this machine, or to a database with the user's name. */
function complete (options: ServerOptions, dialect: Dialect): Dialect {
  const missing = (Object.keys(essentials) as Array<keyof typeof essentials>).find(name => options[name] === '')
  if (missing === undefined) {
    // Not said: it may have a password in it.
    return /:\/\/|@/.test(options.host ?? '') ? refusing(dialect, new PlatziverseError('STORE_OPTION_INVALID', 'The host of the database is more than a name or an address.')) : dialect
  }
  return refusing(dialect, new PlatziverseError('STORE_OPTION_INVALID', `The ${essentials[missing]} of the database is empty.`))
}

function refusing (dialect: Dialect, error: PlatziverseError): Dialect {
  const refuse = (): Promise<never> => Promise.reject(error)
  return { ...dialect, connect: refuse, read: refuse }
}
