import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Knex } from 'knex'
import { ofKind } from '../../../../lib/store/dialects/database-kind.ts'
import { sqliteKind } from '../../../../lib/store/dialects/sqlite/kind.ts'
import { sqliteDialect } from '../../../../lib/store/dialects/sqlite/sqlite.ts'
import { migrate, migrationsFor, pendingMigrations } from '../../../../lib/store/migrations/migrate.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'

test('a kind of database that came later makes its tables at once, and goes on with the migrations after that', async t => {
  const knex = await sqliteDialect(join(await temporaryFolder(t), 'test.sqlite')).connect()
  t.after(() => knex.destroy())
  const made: string[] = []
  const create = async (db: Knex): Promise<void> => {
    made.push(...await db('sqlite_master').where('type', 'table').whereRaw("name not like 'knex%' and name not like 'sqlite%'").pluck<string[]>('name'))
    await db.schema.createTable('agents', table => { table.integer('id') })
  }
  const names = migrationsFor({}).map(({ name }) => name)
  ofKind({ ...sqliteKind, schema: { migration: names.at(-1) as string, create } }, knex)
  assert.equal(await pendingMigrations(knex), names.length)
  await migrate(knex)
  assert.deepEqual(made, [], 'no other migration made a table')
  assert.equal(await knex.schema.hasTable('agents'), true)
  assert.deepEqual(await knex('knex_migrations').orderBy('id').pluck('name'), names)
  assert.equal(await pendingMigrations(knex), 0)
  await migrate(knex)
})

test('migrations after those that a later kind of database replaces are run as they are', () => {
  const all = migrationsFor({})
  const create = async (): Promise<void> => undefined
  const later = migrationsFor({ schema: { migration: '0004-newest-of-rollups', create } })
  assert.deepEqual(later.map(({ name }) => name), all.map(({ name }) => name))
  assert.equal(later[3]?.up, create)
  assert.deepEqual(later.slice(4), all.slice(4))
  assert.ok(later.slice(0, 3).every(({ up }, i) => up !== all[i]?.up))
})

test('two locks, which two processes write that make the tables at the same moment, keep nobody waiting', async t => {
  const knex = await sqliteDialect(join(await temporaryFolder(t), 'test.sqlite')).connect()
  t.after(() => knex.destroy())
  await migrate(knex)
  const tables = await knex('sqlite_master').where('type', 'table').whereRaw("name not like 'knex%' and name not like 'sqlite%'").pluck<string[]>('name')
  for (const view of ['platziverse_metrics', 'metrics', 'metrics_unsettled']) await knex.schema.dropView(view)
  for (const table of tables) await knex.schema.dropTable(table)
  await knex('knex_migrations').delete()
  await knex('knex_migrations_lock').insert({ is_locked: 0 })
  const started = performance.now()
  await migrate(knex)
  assert.ok(performance.now() - started < 2_000, `${performance.now() - started} ms`)
  assert.equal(await pendingMigrations(knex), 0)
  assert.deepEqual(await knex('knex_migrations_lock').pluck('is_locked'), [0])
})
