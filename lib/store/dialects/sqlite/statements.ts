import { numberText } from '../../../sqlite/number-text.ts'
import { agentColumnNames, changesOfAgents, type GoodbyeRow } from '../agent-columns.ts'
import type { LatestRow, MessageRow } from '../dialect.ts'
import { metricColumns, metricKey, negativeZero } from '../metric-columns.ts'
import { changesOfGoodbyes, connectedAfter, connectedAfterMessage, connectedSinceMessage, newest, usualInterval, type PresenceWords } from '../presence.ts'
import { agentsPerBlock, isVisible, seriesPerPart, valueColumns } from './blocks.ts'

/**
 * The metrics in what `jsonOf` made: three columns of their keys, and the value. Half the work for SQLite of one array
 * for each metric, whose elements it would have to look up one by one.
 */
const metricsOf = (messages: string): string => `
  select cast(metric.key as integer) as series_id, ts, seq, metric.value as value, metric.type as kind
  from (
    select cast(key as integer) as ts, cast(substr(key, instr(key, '/') + 1) as integer) as seq, value as metrics
    from json_each(${messages})
  ), json_each(metrics) as metric`

/** A value in JSON; false, which SQLite takes for 0, is the negative zero. */
function jsonOfValue (value: number | string): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return Object.is(value, -0) ? 'false' : numberText(value)
}

/** Messages as `{"ts/seq": {"series id": value, …}, …}`; a key may be there twice. */
export function jsonOf (messages: MessageRow[]): string {
  return `{${messages.map(row => `"${row[0]}/${row[1]}":{${metricsIn(row)}}`).join(',')}}`
}

/** The messages in what `jsonOfIncoming` made. */
const incomingOf = (messages: string): string => `
  select agent_id / ${agentsPerBlock} as block, ts, agent_id, cast(rest as integer) as seq, cast(substr(rest, instr(rest, '/') + 1) as integer) as part, metrics
  from (
    select ts, cast(rest as integer) as agent_id, substr(rest, instr(rest, '/') + 1) as rest, metrics
    from (select cast(key as integer) as ts, substr(key, instr(key, '/') + 1) as rest, value as metrics from json_each(${messages}))
  )`

/** Messages as `{"ts/agent id/seq/part": {"series id": value, …}, …}`. @param agents the id of each message's agent */
export function jsonOfIncoming (messages: MessageRow[], agents: number[]): string {
  const texts: string[] = []
  for (let i = 0; i < agents.length; i++) {
    const row = messages[i] as MessageRow
    for (const [part, text] of partsIn(row)) texts.push(`"${row[0]}/${agents[i] as number}/${row[1]}/${part}":{${text}}`)
  }
  return `{${texts.join(',')}}`
}

/** The metrics of a message by their parts. Most have one, which needs no map. */
export function partsIn (row: MessageRow): Iterable<[part: number, text: string]> {
  const first = Math.floor(row[2] as number / seriesPerPart)
  for (let i = 4; i < row.length; i += 2) if (Math.floor(row[i] as number / seriesPerPart) !== first) return severalParts(row)
  return [[first, metricsIn(row)]]
}

function severalParts (row: MessageRow): Map<number, string> {
  const parts = new Map<number, string>()
  for (let i = 2; i < row.length; i += 2) {
    const part = Math.floor(row[i] as number / seriesPerPart)
    const before = parts.get(part)
    parts.set(part, `${before === undefined ? '' : `${before},`}"${row[i]}":${jsonOfValue(row[i + 1] as number | string)}`)
  }
  return parts
}

function metricsIn (row: MessageRow): string {
  let text = ''
  for (let i = 2; i < row.length; i += 2) {
    text += `${i > 2 ? ',' : ''}"${row[i]}":${jsonOfValue(row[i + 1] as number | string)}`
  }
  return text
}

const ofAgents: PresenceWords = { given: column => column, there: column => column }

/** Whether a metric is newer than the newest one that is written of its series. */
export const isNewer = (ts: string, seq: string): string => `(last_ts is null or last_ts < ${ts} or (last_ts = ${ts} and coalesce(last_seq, -1) < ${seq}))`

/** Of series, by what `jsonOfNewest` made. */
export const raiseNewest = (latest: string): string => `
  update series set last_ts = newest.value->>1,
      last_seq = newest.value->>2,
      last_value = iif(typeof(newest.value->>3) = 'text', null, newest.value->>3),
      last_text = case json_type(newest.value, '$[3]') when 'text' then newest.value->>3 when 'false' then '${negativeZero}' end
    from json_each(${latest}) as newest
    where series.id = newest.value->>0 and ${isNewer('newest.value->>1', 'newest.value->>2')}`

