import type { Knex } from 'knex'
import { collation } from '../dialects/mysql/collation.ts'

/**
 * What is remembered of alerts: rules that are raised for a series or an agent, or about to be; silences; and which process takes care of the alerts of a node.
 * An agent as a whole has the type ''. Times are UTC ms.
 */
export async function up (knex: Knex): Promise<void> {
  // MySQL commits after each change of a table, so a process that died in between starts again here.
  const options = knex.client.dialect === 'mysql' ? `engine InnoDB character set utf8mb4 collate ${collation}` : ''
  for (const table of tables) await knex.raw(`create table if not exists ${table} ${options}`)
}

const tables = [
  `alert_states (
    node varchar(64) not null,
    rule varchar(64) not null,
    uuid varchar(128) not null,
    type varchar(128) not null,
    phase varchar(8) not null,
    since bigint not null,
    right_since bigint not null,
    changed_at bigint not null,
    value text,
    told smallint not null,
    told_at bigint not null,
    acknowledged smallint not null,
    primary key (node, rule, uuid, type)
  )`,
  `alert_silences (
    node varchar(64) not null,
    uuid varchar(128) not null,
    type varchar(128) not null,
    until bigint not null,
    primary key (node, uuid, type)
  )`,
  `alert_owners (
    node varchar(64) not null primary key,
    owner varchar(64) not null,
    home varchar(64) not null,
    beat bigint not null
  )`
]
