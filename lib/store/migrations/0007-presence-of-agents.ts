import type { Knex } from 'knex'

/** Which agents are connected, and which were last to leave, without a look at all of them. Only their coming and going changes its entries. */
export async function up (knex: Knex): Promise<void> {
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  if (knex.client.dialect === 'mysql' && await isThere(knex)) return
  await knex.raw('create index agents_presence on agents (connected, updated_at, id)')
}

async function isThere (knex: Knex): Promise<boolean> {
  const found = await knex('information_schema.statistics').whereRaw('table_schema = database()').where({ table_name: 'agents', index_name: 'agents_presence' }).first(knex.raw('1 as found'))
  return found !== undefined
}
