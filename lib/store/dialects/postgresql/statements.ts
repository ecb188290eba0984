import { agentColumnNames, agentColumnTypes, agentTuple, changesOfAgents, type AgentRow, type GoodbyeRow } from '../agent-columns.ts'
import type { LatestRow, MessageRow, SeriesRow } from '../dialect.ts'
import { metricColumns, metricKey, newestColumns, valueAndText } from '../metric-columns.ts'
import { changesOfGoodbyes, connectedAfter, connectedAfterMessage, connectedSinceMessage, newest, usualInterval, type PresenceWords } from '../presence.ts'

/** The new values are those of the table `given`. */
const presence = (given: string): PresenceWords => ({ given: column => `${given}.${column}`, there: column => `agents.${column}` })

const newestChanges = Object.entries(newestColumns).map(([of, column]) => `${column} = newest.${of}`).join(', ')

/** Write newest values where no newer ones are; binds as of `newestOf`. */
export const raiseNewest = `
  update series set ${newestChanges}
  from (
    select series.id, ts, seq, value, text
    from unnest(?::int[], ?::bigint[], ?::bigint[], ?::float8[], ?::text[]) as latest (id, ts, seq, value, text) join series using (id)
    where last_ts is null or (last_ts, coalesce(last_seq, -1)) < (ts, seq)
    order by id for no key update of series
  ) as newest
  where series.id = newest.id`

/**
 * One statement, and so one trip and one commit, for everything that a steady stream of metrics writes. It locks agents,
 * then series, then metrics, which is also how a batch of new agents goes, and each table's rows in the order of their
 * ids: two processes that write the same ones wait for each other and do not deadlock. (The server runs the statement
 * at the end first, then those before it from the last to the first.)
 */
export const additions = (writer: string): string => `
  with writer as materialized (${writer}), dirty as (
    insert into dirty_hours (series_id, ts)
    select * from unnest(?::int[], ?::bigint[]) as dirty (series_id, ts) order by series_id, ts
    on conflict (series_id, ts) do update set ts = excluded.ts where false
  ), added as (
    insert into metrics (${metricColumns})
    select * from unnest(?::int[], ?::bigint[], ?::bigint[], ?::float8[], ?::text[]) as metric (${metricColumns})
    where (select here from writer) = 1
    order by ${metricKey}
  ), newest as (${raiseNewest})
  update agents set last_seen_at = greatest(agents.last_seen_at, seen.last_seen_at), instance = seen.instance,
    connected_at = ${connectedSinceMessage('seen.spoke_at', 'seen.last_seen_at', presence('seen'))},
    usual_interval = ${usualInterval('seen.spoke_at', presence('seen'))},
    connected = ${connectedAfterMessage('seen.spoke_at', presence('seen'))}, spoke_at = ${newest('agents.spoke_at', 'seen.spoke_at')}
  from (
    select agents.id, seen.last_seen_at, seen.instance, seen.spoke_at
    from unnest(?::int[], ?::bigint[], ?::text[], ?::bigint[]) as seen (id, last_seen_at, instance, spoke_at) join agents using (id)
    where (select here from writer) = 1
    order by id for no key update of agents
  ) as seen
  where agents.id = seen.id`

/** Divides by zero where the row is not there: the one way for a statement to fail on purpose. */
export const ofWriter = 'select 1 / count(*) as here from writers where id = ? and beat = ?'
/** The same where another row is there. The lock is one that `waitForOthers` waits for, and a reader of the table, such as a backup, does not. */
export const ofLoneWriter = `select 1 / (case when count(*) = 1 and bool_and(id = ? and beat = ?) then 1 else 0 end) as here
  from (select id, beat from writers for key share) as writers`
export const waitForOthers = 'lock table writers in exclusive mode'
export const ofNobody = 'select 1 as here'

const agentTypes = { text: 'text', integer: 'bigint', boolean: 'boolean' } as const
const agentNames = [...agentColumnNames, 'created_at'].join(', ')
const agentArrays = [...agentColumnTypes.map(type => agentTypes[type]), 'bigint'].map(type => `?::${type}[]`).join(', ')

/** What an agent's row becomes, given the new one under the name `given`. */
const agentChanges = (given: string): string => changesOfAgents({
  ...presence(given),
  later: (there, given) => `greatest(${there}, ${given})`
})

/**
 * Updates first and inserts only what is missing: `insert … on conflict` uses up a number of the id's sequence for every row, even
 * for those that are there, and so all of them in a few years of reconnecting agents.
 */