export const noWriter = 'the mark of the writer is missing'
export const notAlone = 'another process writes too'
export const rowTaken = 'a row is not free to be used again'
export const blocksChanged = 'the blocks are not as they are remembered'

/** What arrived goes to its block, where another part of its message may be. */
const flush = `
    insert into metrics_incoming (block, ts, agent_id, seq, part, metrics)
      select arrived.block, arrived.ts, arrived.agent_id, arrived.seq, arrived.part, arrived.metrics
      from metrics_arrived as arrived join metrics_blocks as b on b.block = arrived.block
      where new.flush and ${isVisible('arrived')} order by 1, 2, 3, 4, 5
      on conflict do update set metrics = json_patch(excluded.metrics, metrics_incoming.metrics)`

/**
 * The view's trigger makes one statement, and so one trip to SQLite's thread and one commit, of everything that a steady
 * stream of metrics writes.
 */
export const additions = [
  `create temp view additions as select null as incoming, null as merged, null as settled, null as latest, null as seen, null as dirty_hours, null as writer, null as beat,
    null as version, null as pending, null as arrived, null as flush`,
  `create temp trigger add_all instead of insert on additions begin
    select raise(abort, '${noWriter}') where new.writer is not null and not exists (select 1 from writers where id = new.writer and beat = new.beat);
    select raise(abort, '${blocksChanged}') where new.version is not null and new.version <> (select cast(version as text) from metrics_state);
    select raise(abort, '${notAlone}') where coalesce(new.pending, new.arrived) is not null and exists (select 1 from writers where id <> new.writer);
    ${flush};
    delete from metrics_arrived where new.flush;
    select raise(abort, '${rowTaken}') from json_each(new.arrived) as given join metrics_arrived as arrived on arrived.id = given.value->>0
      join metrics_blocks as b on b.block = arrived.block and arrived.ts >= b.settled_to;
    select raise(abort, 'UNIQUE constraint failed: metrics_incoming') from json_each(new.arrived) as given join metrics_incoming as incoming
      on incoming.block = (given.value->>2) / ${agentsPerBlock} and incoming.ts = given.value->>1 and incoming.agent_id = given.value->>2 and incoming.seq = given.value->>3 and incoming.part = given.value->>4;
    insert or replace into metrics_arrived (id, block, ts, agent_id, seq, part, metrics)
      select value->>0, (value->>2) / ${agentsPerBlock}, value->>1, value->>2, value->>3, value->>4, value->5 from json_each(new.arrived);
    -- Each page is looked for once; in the order of the messages most were read and written again and again.
    insert into metrics_incoming (block, ts, agent_id, seq, part, metrics)
      select block, ts, agent_id, seq, part, metrics from (${incomingOf('new.incoming')}) order by block, ts, agent_id, seq, part;
    insert into metrics_incoming (block, ts, agent_id, seq, part, metrics)
      select block, ts, agent_id, seq, part, metrics from (${incomingOf('new.merged')}) where true order by block, ts, agent_id, seq, part
      on conflict do update set metrics = json_patch(excluded.metrics, metrics_incoming.metrics);
    insert into metrics_settled (${metricColumns})
      select series_id, ts, seq, ${valueColumns('value', 'kind')} from (${metricsOf('new.settled')}) order by ${metricKey};
    update metrics_blocks set direct_to = newest.ts
      from (
        select series.agent_id / ${agentsPerBlock} as block, max(ts) as ts from (${metricsOf('new.settled')}) as added join series on series.id = added.series_id group by 1
      ) as newest
      where metrics_blocks.block = newest.block and direct_to < newest.ts and settled_to <= newest.ts;
    ${raiseNewest('new.latest')};
    insert into pending_blocks (block, writer, ts) select value->>0, new.writer, value->>1 from json_each(new.pending) where true
      on conflict (block, writer) do update set ts = excluded.ts where excluded.ts < pending_blocks.ts;
    update agents set last_seen_at = max(last_seen_at, seen.value->>1), instance = seen.value->>2,
        connected_at = ${connectedSinceMessage('seen.value->>3', 'seen.value->>1', ofAgents)},
        usual_interval = ${usualInterval('(seen.value->>3)', ofAgents)}, connected = ${connectedAfterMessage('seen.value->>3', ofAgents)}, spoke_at = ${newest('spoke_at', 'seen.value->>3')}
      from json_each(new.seen) as seen
      where agents.id = seen.value->>0;
    insert or ignore into dirty_hours (series_id, ts) select value->>0, value->>1 from json_each(new.dirty_hours);
  end`,
  // Metrics of series that are gone are left out, and those that are there already stay as they are.
  `create temp view moves as select null as block, null as version, null as new_version, null as since, null as "to", null as agent, null as "end", null as next_ts, null as settled_to,
    null as new_agent, null as new_ts`,
  `create temp trigger move_some instead of insert on moves begin
    select raise(abort, '${blocksChanged}') where new.version is not (select cast(version as text) from metrics_state);
    insert into metrics_settled (${metricColumns})
      select series.id, incoming.ts, incoming.seq, ${valueColumns('metric.value', 'metric.type')}
      from metrics_unsettled as incoming cross join json_each(incoming.metrics) as metric cross join series on series.id = cast(metric.key as integer)
      where incoming.block = new.block and incoming.ts >= new.since and incoming.ts < new."to" and incoming.agent_id >= new.agent and incoming.agent_id < new."end"
        and incoming.ts >= iif(incoming.agent_id = new.agent, new.next_ts, new.settled_to)
      order by 1, 2, 3
      on conflict do nothing;
    update metrics_blocks set next_agent = new.new_agent, next_ts = new.new_ts where block = new.block;
    -- The trigger of the blocks gave it another one, which nobody knows.
    update metrics_state set version = cast(new.new_version as integer);
  end`
]

