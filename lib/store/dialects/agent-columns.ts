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
  /** The process that has the agent connected, where several write to one database. */
  instance: string
}

/**
 * What becomes of a column when its row is there already. `key`: it identifies the row. `said`: a new value replaces the old one; null keeps
 * it. `replaced`: the new value counts. `later`: the greater value counts. `whileConnected`: the old value stays if the agent was connected.
 */
type Merge = 'key' | 'said' | 'replaced' | 'later' | 'whileConnected'

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
  connected: { column: 'connected', type: 'boolean', merge: 'replaced' },
  connectedAt: { column: 'connected_at', type: 'integer', merge: 'whileConnected' },
  lastSeenAt: { column: 'last_seen_at', type: 'integer', merge: 'later' },
  instance: { column: 'instance', type: 'text', merge: 'replaced' }
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
export function agentTuple ({ uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance }: AgentRow, now: number): Array<string | number | boolean | null> {
  return [uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance, now]
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
    lastSeenAt: Math.max(receivedAt, before?.lastSeenAt ?? 0)
  }
}

/** How a database writes what `changesOfAgents` needs. */
interface MergeWords {
  /** The new and the old value of a column. */
  given (column: string): string
  there (column: string): string
  /** The greater of two values, of which the old one may be null. */
  later (there: string, given: string): string
}

/** The assignments that update the row of an agent that is there already. */
export function changesOfAgents ({ given, there, later }: MergeWords): string {
  // A column that depends on another one comes first: in MySQL an assignment sees the values that those before it assigned.
  const ordered = [...columns.filter(({ merge }) => merge === 'whileConnected'), ...columns.filter(({ merge }) => merge !== 'key' && merge !== 'whileConnected')]
  const changes = ordered.map(({ column, merge }) => `${column} = ${{
    said: `coalesce(${given(column)}, ${there(column)})`,
    replaced: given(column),
    later: later(there(column), given(column)),
    whileConnected: `case when ${there('connected')} then ${there(column)} else ${given(column)} end`
  }[merge as Exclude<Merge, 'key'>]}`)
  return [...changes, `updated_at = ${given('updated_at')}`].join(', ')
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