export const upsertAgents = `
  with given as (
    select *, created_at as updated_at
    from unnest(${agentArrays})
      as given (${agentNames})
  ), there as (
    select agents.id, agents.uuid from agents join given using (uuid) order by id for no key update of agents
  ), updated as (
    update agents set ${agentChanges('given')}
    from there join given using (uuid)
    where agents.id = there.id
    returning agents.id, agents.uuid, agents.connected
  ), inserted as (
    insert into agents (${agentNames}, updated_at)
    select ${agentNames}, updated_at
    from given where not exists (select from there where there.uuid = given.uuid) order by uuid
    on conflict (uuid) do update set ${agentChanges('excluded')}
    returning id, uuid, connected
  )
  select * from updated union all select * from inserted`

export function bindsOfAgents (agents: AgentRow[], now: number): string[] {
  return columns(agents.map(agent => agentTuple(agent, now)), agentColumnNames.length + 1)
}

export const arrivals = `
  select min(place)::int - 1 as place
  from unnest(${agentArrays}) with ordinality as given (${agentNames}, place) join agents using (uuid)
  where not agents.connected and ${connectedAfter(presence('given'))}
  group by agents.id`

export const disconnectAgents = `
  update agents set ${changesOfGoodbyes(presence('given'))}
  from (
    select agents.id, given.*
    from unnest(?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[]) as given (uuid, instance, received_at, queued_at, left_at, left_seq, updated_at)
    join agents using (uuid)
    order by id for no key update of agents
  ) as given
  where agents.id = given.id
  returning agents.id, agents.uuid, agents.connected`

export function bindsOfGoodbyes (goodbyes: GoodbyeRow[], now: number): string[] {
  return columns(goodbyes.map(({ uuid, instance, receivedAt, queuedAt, leftAt, leftSeq }) => [uuid, instance, receivedAt, queuedAt, leftAt, leftSeq, now]), 7)
}

export const upsertSeries = `
  with given as (
    select * from unnest(?::int[], ?::text[]) as given (agent_id, type)
  ), there as (
    select series.id, series.agent_id, series.type from series join given using (agent_id, type)
  ), inserted as (
    insert into series (agent_id, type)
    select agent_id, type from given
    where not exists (select from there where there.agent_id = given.agent_id and there.type = given.type)
    order by agent_id, type
    on conflict (agent_id, type) do update set type = excluded.type
    returning id, agent_id, type
  )
  select id, agent_id as "agentId", type from there union all select id, agent_id, type from inserted`

export function bindsOfSeries (series: SeriesRow[]): string[] {
  return columns(series.map(({ agentId, type }) => [agentId, type]), 2)
}

/** Between the oldest and the newest: TimescaleDB would look into every chunk. */
export const existingMetrics = `
  select series_id || '/' || ts || '/' || seq as key
  from unnest(?::int[], ?::bigint[], ?::bigint[]) as wanted (${metricKey}) join metrics using (${metricKey})
  where metrics.ts between ?::bigint and ?::bigint`

type Value = string | number | boolean | null

/** An array as PostgreSQL reads it: the driver's own way takes twice as long. */
function arrayOf (values: Value[]): string {
  return `{${values.map(value => typeof value === 'string' ? `"${value.replace(/["\\]/g, '\\$&')}"` : value ?? 'NULL').join(',')}}`
}

/** The arrays of rows' first `count` columns. */
export function columns (rows: Value[][], count: number): string[] {
  return Array.from({ length: count }, (_, column) => arrayOf(rows.map(row => row[column] ?? null)))
}

/** The arrays of the columns of metrics. */
export function columnsOf (messages: MessageRow[]): string[] {
  // Column by column: this runs on the main thread, thousands of times a second.
  const [ids, times, seqs, values, texts]: [Value[], Value[], Value[], Value[], Value[]] = [[], [], [], [], []]
  for (const message of messages) {
    for (let i = 2; i < message.length; i += 2) {
      const [value, text] = valueAndText(message[i + 1] as number | string)
      ids.push(message[i] as number)
      times.push(message[0])
      seqs.push(message[1])
      values.push(value)
      texts.push(text)
    }
  }
  return [ids, times, seqs, values, texts].map(arrayOf)
}

/** The arrays of the newest metrics. */
export function newestOf (latest: LatestRow[]): string[] {
  return columns(latest.map(([seriesId, ts, seq, value]) => [seriesId, ts, seq, ...valueAndText(value)]), 5)
}
