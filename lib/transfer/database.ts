import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { dialectOf } from '../store/dialect-of.ts'
import type { Dialect } from '../store/dialects/dialect.ts'
import type { DatabaseOptions } from '../store/dialects/options.ts'
import { migrate } from '../store/migrations/migrate.ts'

export interface OpenDatabase { options: DatabaseOptions, dialect: Dialect, knex: Knex }

/**
 * Work with a database, after its tables are brought to this version.
 * @throws PlatziverseError STORE_…
 */
export async function withDatabase<Result> (options: DatabaseOptions, work: (database: OpenDatabase) => Promise<Result>): Promise<Result> {
  const dialect = dialectOf(options)
  let knex: Knex | undefined
  try {
    knex = await dialect.connect()
    await migrate(knex)
    await dialect.prepare?.(knex)
    await dialect.pending?.recover(knex, true)
    return await work({ options, dialect, knex })
  } catch (error) {
    // The error of a system call concerns a file, and names it.
    if (error instanceof PlatziverseError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error
    throw dialect.explain(error)
  } finally {
    await knex?.destroy().catch(() => undefined)
  }
}

/** How many rows a query finds, as a number in every database. */
export async function countOf (rows: Knex.QueryBuilder): Promise<number> {
  const [row] = await rows.count('* as n') as Array<{ n: number | string }>
  return Number(row?.n ?? 0)
}
