import { cameLater, connectedAfter, inTime, newest, usualInterval, wasAhead, type PresenceWords } from './presence.ts'

/** What an agent says about itself; null: it never said. */
export interface AgentDescription {
  username: string | null
  name: string | null
  hostname: string | null
  pid: number | null
}

/** An agent to be written. */
export interface AgentRow extends AgentDescription {
  uuid: string
  connected: boolean
  /** When the agent was heard first in this batch; kept only if it was not connected. UTC ms. */
  connectedAt: number
  lastSeenAt: number
  /** The process that has the agent connected, where several write to one database; `elsewhere`: none. */
  instance: string
  /** `timestamp` and `seq` of its newest `agent/connected` that has a time, and the newest timestamp of its messages. UTC ms. */
  cameAt: number | null
  cameSeq: number | null
  spokeAt: number | null
}

/** A goodbye to be written. A time that is -1 is none. */
export interface GoodbyeRow {
  uuid: string
  /** The process that the agent left. */
  instance: string
  /** When a goodbye without a time was received; UTC ms. */
  receivedAt: number
  /** When that goodbye, or the first of several, began to wait to be written; UTC ms by the clock of then. */
  queuedAt: number
  /** `timestamp` and `seq` of the newest goodbye that has a time. */
  leftAt: number
  leftSeq: number
}

/** The instance of agents that are connected to a broker elsewhere. */
export const elsewhere = ''

/**
 * What becomes of a column when its row is there already. `key`: it identifies the row. `said`: a new value replaces the old one; null keeps it. `replaced`:
 * the new value counts. `later`: the greater value counts, or the new one if the clock was ahead. `whileConnected`: the old value stays if the agent was
 * connected, or does not get so. `presence`: by the agent's own times, in presence.ts. `came` and `spoke`: the newer value counts.
 */
type Merge = 'key' | 'said' | 'replaced' | 'later' | 'whileConnected' | 'presence' | 'came' | 'spoke'

interface AgentColumn { column: string, type: 'text' | 'integer' | 'boolean', merge: Merge }

/**
 * The columns of an agent, by the fields of its row; `created_at` and `updated_at` follow them. The statements of every database, exports,
 * imports and queries are made from this list.
 */
export const agentColumns = {
  uuid: { column: 'uuid', type: 'text', merge: 'key' },
  username: { column: 'username', type: 'text', merge: 'said' },
  name: { column: 'name', type: 'text', merge: 'said' },
  hostname: { column: 'hostname', type: 'text', merge: 'said' },
  pid: { column: 'pid', type: 'integer', merge: 'said' },
  connected: { column: 'connected', type: 'boolean', merge: 'presence' },
  connectedAt: { column: 'connected_at', type: 'integer', merge: 'whileConnected' },
  lastSeenAt: { column: 'last_seen_at', type: 'integer', merge: 'later' },
  instance: { column: 'instance', type: 'text', merge: 'replaced' },
  cameSeq: { column: 'came_seq', type: 'integer', merge: 'came' },
  cameAt: { column: 'came_at', type: 'integer', merge: 'came' },
  spokeAt: { column: 'spoke_at', type: 'integer', merge: 'spoke' }
} as const satisfies Record<keyof AgentRow, AgentColumn>

const fields = Object.keys(agentColumns) as Array<keyof AgentRow>
const columns: AgentColumn[] = Object.values(agentColumns)

/** The columns' names and types, in the order of `agentTuple`. */
export const agentColumnNames = columns.map(({ column }) => column)
export const agentColumnTypes = columns.map(({ type }) => type)

/** The fields of a description, and of its columns too: they have the same names. */
export const descriptionFields = fields.filter((field): field is keyof AgentDescription => agentColumns[field].merge === 'said')

// The functions below name each field instead of looping over the list, because they run for every agent that connects, and `isDescribed` for every message.

/** A row's values in the order of its columns, and then the time of writing (UTC ms). */
export function agentTuple (row: AgentRow, now: number): Array<string | number | boolean | null> {
  const { uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance, cameSeq, cameAt, spokeAt } = row
  return [uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance, cameSeq, cameAt, spokeAt, now]
}

/** The row of an agent that was heard: what it says now and, where it says nothing, what its row said before. @param receivedAt UTC ms */
export function agentRow (agent: { uuid: string } & Partial<AgentDescription>, receivedAt: number, instance: string, before?: AgentRow): AgentRow {
  return {
    uuid: agent.uuid,
    username: agent.username ?? before?.username ?? null,
    name: agent.name ?? before?.name ?? null,
    hostname: agent.hostname ?? before?.hostname ?? null,
    pid: agent.pid ?? before?.pid ?? null,
    connected: true,
    instance,
    connectedAt: before === undefined || !before.connected ? receivedAt : before.connectedAt,
    lastSeenAt: Math.max(receivedAt, before?.lastSeenAt ?? 0),
    cameSeq: before?.cameSeq ?? null,
    cameAt: before?.cameAt ?? null,
    spokeAt: before?.spokeAt ?? null
  }
}

/** How a database writes what `changesOfAgents` needs. */
interface MergeWords extends PresenceWords {
  /** The greater of two values, of which the old one may be null. */
  later (there: string, given: string): string
}

/** The assignments that update the row of an agent that is there already. */
export function changesOfAgents (words: MergeWords): string {
  const { given, later } = words
  const timely = inTime(words)
  const { there } = timely
  // A column that depends on another one comes first: in MySQL an assignment sees the values that those before it assigned.
  const first: Merge[] = ['whileConnected', 'presence', 'spoke']
  const ordered = [...first.flatMap(merge => columns.filter(column => column.merge === merge)), ...columns.filter(({ merge }) => merge !== 'key' && !first.includes(merge))]
  const changes = ordered.map(({ column, merge }) => `${column} = ${{
    said: `coalesce(${given(column)}, ${there(column)})`,
    replaced: given(column),
    later: `case when ${wasAhead(words)} then ${given(column)} else ${later(there(column), given(column))} end`,
    // A late message that changes nothing is no arrival either.
    whileConnected: `case when ${there('connected')} or (${given('connected')} and not ${connectedAfter(timely)}) then ${there(column)} else ${given(column)} end`,
    presence: connectedAfter(timely),
    came: `case when ${cameLater(timely)} then ${given(column)} else ${there(column)} end`,
    spoke: newest(there(column), given(column))
  }[merge as Exclude<Merge, 'key'>]}`)
  return [`usual_interval = ${usualInterval(given('spoke_at'), timely)}`, ...changes, `updated_at = ${given('updated_at')}`].join(', ')
}

/** What is known about an agent: what it says now and, where it says nothing, what it said before. */
export function describeAgent (said: Partial<AgentDescription>, before?: AgentDescription): AgentDescription {
  return {
    username: said.username ?? before?.username ?? null,
    name: said.name ?? before?.name ?? null,
    hostname: said.hostname ?? before?.hostname ?? null,
    pid: said.pid ?? before?.pid ?? null
  }
}

/** Whether everything that an agent says about itself is known already. */
export function isDescribed (known: AgentDescription, { username, name, hostname, pid }: { [Field in keyof AgentDescription]?: unknown }): boolean {
  return (username === undefined || username === known.username) &&
    (name === undefined || name === known.name) &&
    (hostname === undefined || hostname === known.hostname) &&
    (pid === undefined || pid === known.pid)
}
