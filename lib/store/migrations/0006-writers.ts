import type { Knex } from 'knex'

/** Who writes to the database now: each has a row of its own, and changes its `beat` as long as it lives. */
export async function up (knex: Knex): Promise<void> {
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  if (await knex.schema.hasTable('writers')) return
  await knex.schema.createTable('writers', table => {
    table.string('id', 64).notNullable().primary()
    table.string('instance', 64).notNullable()
    table.string('home', 64).notNullable()
    table.bigInteger('beat').notNullable()
  })
}
