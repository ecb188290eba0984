import { numberText } from '../../../sqlite/number-text.ts'
import { agentColumnNames, changesOfAgents, type GoodbyeRow } from '../agent-columns.ts'
import type { LatestRow, MessageRow } from '../dialect.ts'
import { metricColumns, metricKey, negativeZero } from '../metric-columns.ts'
import { changesOfGoodbyes, connectedAfter, connectedAfterMessage, connectedSinceMessage, newest, usualInterval, type PresenceWords } from '../presence.ts'

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
  const texts = messages.map(row => {
    let text = ''
    for (let i = 2; i < row.length; i += 2) {
      text += `${i > 2 ? ',' : ''}"${row[i]}":${jsonOfValue(row[i + 1] as number | string)}`
    }
    return `"${row[0]}/${row[1]}":{${text}}`
  })
  return `{${texts.join(',')}}`
}

const ofAgents: PresenceWords = { given: column => column, there: column => column }

export const noWriter = 'the mark of the writer is missing'

/**
 * The view's trigger makes one statement, and so one trip to SQLite's thread and one commit, of everything that a steady
 * stream of metrics writes.
 */
export const additions = [
  'create temp view additions as select null as messages, null as latest, null as seen, null as dirty_hours, null as writer, null as beat',
  `create temp trigger add_all instead of insert on additions begin
    select raise(abort, '${noWriter}') where new.writer is not null and not exists (select 1 from writers where id = new.writer and beat = new.beat);
    insert into metrics (${metricColumns})
      select series_id, ts, seq, iif(kind = 'text', null, value), case kind when 'text' then value when 'false' then '${negativeZero}' end
      from (${metricsOf('new.messages')})
      -- Each page is looked for once; in the order of the messages most were read and written again and again.
      order by ${metricKey};
    update series set last_ts = newest.value->>1,
        last_seq = newest.value->>2,
        last_value = iif(typeof(newest.value->>3) = 'text', null, newest.value->>3),
        last_text = case json_type(newest.value, '$[3]') when 'text' then newest.value->>3 when 'false' then '${negativeZero}' end
      from json_each(new.latest) as newest
      where series.id = newest.value->>0
        and (last_ts is null or last_ts < newest.value->>1 or (last_ts = newest.value->>1 and coalesce(last_seq, -1) < newest.value->>2));
    update agents set last_seen_at = max(last_seen_at, seen.value->>1), instance = seen.value->>2,
        connected_at = ${connectedSinceMessage('seen.value->>3', 'seen.value->>1', ofAgents)},
        usual_interval = ${usualInterval('(seen.value->>3)', ofAgents)}, connected = ${connectedAfterMessage('seen.value->>3', ofAgents)}, spoke_at = ${newest('spoke_at', 'seen.value->>3')}
      from json_each(new.seen) as seen
      where agents.id = seen.value->>0;
    insert or ignore into dirty_hours (series_id, ts) select value->>0, value->>1 from json_each(new.dirty_hours);
  end`
]

/** The newest of each series as `[[series id, ts, seq, value], …]`. */
export function jsonOfNewest (latest: LatestRow[]): string {
  return `[${latest.map(([seriesId, ts, seq, value]) => `[${seriesId},${ts},${seq},${jsonOfValue(value)}]`).join(',')}]`
}

export const addAll = 'insert into additions (messages, latest, seen, dirty_hours, writer, beat) values (?, ?, ?, ?, ?, ?)'

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

const goodbye = ['uuid', 'instance', 'received_at', 'left_at', 'left_seq', 'updated_at']

export function tupleOfGoodbye ({ uuid, instance, receivedAt, leftAt, leftSeq }: GoodbyeRow, now: number): Array<string | number> {
  return [uuid, instance, receivedAt, leftAt, leftSeq, now]
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
  select series_id || '/' || ts || '/' || seq as key from (${metricsOf('?')}) as wanted
  join metrics using (${metricKey})`
