import type { Knex } from 'knex'

/** What each agent said last of its presence, by its own clock (UTC ms): that it came, that it left, and anything at all. */
export async function up (knex: Knex): Promise<void> {
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  if (await knex.schema.hasColumn('agents', 'spoke_at')) return
  const changes = ['came_at', 'came_seq', 'left_at', 'left_seq', 'spoke_at'].map(column => `add column ${column} bigint`)
  // Not by Knex, which would write SQLite's table anew. All at once where each change is committed.
  for (const change of knex.client.dialect === 'sqlite3' ? changes : [changes.join(', ')]) await knex.raw(`alter table agents ${change}`)
}
