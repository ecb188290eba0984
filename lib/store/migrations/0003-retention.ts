import type { Knex } from 'knex'

/**
 * From when on each series has raw metrics and hours, in a table of its own: senders change the rows of `series` all the time, and
 * waited for whoever deletes. A series without a row has everything. Times are UTC ms.
 */
export async function up (knex: Knex): Promise<void> {
  const isMysql = knex.client.dialect === 'mysql'
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  if (isMysql) await knex.raw('create table if not exists retention (series_id int unsigned not null primary key, raw_from bigint not null, hours_from bigint not null) engine InnoDB')
  else {
    await knex.schema.createTable('retention', table => {
      table.integer('series_id').notNullable().primary()
      table.bigInteger('raw_from').notNullable()
      table.bigInteger('hours_from').notNullable()
    })
  }
  if (!await knex.schema.hasColumn('series', 'raw_from')) return
  await knex.raw(`insert ${isMysql ? 'ignore' : ''} into retention (series_id, raw_from, hours_from)
    select id, raw_from, hours_from from series where raw_from > 0 or hours_from > 0`)
  // Not by Knex, which would write SQLite's table anew. Both at once where each change is committed.
  const changes = ['drop column raw_from', 'drop column hours_from']
  for (const change of knex.client.dialect === 'sqlite3' ? changes : [changes.join(', ')]) await knex.raw(`alter table series ${change}`)
}
