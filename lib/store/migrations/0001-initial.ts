import type { Knex } from 'knex'

/** Agents, the series of their metrics, and the metrics. Times are UTC ms. */
export async function up (knex: Knex): Promise<void> {
  await knex.schema.createTable('agents', table => {
    table.increments('id')
    table.string('uuid', 128).notNullable().unique()
    table.string('username', 255)
    table.string('name', 255)
    table.string('hostname', 255)
    table.bigInteger('pid')
    table.boolean('connected').notNullable().defaultTo(false)
    table.bigInteger('connected_at')
    table.bigInteger('last_seen_at')
    table.bigInteger('created_at').notNullable()
    table.bigInteger('updated_at').notNullable()
  })
  await knex.schema.createTable('series', table => {
    table.increments('id')
    table.integer('agent_id').notNullable()
    table.string('type', 128).notNullable()
    table.bigInteger('last_ts')
    table.double('last_value')
    table.text('last_text')
    table.unique(['agent_id', 'type'])
  })
  if (knex.client.dialect === 'sqlite3') {
    // Knex has no word for WITHOUT ROWID, which keeps a series' metrics side by side and the key from being stored twice.
    await knex.raw(`create table metrics (
      series_id integer not null,
      ts integer not null,
      seq integer not null,
      value real,
      text text,
      primary key (series_id, ts, seq)
    ) without rowid`)
    return
  }
  await knex.schema.createTable('metrics', table => {
    table.integer('series_id').notNullable()
    table.bigInteger('ts').notNullable()
    table.bigInteger('seq').notNullable()
    table.double('value')
    table.text('text')
    table.primary(['series_id', 'ts', 'seq'])
  })
}
