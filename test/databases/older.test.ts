import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Knex } from 'knex'
import { migrationsFor } from '../../lib/store/migrations/migrate.ts'
import { tryDatabase } from '../../lib/store/try-database.ts'
import { files, onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { now, open } from './writing-process.ts'

/** Those of version 0.1.0; what came later is run when this version opens the database. */
const first = migrationsFor({}).findIndex(({ name }) => name === '0003-retention') + 1
const hour = 3_600_000

type Migration = ReturnType<typeof migrationsFor>[number]

/** Makes the tables as they are after so many migrations, and puts in what 0.1.0 would have: two agents, three series, four metrics. */
async function fill ({ dialect }: OpenDatabase, migrations: number): Promise<void> {
  const knex = await dialect.connect()
  try {
    const until = async (last: number): Promise<void> => {
      const chosen = migrationsFor({}).slice(0, last)
      const migrationSource: Knex.MigrationSource<Migration> = {
        getMigrations: async () => chosen, getMigrationName: ({ name }) => name, getMigration: async migration => migration
      }
      await knex.migrate.latest({ migrationSource })
    }
    await until(first)
    await knex('agents').insert(['a', 'b'].map((uuid, i) => ({ id: i + 1, uuid, connected: i === 0, connected_at: 1, last_seen_at: now, created_at: 1, updated_at: now })))
    await knex('series').insert([
      { id: 1, agent_id: 1, type: 'cpu', last_ts: now, last_value: 2.5 },
      { id: 2, agent_id: 1, type: 'door', last_ts: now, last_text: 'open' },
      { id: 3, agent_id: 2, type: 'cpu', last_ts: now, last_value: 0.1 }
    ])
    await knex('metrics').insert([
      { series_id: 1, ts: now - hour, seq: 1, value: 1.5, text: null }, { series_id: 1, ts: now, seq: 2, value: 2.5, text: null },
      { series_id: 2, ts: now, seq: 2, value: null, text: 'open' }, { series_id: 3, ts: now, seq: 7, value: 0.1, text: null }
    ])
    await knex('metrics_1h').insert({ series_id: 1, ts: now - now % hour - 2 * hour, n: 2, sum: 3, min: 1, max: 2, last: 2 })
    await knex('dirty_hours').insert({ series_id: 1, ts: now - now % hour })
    // A process that died after some of those that came later.
    if (migrations > first) await until(migrations)
  } finally {
    await knex.destroy()
  }
}

async function opened (database: OpenDatabase, t: Parameters<typeof open>[0]): Promise<void> {
  const { options, query } = database
  assert.equal((await tryDatabase(options)).tables, 'older')
  const { store, write } = open(t, database)
  assert.deepEqual(await write('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 'cpu', value: 3.5 }, { type: 'new', value: 1 }], timestamp: now + 1_000, seq: 3 }, now + 1_000), { agentId: 1, metrics: 2, duplicates: 0 })
  // What was stored by the older version is known again.
  assert.equal((await write('agent/message', { agent: { uuid: 'b' }, metrics: [{ type: 'cpu', value: 0.1 }], timestamp: now, seq: 7 }, now + 2_000)).duplicates, 1)
  const db = await store.read()
  const rows = await db('platziverse_metrics').orderBy(['ts', 'agent', 'name', 'type']).select('agent', 'type', 'value', 'text', 'ts') as Array<Record<string, unknown>>
  assert.deepEqual(rows.map(({ agent, type, value, text, ts }) => [agent, type, value === null ? text : Number(value), Number(ts) - now]), [
    ['a', 'cpu', 1.5, -hour], ['a', 'cpu', 2.5, 0], ['a', 'door', 'open', 0], ['b', 'cpu', 0.1, 0], ['a', 'cpu', 3.5, 1_000], ['a', 'new', 1, 1_000]
  ])
  assert.deepEqual((await db('series').orderBy('id').pluck<unknown[]>('last_ts')).map(Number), [now + 1_000, now, now, now + 1_000])
  assert.deepEqual((await query('metrics_1h').select('series_id', 'n')).map(({ series_id, n }) => [series_id, Number(n)]), [[1, 2]])
  await store.close()
  assert.equal((await tryDatabase(options)).tables, 'ready')
}

onEachDatabase('a database of version 0.1.0 takes messages as soon as it is open, and keeps what is in it', async (t, database) => {
  await fill(database, first)
  await opened(database, t)
})

const [sqlite] = files

for (const [i, { name }] of migrationsFor({}).slice(first, -1).entries()) {
  test(`SQLite: so does one whose upgrade was cut off after ${name}`, async t => {
    const database = await sqlite!.open(t)
    await fill(database, first + i + 1)
    await opened(database, t)
  })
}
