import type { Knex } from 'knex'
import { collation } from '../dialects/mysql/collation.ts'

/** Who writes to the database now: each has a row of its own, and changes its `beat` as long as it lives. */
export async function up (knex: Knex): Promise<void> {
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  const options = knex.client.dialect === 'mysql' ? `engine InnoDB character set utf8mb4 collate ${collation}` : ''
  await knex.raw(`create table if not exists writers (
    id varchar(64) not null primary key,
    instance varchar(64) not null,
    home varchar(64) not null,
    beat bigint not null
  ) ${options}`)
}
