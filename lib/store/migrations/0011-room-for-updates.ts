import type { Knex } from 'knex'

/**
 * On PostgreSQL, pages of agents and series are filled to 45 %: a batch may change each row of a page, and a new version that finds room beside the old one needs no
 * new entries in the indexes, nor a lock on another page. Pages that are full already stay so until their rows are changed.
 */
export async function up (knex: Knex): Promise<void> {
  if (knex.client.dialect !== 'postgresql') return
  for (const table of ['agents', 'series']) await knex.raw(`alter table ${table} set (fillfactor = 45)`)
}
