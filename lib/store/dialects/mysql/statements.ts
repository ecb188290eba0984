import { agentColumnNames, agentTuple, changesOfAgents, type AgentRow, type GoodbyeRow } from '../agent-columns.ts'
import type { MessageRow } from '../dialect.ts'
import { metricColumns, valueAndText } from '../metric-columns.ts'
import { changesOfGoodbyes, connectedAfter, connectedAfterMessage, connectedSinceMessage, newest, usualInterval, type PresenceWords } from '../presence.ts'
import { collation } from './collation.ts'

/**
 * The rows of a bind, an array of arrays as JSON; what a row lacks at its end is null. A text is in it as `hex`, and read by
 * `textOf`: MariaDB 10.6.7 leaves the escapes of JSON as they are.
 */
const rowsOf = (columns: string): string => {
  const paths = columns.split(', ').map((column, i) => `${column} path '$[${i}]'`)
  return `json_table(?, '$[*]' columns (${paths.join(', ')})) as given`
}

export const hex = (text: string): string => Buffer.from(text).toString('hex')
const textOf = (column: string): string => `convert(unhex(${column}) using utf8mb4) collate ${collation}`

// Joined in the order of the given rows, so that two processes lock rows in the same order and do not deadlock.
export const rememberLatest = `
  update ${rowsOf(`id int unsigned, ts bigint, seq bigint, value varchar(32), text text`)} straight_join series on series.id = given.id
  set series.last_ts = given.ts, series.last_seq = given.seq, series.last_value = nullif(given.value, ''), series.last_text = ${textOf('given.text')}
  where series.last_ts is null or series.last_ts < given.ts or (series.last_ts = given.ts and coalesce(series.last_seq, -1) < given.seq)`

const presence: PresenceWords = { given: column => `given.${column}`, there: column => `agents.${column}` }

export const markSeen = `
  update ${rowsOf(`id int unsigned, last_seen_at bigint, instance text, spoke_at bigint`)} straight_join agents on agents.id = given.id
  set agents.last_seen_at = greatest(agents.last_seen_at, given.last_seen_at), agents.usual_interval = ${usualInterval('given.spoke_at', presence)},
    agents.connected_at = ${connectedSinceMessage('given.spoke_at', 'given.last_seen_at', presence)}, agents.connected = ${connectedAfterMessage('given.spoke_at', presence)},
    agents.spoke_at = ${newest('agents.spoke_at', 'given.spoke_at')}, agents.instance = ${textOf('given.instance')}`

/** `insert ignore` would also hide errors other than a duplicate key. */
export const addDirtyHours = `
  insert into dirty_hours (series_id, ts)
  select * from ${rowsOf('series_id int unsigned, ts bigint')}
  on duplicate key update ts = given.ts`

export const writeAgents = `
  insert into agents (id, ${agentColumnNames.join(', ')}, created_at, updated_at)
  values ?
  on duplicate key update ${changesOfAgents({
    given: column => `values(${column})`,
    there: column => column,
    later: (there, given) => `greatest(coalesce(${there}, 0), ${given})`
  })}`

/** The values of `writeAgents`. @param id null where it is new */
export function valuesOfAgent (id: number | null, agent: AgentRow, now: number): Array<string | number | boolean | null> {
  return [id, ...agentTuple(agent, now), now]
}

export const findAgents = 'select id, uuid, connected from agents where uuid in (?)'

/** A time that is -1 is none. */
export const arrivals = `
  select min(given.place) as place
  from ${rowsOf('place int, uuid text, connected tinyint, came_at bigint, came_seq bigint, spoke_at bigint')} straight_join agents on agents.uuid = ${textOf('given.uuid')}
  where not agents.connected and ${connectedAfter({ ...presence, given: column => column === 'connected' ? 'given.connected' : `nullif(given.${column}, -1)` })}
  group by agents.id`

export function tupleOfArrival ({ uuid, connected, cameAt, cameSeq, spokeAt }: AgentRow, place: number): Array<string | number> {
  return [place, hex(uuid), Number(connected), cameAt ?? -1, cameSeq ?? -1, spokeAt ?? -1]
}

const goodbyes = 'uuid text, instance text, received_at bigint, queued_at bigint, left_at bigint, left_seq bigint, updated_at bigint'

export const disconnectAgents = `
  update ${rowsOf(goodbyes)} straight_join agents on agents.uuid = ${textOf('given.uuid')}
  set ${changesOfGoodbyes({ ...presence, given: column => column === 'instance' ? textOf('given.instance') : `given.${column}` }, column => `agents.${column}`)}`

export function tupleOfGoodbye ({ uuid, instance, receivedAt, queuedAt, leftAt, leftSeq }: GoodbyeRow, now: number): Array<string | number> {
  return [hex(uuid), hex(instance), receivedAt, queuedAt, leftAt, leftSeq, now]
}

export const addSeries = 'insert into series (agent_id, type) values ? on duplicate key update type = values(type)'

export const findSeries = `
  select series.id, series.agent_id as agentId, series.type
  from ${rowsOf('agent_id int unsigned, type text')}
  straight_join series on series.agent_id = given.agent_id and series.type = ${textOf('given.type')}`

export const existingMetrics = `
  select metrics.series_id, metrics.ts, metrics.seq
  from ${rowsOf('series_id int unsigned, ts bigint, seq bigint')}
  straight_join metrics on metrics.series_id = given.series_id and metrics.ts = given.ts and metrics.seq = given.seq`

/** The beginning of a statement that `valuesOf` ends. */
export const addMetrics = `insert into metrics (${metricColumns}) values `

/** The rows of a message's metrics. Texts are in hexadecimal digits: nothing in them can become SQL. */
export function valuesOf (message: MessageRow): string {
  const [ts, seq] = message
  let rows = ''
  for (let i = 2; i < message.length; i += 2) {
    const [value, text] = valueAndText(message[i + 1] as number | string)
    rows += `${i > 2 ? ',' : ''}(${message[i]},${ts},${seq},${value ?? 'null'},${text === null ? 'null' : `_utf8mb4 x'${hex(text)}'`})`
  }
  return rows
}

/**
 * A number as text: MySQL 8 reads one in four numbers of 17 digits from JSON with another last digit. No number is '', because
 * MySQL 8.0.19 takes JSON's null for a text.
 */
export function textsOf (given: number | string): [string] | [string, string] {
  const [value, text] = valueAndText(given)
  const number = value === null ? '' : String(value)
  return text === null ? [number] : [number, hex(text)]
}
