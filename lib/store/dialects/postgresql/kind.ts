import type { DatabaseKind } from '../database-kind.ts'
import { serverKind } from '../server.ts'
import { postgresqlSpans } from './spans.ts'
import { timescale, useTimescale } from './timescale.ts'

/** PostgreSQL, with TimescaleDB or without. */
export const postgresqlKind: DatabaseKind = {
  ...serverKind,
  name: () => 'PostgreSQL',
  version: "current_setting('server_version')",
  returnsChanged: true,
  given: column => `excluded.${column}`,
  rowsOf: result => (result as { rows: Array<Record<string, unknown>> }).rows,
  migrationLock: { lock: 'select pg_advisory_lock(8083)', unlock: 'select pg_advisory_unlock(8083)' },
  afterMigrations: useTimescale,

  snapshot: (knex, work) => knex.transaction(async db => {
    // The reader of a pipe may be slow.
    await db.raw('set local idle_in_transaction_session_timeout = 0')
    return await work(db)
  }, { isolationLevel: 'repeatable read' }),

  spans: postgresqlSpans,
  timescale,

  async continueIds (knex) {
    for (const table of ['agents', 'series']) await knex.raw(`select setval(pg_get_serial_sequence('${table}', 'id'), coalesce(max(id), 1), max(id) is not null) from ${table}`)
  }
}
