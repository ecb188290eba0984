import type { Knex } from 'knex'
import type { AgentRow } from '../dialects/agent-columns.ts'
import type { Dialect } from '../dialects/dialect.ts'

/** ms by which the time since when an agent is connected may be wrong. */
const precision = 1_000

/**
 * Agents that may have been away before the batch, as each of them was after its messages, one row for each second; `connectedAt`: when that second
 * began. The first one by which an agent is back tells since when it is there: those before it are late messages.
 */
export type Arrivals = Map<string, AgentRow[]>

/** Remember an agent as it is after a message. @param receivedAt of that message, UTC ms */
export function noteArrival (arrivals: Arrivals, row: AgentRow, receivedAt: number): void {
  const rows = arrivals.get(row.uuid)
  const last = rows?.at(-1)
  if (rows === undefined || last === undefined) arrivals.set(row.uuid, [{ ...row, connectedAt: receivedAt }])
  else if (Math.abs(receivedAt - last.connectedAt) < precision) rows[rows.length - 1] = { ...row, connectedAt: last.connectedAt }
  else rows.push({ ...row, connectedAt: receivedAt })
}

/** Write into the rows of agents since when they are connected; whether they are is asked only where a batch took longer than a second to come. */
export async function findArrivals (dialect: Dialect, db: Knex, arrivals: Arrivals, agents: ReadonlyMap<string, AgentRow>): Promise<void> {
  const rows = [...arrivals.values()].filter(({ length }) => length > 1).flat()
  if (rows.length === 0) return
  // Of several places of an agent the first one counts.
  for (const place of (await dialect.arrivals(db, rows)).sort((a, b) => b - a)) {
    const { uuid, connectedAt } = rows[place] as AgentRow
    const row = agents.get(uuid)
    if (row !== undefined) row.connectedAt = connectedAt
  }
}
