import type { Knex } from 'knex'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import * as initial from './0001-initial.ts'

/** In order; a released one is never edited. Names are what the database remembers, whatever the file is called once built. */
const migrations = [
  { name: '0001-initial', ...initial }
]

const migrationSource: Knex.MigrationSource<typeof migrations[number]> = {
  getMigrations: async () => migrations,
  getMigrationName: migration => migration.name,
  getMigration: async migration => migration
}

/** ms to wait for another process that migrates, before its lock counts as left behind by a crash. */
const lockPatience = 5_000

/**
 * Bring the database to this version's schema.
 * @throws PlatziverseError STORE_SCHEMA_NEWER, with the database untouched
 */
export async function migrate (knex: Knex): Promise<void> {
  for (const started = performance.now(); ;) {
    try {
      await knex.migrate.latest({ migrationSource })
      return
    } catch (error) {
      if (/migration directory is corrupt/.test(reasonOf(error))) {
        throw new PlatziverseError('STORE_SCHEMA_NEWER', 'The database has migrations that this version does not know.', { cause: error })
      }
      if (!/already locked/i.test(reasonOf(error))) throw error
      // Each migration is a transaction, so a lock that nobody holds any more hides nothing half done.
      if (performance.now() - started > lockPatience) await knex.migrate.forceFreeMigrationsLock({ migrationSource })
      else await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
}
