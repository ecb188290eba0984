import type { Knex } from 'knex'
import { collation } from '../dialects/mysql/collation.ts'

/** Agents, the series of their metrics, and the metrics. Times are UTC ms. */
export async function up (knex: Knex): Promise<void> {
  if (knex.client.dialect === 'mysql') return await createOnMysql(knex)
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

/**
 * Each table in one statement, which is done or not, and only if it is not there: MySQL and MariaDB commit after each, so
 * a process that dies in between starts again here.
 */
async function createOnMysql (knex: Knex): Promise<void> {
  await knex.raw(`create table if not exists agents (
    id int unsigned not null auto_increment primary key,
    uuid varchar(128) not null unique,
    username varchar(255),
    name varchar(255),
    hostname varchar(255),
    pid bigint,
    connected boolean not null default false,
    connected_at bigint,
    last_seen_at bigint,
    created_at bigint not null,
    updated_at bigint not null
  ) engine InnoDB character set utf8mb4 collate ${collation}`)
  // LAST_VALUE is a word of MySQL's own.
  await knex.raw(`create table if not exists series (
    id int unsigned not null auto_increment primary key,
    agent_id int unsigned not null,
    type varchar(128) not null,
    last_ts bigint,
    \`last_value\` double,
    last_text text,
    unique (agent_id, type)
  ) engine InnoDB character set utf8mb4 collate ${collation}`)
  await knex.raw(`create table if not exists metrics (
    series_id int unsigned not null,
    ts bigint not null,
    seq bigint not null,
    value double,
    text text,
    primary key (series_id, ts, seq)
  ) engine InnoDB character set utf8mb4 collate ${collation}`)
}
