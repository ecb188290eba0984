import type { Knex } from 'knex'

/** Which of two metrics of one timestamp is the newest of its series: the one with the greater `seq`, in whatever order they come. */
export async function up (knex: Knex): Promise<void> {
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  if (await knex.schema.hasColumn('series', 'last_seq')) return
  // Not by Knex, which would write SQLite's table anew.
  await knex.raw('alter table series add column last_seq bigint')
}