export const moveSome = `insert into moves (block, version, new_version, since, "to", agent, "end", next_ts, settled_to, new_agent, new_ts) values (${Array(11).fill('?').join(', ')})`

/** The newest of each series as `[[series id, ts, seq, value], …]`. */
export function jsonOfNewest (latest: LatestRow[]): string {
  return `[${latest.map(([seriesId, ts, seq, value]) => `[${seriesId},${ts},${seq},${jsonOfValue(value)}]`).join(',')}]`
}

export const addAll = 'insert into additions (incoming, merged, settled, latest, seen, dirty_hours, writer, beat, version, pending, arrived, flush) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'

/** The place of the moment of writing in an agent's tuple. */
const now = agentColumnNames.length

export const upsertAgents = `
  insert into agents (${agentColumnNames.join(', ')}, created_at, updated_at)
  select ${[...agentColumnNames.keys(), now, now].map(i => `value->>${i}`).join(', ')} from json_each(?) where true
  on conflict (uuid) do update set ${changesOfAgents({
    given: column => `excluded.${column}`,
    there: column => column,
    later: (there, given) => `max(coalesce(${there}, 0), ${given})`
  })}
  returning id, uuid, connected`

export const arrivals = `
  select min(given.key) as place from json_each(?) as given join agents on agents.uuid = given.value->>0
  where not agents.connected and ${connectedAfter({ given: column => `given.value->>${agentColumnNames.indexOf(column)}`, there: column => `agents.${column}` })}
  group by agents.id`

const goodbye = ['uuid', 'instance', 'received_at', 'queued_at', 'left_at', 'left_seq', 'updated_at']

export function tupleOfGoodbye ({ uuid, instance, receivedAt, queuedAt, leftAt, leftSeq }: GoodbyeRow, now: number): Array<string | number> {
  return [uuid, instance, receivedAt, queuedAt, leftAt, leftSeq, now]
}

export const disconnectAgents = `
  update agents set ${changesOfGoodbyes({ given: column => `goodbye.value->>${goodbye.indexOf(column)}`, there: column => column })}
  from json_each(?) as goodbye
  where uuid = goodbye.value->>0 returning agents.id, uuid, connected`

export const upsertSeries = `
  insert into series (agent_id, type) select value->>0, value->>1 from json_each(?) where true
  on conflict (agent_id, type) do update set type = excluded.type
  returning id, agent_id as agentId, type`

export const existingMetrics = `
  with wanted as materialized (select series_id, ts, seq from (${metricsOf('?')}))
  select series_id || '/' || ts || '/' || seq as key from wanted join metrics_settled using (${metricKey})
  union
  select wanted.series_id || '/' || wanted.ts || '/' || wanted.seq from wanted
  join series on series.id = wanted.series_id
  join metrics_blocks as b on b.block = series.agent_id / ${agentsPerBlock}
  join metrics_unsettled as unsettled on unsettled.block = b.block and unsettled.ts = wanted.ts and unsettled.agent_id = series.agent_id and unsettled.seq = wanted.seq and unsettled.part = wanted.series_id / ${seriesPerPart} and ${isVisible('unsettled')}
  where json_type(unsettled.metrics, '$."' || wanted.series_id || '"') is not null`
