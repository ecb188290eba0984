import type { Knex } from 'knex'

const hour = 3_600_000

/**
 * Metrics by hour and by day, the hours that have to be rolled up (again), from when on each series has raw metrics and
 * hours, and which process has an agent connected. Times are UTC ms; `ts` of an hour or a day is its start.
 */
export async function up (knex: Knex): Promise<void> {
  await createRollups(knex)
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  if (!await knex.schema.hasColumn('series', 'raw_from')) {
    await knex.schema.alterTable('series', table => {
      table.bigInteger('raw_from').notNullable().defaultTo(0)
      table.bigInteger('hours_from').notNullable().defaultTo(0)
    })
  }
  if (!await knex.schema.hasColumn('agents', 'instance')) {
    await knex.schema.alterTable('agents', table => {
      table.string('instance', 64)
    })
  }
  // What is there already has to be rolled up once.
  await knex.raw(`insert into dirty_hours (series_id, ts) select distinct series_id, ts - ts % ${hour} from metrics
    where not exists (select * from dirty_hours)`)
}

async function createRollups (knex: Knex): Promise<void> {
  if (knex.client.dialect === 'sqlite3') {
    // Knex has no word for WITHOUT ROWID, which keeps a table in the order of its key and the key from being stored twice.
    for (const name of ['metrics_1h', 'metrics_1d']) {
      await knex.raw(`create table ${name} (
        series_id integer not null,
        ts integer not null,
        n integer not null,
        sum real not null,
        min real not null,
        max real not null,
        last real not null,
        primary key (series_id, ts)
      ) without rowid`)
    }
    await knex.raw('create table dirty_hours (series_id integer not null, ts integer not null, primary key (series_id, ts)) without rowid')
    return
  }
  if (knex.client.dialect === 'mysql') {
    for (const name of ['metrics_1h', 'metrics_1d']) {
      await knex.raw(`create table if not exists ${name} (
        series_id int unsigned not null,
        ts bigint not null,
        n bigint not null,
        sum double not null,
        min double not null,
        max double not null,
        last double not null,
        primary key (series_id, ts)
      ) engine InnoDB`)
    }
    await knex.raw('create table if not exists dirty_hours (series_id int unsigned not null, ts bigint not null, primary key (series_id, ts)) engine InnoDB')
    return
  }
  for (const name of ['metrics_1h', 'metrics_1d']) {
    await knex.schema.createTable(name, table => {
      table.integer('series_id').notNullable()
      table.bigInteger('ts').notNullable()
      table.bigInteger('n').notNullable()
      for (const column of ['sum', 'min', 'max', 'last']) table.double(column).notNullable()
      table.primary(['series_id', 'ts'])
    })
  }
  await knex.schema.createTable('dirty_hours', table => {
    table.integer('series_id').notNullable()
    table.bigInteger('ts').notNullable()
    table.primary(['series_id', 'ts'])
  })
}
