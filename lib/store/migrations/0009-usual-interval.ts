import type { Knex } from 'knex'

/** How often each agent usually reports, ms by its own clock; null: not known yet. */
export async function up (knex: Knex): Promise<void> {
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  if (await knex.schema.hasColumn('agents', 'usual_interval')) return
  // Not by Knex, which would write SQLite's table anew.
  await knex.raw('alter table agents add column usual_interval bigint')
}
