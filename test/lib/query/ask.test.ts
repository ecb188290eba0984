import assert from 'node:assert/strict'
import { test } from 'node:test'
import knexFactory from 'knex'
import { ask } from '../../../lib/query/ask.ts'

test('a question that got no connection in time says that, and of no statement', async t => {
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: ':memory:' }, useNullAsDefault: true, pool: { min: 0, max: 1 }, acquireConnectionTimeout: 1_000, log: { error () {}, warn () {} } })
  t.after(() => knex.destroy())
  await knex.transaction(async () => {
    await assert.rejects(ask(knex, { query: 'agents' }, { result: 'objects', most: 1 }).next(), { code: 'QUERY_FAILED', detail: 'No connection to the database was free, or could be made, in time.' })
  })
})
