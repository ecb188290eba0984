import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../../lib/sqlite/open-sqlite.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

const open = async (t: Parameters<typeof temporaryFolder>[0]) => {
  const knex = await openSqlite(join(await temporaryFolder(t), 'test.sqlite'), 1, () => ['pragma journal_mode = wal'], 'sqlite3')
  t.after(() => knex.destroy())
  await knex.raw('create table places (name text primary key, height real)')
  return knex
}

test('a statement that is used again has the values of each time', async t => {
  const knex = await open(t)
  for (const [name, height] of [['Quito', 2850], ['Lima', 154], ['Bogotá', null]] as const) await knex('places').insert({ name, height })
  const heightOf = async (name: string): Promise<unknown> => await knex('places').where({ name }).first('height')
  assert.deepEqual([await heightOf('Lima'), await heightOf('Bogotá'), await heightOf('Cusco'), await heightOf('Lima')], [{ height: 154 }, { height: null }, undefined, { height: 154 }])
  assert.deepEqual(await Promise.all(['Quito', 'Lima'].map(heightOf)), [{ height: 2850 }, { height: 154 }])
  assert.deepEqual([await knex('places').where({ name: 'Lima' }).update({ height: 155 }), await knex('places').where({ name: 'Cusco' }).update({ height: 1 })], [1, 0])
})

test('a statement sees what became of its table since it was used', async t => {
  const knex = await open(t)
  const all = async (): Promise<unknown> => await knex.raw('select * from places')
  await knex('places').insert({ name: 'Lima', height: 154 })
  assert.deepEqual(await all(), [{ name: 'Lima', height: 154 }])
  await knex.raw('alter table places add column country text default \'Peru\'')
  assert.deepEqual(await all(), [{ name: 'Lima', height: 154, country: 'Peru' }])
  await knex.raw('drop table places')
  await assert.rejects(all(), /SQLITE_ERROR: no such table: places/)
  await knex.raw('create table places (town text)')
  assert.deepEqual(await all(), [])
})

test('one that fails says so each time, and holds nothing up', async t => {
  const knex = await open(t)
  const insert = async (name: string): Promise<unknown> => await knex('places').insert({ name })
  await insert('Lima')
  for (let i = 0; i < 3; i++) {
    await assert.rejects(insert('Lima'), { code: 'SQLITE_CONSTRAINT' })
    await assert.rejects(knex.raw('selec 1') as Promise<unknown>, { code: 'SQLITE_ERROR' })
    await insert(`another ${i}`)
  }
  assert.equal((await knex('places')).length, 4)
  assert.deepEqual(await knex.raw('pragma wal_checkpoint(truncate)'), [{ busy: 0, log: 0, checkpointed: 0 }])
})

test('more statements than are kept, and long values, work as any other', async t => {
  const knex = await open(t)
  const long = 'x'.repeat(1_000_000)
  for (let round = 0; round < 2; round++) for (let i = 0; i < 120; i++) assert.deepEqual(await knex.raw(`select ${i} as i, ? as round`, [round]), [{ i, round }])
  for (const value of ['short', long, 'short']) assert.deepEqual(await knex.raw('select length(?) as n', [value]), [{ n: value.length }])
  const rows = await Promise.all(Array.from({ length: 200 }, async (_, i) => await knex.raw('select ? as i', [i]) as unknown))
  assert.deepEqual(rows, Array.from({ length: 200 }, (_, i) => [{ i }]))
})
