import type { Knex } from 'knex'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { kindOf, type DatabaseKind } from '../dialects/database-kind.ts'
import * as initial from './0001-initial.ts'
import * as rollups from './0002-rollups.ts'
import * as retention from './0003-retention.ts'
import * as newestOfRollups from './0004-newest-of-rollups.ts'
import * as newestSeq from './0005-newest-seq.ts'
import * as writers from './0006-writers.ts'
import * as presenceOfAgents from './0007-presence-of-agents.ts'
import * as ownTimes from './0008-own-times.ts'
import * as usualInterval from './0009-usual-interval.ts'
import * as incoming from './0010-incoming.ts'
import * as roomForUpdates from './0011-room-for-updates.ts'
import * as arrived from './0012-arrived.ts'
import * as alerts from './0013-alerts.ts'
import * as metricsForSql from './0014-metrics-for-sql.ts'

/** Going back would lose metrics: restore a backup instead. */
const irreversible = async (): Promise<void> => { throw new Error('This migration cannot be undone.') }

interface Migration { name: string, up (knex: Knex): Promise<void>, down (): Promise<void> }

/** In order; a released one is never edited. Names are what the database remembers, whatever the file is called once built. */
const released: Migration[] = [
  { name: '0001-initial', up: initial.up, down: irreversible },
  { name: '0002-rollups', up: rollups.up, down: irreversible },
  { name: '0003-retention', up: retention.up, down: irreversible },
  { name: '0004-newest-of-rollups', up: newestOfRollups.up, down: irreversible },
  { name: '0005-newest-seq', up: newestSeq.up, down: irreversible },
  { name: '0006-writers', up: writers.up, down: irreversible },
  { name: '0007-presence-of-agents', up: presenceOfAgents.up, down: irreversible },
  { name: '0008-own-times', up: ownTimes.up, down: irreversible },
  { name: '0009-usual-interval', up: usualInterval.up, down: irreversible },
  { name: '0010-incoming', up: incoming.up, down: irreversible },
  { name: '0011-room-for-updates', up: roomForUpdates.up, down: irreversible },
  { name: '0012-arrived', up: arrived.up, down: irreversible },
  { name: '0013-alerts', up: alerts.up, down: irreversible },
  { name: '0014-metrics-for-sql', up: metricsForSql.up, down: irreversible }
]

/** For a kind that came later, `schema` takes the place of the last migration that does not know it; those before do nothing. */
export function migrationsFor ({ schema }: Pick<DatabaseKind, 'schema'>): Migration[] {
  const last = released.findIndex(({ name }) => name === schema?.migration)
  if (schema === undefined) return released
  return released.map((migration, i) => i > last ? migration : { ...migration, up: i === last ? schema.create : async () => undefined })
}

function sourceFor (kind: DatabaseKind): Knex.MigrationSource<Migration> {
  const migrations = migrationsFor(kind)
  return {
    getMigrations: async () => migrations,
    getMigrationName: migration => migration.name,
    getMigration: async migration => migration
  }
}

/** ms to wait for another process that migrates, before its lock counts as left behind by a crash. */
const lockPatience = 5_000

/**
 * Bring the database to this version's schema.
 * @throws PlatziverseError STORE_SCHEMA_NEWER, with the database untouched
 */
export async function migrate (knex: Knex): Promise<void> {
  const kind = kindOf(knex)
  const { migrationLock, afterMigrations } = kind
  const isDone = await pendingMigrations(knex) === 0
  // Knex would write its lock, fail if the user may only read, and lose the code of the error.
  if (isDone && afterMigrations === undefined) return
  if (migrationLock !== undefined) await knex.raw(migrationLock.lock)
  try {
    if (!isDone) await runMigrations(knex, sourceFor(kind))
    await afterMigrations?.(knex)
  } finally {
    // A broken connection has no lock any more.
    if (migrationLock !== undefined) await knex.raw(migrationLock.unlock).catch(() => undefined)
  }
}

async function runMigrations (knex: Knex, migrationSource: Knex.MigrationSource<Migration>): Promise<void> {
  for (const started = performance.now(); ;) {
    try {
      await knex.migrate.latest({ migrationSource })
      return
    } catch (error) {
      const reason = reasonOf(error)
      const isLocked = /already locked/i.test(reason)
      // Another process made Knex's own tables after Knex had looked for them.
      if (!isLocked && !/table `?knex_migrations(_lock)?`? already exists/i.test(reason)) throw error
      if (isLocked) await keepOneLock(knex)
      // Each migration is a transaction, so a lock that nobody holds any more hides nothing half done.
      if (performance.now() - started > lockPatience) await knex.migrate.forceFreeMigrationsLock({ migrationSource })
      else await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
}

/** Two processes that make the tables of a new file at the same moment both write Knex's lock, and with two of them nobody gets it. */
async function keepOneLock (knex: Knex): Promise<void> {
  const [first] = await knex('knex_migrations_lock').orderBy('index').limit(1).pluck<number[]>('index')
  if (first !== undefined) await knex('knex_migrations_lock').where('index', '>', first).delete()
}

/**
 * How many migrations the database still lacks. Writes nothing.
 * @throws PlatziverseError STORE_SCHEMA_NEWER
 */
export async function pendingMigrations (knex: Knex): Promise<number> {
  return released.length - (await migrationsDone(knex)).length
}

/** @throws PlatziverseError STORE_SCHEMA_NEWER */
async function migrationsDone (knex: Knex): Promise<string[]> {
  if (!await knex.schema.hasTable('knex_migrations')) return []
  const names = new Set(released.map(({ name }) => name))
  const done = await knex('knex_migrations').pluck<string[]>('name')
  const unknown = done.find(name => !names.has(name))
  if (unknown !== undefined) throw new PlatziverseError('STORE_SCHEMA_NEWER', `The database has the migration ${unknown}, which this version does not know.`)
  return done
}
