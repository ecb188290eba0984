import type { Knex } from 'knex'

/**
 * On SQLite, messages are kept as they come, those of 128 agents side by side, each in parts of 64 series, and moved in bulk to where the metrics of a series lie
 * together: a metric that is written among the others of its series costs a page. `metrics` is a view of both. Servers are left as they are.
 *
 * What is there already stays where it is: it counts as settled. Times are UTC ms.
 */
export async function up (knex: Knex): Promise<void> {
  if (knex.client.dialect !== 'sqlite3') return
  for (const statement of statements) await knex.raw(statement)
}

const visible = 'incoming.ts >= case when incoming.agent_id < b.next_agent then b.moving_to when incoming.agent_id = b.next_agent then b.next_ts else b.settled_to end'
const path = '\'$."\' || s.id || \'"\''
const kind = `json_type(incoming.metrics, ${path})`

// A question about a series goes from it to its block; a question about all goes through the messages, and from each to its series. SQLite
// takes the second way only if it knows how many messages a block has, and the plus signs keep it from going through all series of an agent.
const statements = [
  'alter table metrics rename to metrics_settled',
  `create table metrics_incoming (
    block integer not null,
    ts integer not null,
    agent_id integer not null,
    seq integer not null,
    part integer not null,
    metrics text not null,
    primary key (block, ts, agent_id, seq, part)
  ) without rowid`,
  `create table metrics_blocks (
    block integer not null primary key,
    settled_to integer not null default 0,
    moving_to integer not null default 0,
    next_agent integer not null default 0,
    next_ts integer not null default 0,
    direct_to integer not null default -1
  )`,
  'create table metrics_state (version integer not null)',
  // Each writer's blocks with messages that series and agents do not reflect yet, and the earliest time of those messages.
  `create table pending_blocks (
    block integer not null,
    writer text not null,
    ts integer not null,
    primary key (block, writer)
  ) without rowid`,
  'insert into metrics_state (version) values (random())',
  // Whoever remembers the blocks notices that they changed.
  'create trigger metrics_blocks_added after insert on metrics_blocks begin update metrics_state set version = random(); end',
  'create trigger metrics_blocks_changed after update on metrics_blocks begin update metrics_state set version = random(); end',
  'create trigger agents_added after insert on agents begin insert or ignore into metrics_blocks (block) values (new.id / 128); end',
  `insert into metrics_blocks (block, settled_to, moving_to, direct_to)
    select agents.id / 128, coalesce(max(last_ts), -1) + 1, coalesce(max(last_ts), -1) + 1, coalesce(max(last_ts), -1)
    from agents left join series on series.agent_id = agents.id group by agents.id / 128`,
  `create view metrics (series_id, ts, seq, value, text) as
    select series_id, ts, seq, value, text from metrics_settled
    union all
    select s.id, incoming.ts, incoming.seq, cast(iif(metric.type = 'text', null, metric.value) as real), cast(case metric.type when 'text' then metric.value when 'false' then '-0' end as text)
    from metrics_incoming incoming
    join json_each(incoming.metrics) metric
    join series s on s.id = cast(metric.key as integer) and incoming.block = +s.agent_id / 128 and incoming.agent_id = +s.agent_id and incoming.part = +s.id / 64
    join metrics_blocks b on b.block = incoming.block and ${visible}`,
  'analyze sqlite_schema',
  'delete from sqlite_stat1 where tbl = \'metrics_incoming\'',
  // Messages at all, of a block, of a ms, of an agent in it, with a number, in a part.
  'insert into sqlite_stat1 (tbl, idx, stat) values (\'metrics_incoming\', \'metrics_incoming\', \'5000000 40000 20 2 2 1\')',
  'analyze sqlite_schema',
  `create trigger metrics_added instead of insert on metrics begin
    select raise(abort, 'UNIQUE constraint failed: metrics_incoming') from series s
      join metrics_blocks b on b.block = s.agent_id / 128
      join metrics_incoming incoming on incoming.block = b.block and incoming.ts = new.ts and incoming.agent_id = s.agent_id and incoming.seq = new.seq and incoming.part = s.id / 64 and ${visible}
      where s.id = new.series_id and ${kind} is not null;
    insert into metrics_settled (series_id, ts, seq, value, text) values (new.series_id, new.ts, new.seq, new.value, new.text);
    update metrics_blocks set direct_to = new.ts
      where block = (select agent_id / 128 from series where id = new.series_id) and direct_to < new.ts and settled_to <= new.ts;
  end`,
  `create trigger metrics_removed instead of delete on metrics begin
    delete from metrics_settled where series_id = old.series_id and ts = old.ts and seq = old.seq;
    update metrics_incoming set metrics = json_remove(metrics, '$."' || old.series_id || '"')
      where agent_id = (select agent_id from series where id = old.series_id) and block = agent_id / 128 and ts = old.ts and seq = old.seq and part = old.series_id / 64;
  end`
]
