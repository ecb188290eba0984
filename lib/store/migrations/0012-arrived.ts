import type { Knex } from 'knex'

/**
 * On SQLite, messages of small batches are written into rows of `metrics_arrived` that are used again: each is then one page of the log, where the page of a
 * growing table that is full takes up to seven more. What is settled there stays until its row is used again; `metrics_unsettled` has what is not, wherever it is.
 */
export async function up (knex: Knex): Promise<void> {
  if (knex.client.dialect !== 'sqlite3') return
  for (const statement of statements) await knex.raw(statement)
}

const visible = (from: string): string => `${from}.ts >= case when ${from}.agent_id < b.next_agent then b.moving_to when ${from}.agent_id = b.next_agent then b.next_ts else b.settled_to end`
const kind = (from: string): string => `json_type(${from}.metrics, '$."' || s.id || '"')`

// The plus signs keep SQLite from going through all series of an agent, and through all messages of a block for each series.
const metricsIn = (table: string, from: string): string => `
    select s.id, ${from}.ts, ${from}.seq, cast(iif(metric.type = 'text', null, metric.value) as real), cast(case metric.type when 'text' then metric.value when 'false' then '-0' end as text)
    from ${table} ${from}
    join json_each(${from}.metrics) metric
    join series s on s.id = cast(metric.key as integer) and ${from}.block = +s.agent_id / 128 and ${from}.agent_id = +s.agent_id and ${from}.part = +s.id / 64
    join metrics_blocks b on b.block = ${from}.block and ${visible(from)}`

const refuse = (table: string, from: string): string => `
    select raise(abort, 'UNIQUE constraint failed: metrics_incoming') from series s
      join metrics_blocks b on b.block = s.agent_id / 128
      join ${table} ${from} on ${from}.block = b.block and ${from}.ts = new.ts and ${from}.agent_id = s.agent_id and ${from}.seq = new.seq and ${from}.part = s.id / 64 and ${visible(from)}
      where s.id = new.series_id and ${kind(from)} is not null;`

const remove = (table: string): string => `
    update ${table} set metrics = json_remove(metrics, '$."' || old.series_id || '"')
      where agent_id = (select agent_id from series where id = old.series_id) and block = agent_id / 128 and ts = old.ts and seq = old.seq and part = old.series_id / 64;`

const statements = [
  `create table metrics_arrived (
    id integer not null primary key,
    block integer not null,
    ts integer not null,
    agent_id integer not null,
    seq integer not null,
    part integer not null,
    metrics text not null
  )`,
  `create view metrics_unsettled (block, ts, agent_id, seq, part, metrics) as
    select block, ts, agent_id, seq, part, metrics from metrics_incoming
    union all
    select arrived.block, arrived.ts, arrived.agent_id, arrived.seq, arrived.part, arrived.metrics
    from metrics_arrived arrived join metrics_blocks b on b.block = arrived.block and arrived.ts >= b.settled_to`,
  'drop view metrics',
  `create view metrics (series_id, ts, seq, value, text) as
    select series_id, ts, seq, value, text from metrics_settled
    union all${metricsIn('metrics_incoming', 'incoming')}
    union all${metricsIn('metrics_arrived', 'arrived')}`,
  // How many messages there are at most.
  'insert into sqlite_stat1 (tbl, idx, stat) values (\'metrics_arrived\', null, \'2560\')',
  'analyze sqlite_schema',
  `create trigger metrics_added instead of insert on metrics begin${refuse('metrics_incoming', 'incoming')}${refuse('metrics_arrived', 'arrived')}
    insert into metrics_settled (series_id, ts, seq, value, text) values (new.series_id, new.ts, new.seq, new.value, new.text);
    update metrics_blocks set direct_to = new.ts
      where block = (select agent_id / 128 from series where id = new.series_id) and direct_to < new.ts and settled_to <= new.ts;
  end`,
  `create trigger metrics_removed instead of delete on metrics begin
    delete from metrics_settled where series_id = old.series_id and ts = old.ts and seq = old.seq;${remove('metrics_incoming')}${remove('metrics_arrived')}
  end`
]
