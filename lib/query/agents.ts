import type { Knex } from 'knex'
import { agentColumns, type AgentDescription } from '../store/dialects/agent-columns.ts'
import { unknownAgent } from './series/find-series.ts'
import type { Reading } from './series/reading.ts'

/** An agent as the database has it; times are UTC ms. */
export interface StoredAgent extends AgentDescription {
  uuid: string
  connected: boolean
  connectedAt: number | null
  lastSeenAt: number | null
}

type Row = Record<string, unknown> & { id: number }

const { instance: _, ...shownColumns } = agentColumns
const shown = Object.entries(shownColumns)
export const storedAgentColumns = ['id', ...shown.map(([, { column }]) => column)]
/** Some databases have no booleans, and some give numbers as text. */
const readers = { text: (value: unknown) => value, integer: (value: unknown) => value === null ? null : Number(value), boolean: Boolean }

/** Every agent, in the order of their first reports. */
export function agents (db: Knex): Reading<StoredAgent> {
  return listOf(db)
}

/** The agents that are connected. */
export function connectedAgents (db: Knex): Reading<StoredAgent> {
  return listOf(db, { connected: true })
}

/** The agents with a username. */
export function agentsOf (db: Knex, username: string): Reading<StoredAgent> {
  return listOf(db, { username })
}

/** @throws PlatziverseError QUERY_AGENT_UNKNOWN */
export async function agent (db: Knex, uuid: string): Promise<StoredAgent> {
  return storedAgentOf(await agentRow(db, uuid))
}

async function agentRow (db: Knex, uuid: string): Promise<Row> {
  const row = await db('agents').where({ uuid }).first<Row | undefined>(...storedAgentColumns)
  if (row === undefined) throw unknownAgent(uuid)
  return row
}

function listOf (db: Knex, where: Record<string, string | boolean> = {}): Reading<StoredAgent> {
  return {
    about: {},
    async * pages (size) {
      for (let after = 0; ;) {
        const rows = await db('agents').where(where).where('id', '>', after).orderBy('id').limit(size).select<Row[]>(...storedAgentColumns)
        if (rows.length > 0) yield rows.map(storedAgentOf)
        if (rows.length < size) return
        after = rows.at(-1)?.id as number
      }
    }
  }
}

/** The agent in a row of `storedAgentColumns`. */
export function storedAgentOf (row: Record<string, unknown>): StoredAgent {
  return Object.fromEntries(shown.map(([field, { column, type }]) => [field, readers[type](row[column])])) as unknown as StoredAgent
}
