import type { Knex } from 'knex'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { useTimescale } from '../dialects/postgresql/timescale.ts'
import * as initial from './0001-initial.ts'
import * as rollups from './0002-rollups.ts'
import * as retention from './0003-retention.ts'
import * as newestOfRollups from './0004-newest-of-rollups.ts'
import * as newestSeq from './0005-newest-seq.ts'
import * as writers from './0006-writers.ts'

/** Going back would lose metrics: restore a backup instead. */
const irreversible = async (): Promise<void> => { throw new Error('This migration cannot be undone.') }

/** In order; a released one is never edited. Names are what the database remembers, whatever the file is called once built. */
const migrations = [
  { name: '0001-initial', up: initial.up, down: irreversible },
  { name: '0002-rollups', up: rollups.up, down: irreversible },
  { name: '0003-retention', up: retention.up, down: irreversible },
  { name: '0004-newest-of-rollups', up: newestOfRollups.up, down: irreversible },
  { name: '0005-newest-seq', up: newestSeq.up, down: irreversible },
  { name: '0006-writers', up: writers.up, down: irreversible }
]

const migrationSource: Knex.MigrationSource<typeof migrations[number]> = {
  getMigrations: async () => migrations,
  getMigrationName: migration => migration.name,
  getMigration: async migration => migration
}

/** ms to wait for another process that migrates, before its lock counts as left behind by a crash. */
const lockPatience = 5_000

/** Knex's own lock is a table, which two processes may make at once. The server drops these with the connection, of which a writer has one. */
const sessionLocks: Record<string, { lock: string, unlock: string }> = {
  postgresql: { lock: 'select pg_advisory_lock(8083)', unlock: 'select pg_advisory_unlock(8083)' },
  mysql: { lock: 'select get_lock(concat(\'platziverse \', left(database(), 40)), 30)', unlock: 'select release_lock(concat(\'platziverse \', left(database(), 40)))' }
}

/**
 * Bring the database to this version's schema.
 * @throws PlatziverseError STORE_SCHEMA_NEWER, with the database untouched
 */
export async function migrate (knex: Knex): Promise<void> {
  const isDone = await pendingMigrations(knex) === 0
  const isPostgresql = knex.client.dialect === 'postgresql'
  // Knex would write its lock, which who may only read cannot, and lose the code of the error.
  if (isDone && !isPostgresql) return
  const { lock, unlock } = sessionLocks[knex.client.dialect as string] ?? {}
  if (lock === undefined || unlock === undefined) return await runMigrations(knex)
  await knex.raw(lock)
  try {
    if (!isDone) await runMigrations(knex)
    if (isPostgresql) await useTimescale(knex)
  } finally {
    // A broken connection has no lock any more.
    await knex.raw(unlock).catch(() => undefined)
  }
}

async function runMigrations (knex: Knex): Promise<void> {
  for (const started = performance.now(); ;) {
    try {
      await knex.migrate.latest({ migrationSource })
      return
    } catch (error) {
      if (!/already locked/i.test(reasonOf(error))) throw error
      // Each migration is a transaction, so a lock that nobody holds any more hides nothing half done.
      if (performance.now() - started > lockPatience) await knex.migrate.forceFreeMigrationsLock({ migrationSource })
      else await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
}

/**
 * How many migrations the database still lacks. Writes nothing.
 * @throws PlatziverseError STORE_SCHEMA_NEWER
 */
export async function pendingMigrations (knex: Knex): Promise<number> {
  return migrations.length - (await migrationsDone(knex)).length
}

/** @throws PlatziverseError STORE_SCHEMA_NEWER */
async function migrationsDone (knex: Knex): Promise<string[]> {
  if (!await knex.schema.hasTable('knex_migrations')) return []
  const names = new Set(migrations.map(({ name }) => name))
  const done = await knex('knex_migrations').pluck<string[]>('name')
  const unknown = done.find(name => !names.has(name))
  if (unknown !== undefined) throw new PlatziverseError('STORE_SCHEMA_NEWER', `The database has the migration ${unknown}, which this version does not know.`)
  return done
}
