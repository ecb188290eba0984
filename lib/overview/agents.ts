import type { Knex } from 'knex'
import { storedAgentColumns, storedAgentOf } from '../query/agents.ts'
import { newestColumns, newestIn, type NewestMetric, type NewestRow } from '../store/dialects/metric-columns.ts'
import type { AgentOverview, AgentsInDatabase } from './shown.ts'

/** Most metrics of an agent: as the first of them, and once it is opened. */
const mostGlimpsed = 3
const mostValues = 100

type Row = Record<string, unknown> & { id: number | string }
type SeriesRow = NewestRow & { agent_id: number | string, type: string }

/**
 * The agents that a search finds, the connected ones first, with their newest metrics: three questions, however many agents there are.
 * @param search as `Asked`
 * @param most rows
 * @param open uuids of the agents of which up to 100 metrics are read, and not only the first three
 */
export async function agentsIn (db: Knex, { search, most, open }: { search: string, most: number, open: string[] }): Promise<NonNullable<AgentsInDatabase['list']>> {
  const [condition, binds] = matching(search)
  const counted = await db('agents').first<Record<'total' | 'connected' | 'found', number | string | null>>(
    db.raw('count(*) as total'), db.raw('sum(case when connected then 1 else 0 end) as connected'), db.raw(`sum(case when ${condition} then 1 else 0 end) as found`, binds)
  )
  const rows = await db('agents').whereRaw(condition, binds).orderBy('connected', 'desc').orderByRaw('coalesce(name, uuid), id').limit(most).select<Row[]>(...storedAgentColumns)
  const agents = rows.map(row => ({ ...storedAgentOf(row), id: Number(row.id) }))
  const values = await valuesOf(db, agents.map(({ id, uuid }) => ({ id, most: open.includes(uuid) ? mostValues : mostGlimpsed })))
  return {
    total: Number(counted.total),
    connected: Number(counted.connected),
    found: Number(counted.found),
    rows: agents.map(({ id, ...agent }) => ({ ...agent, ...values.get(id) as ValuesOfAgent }))
  }
}

type ValuesOfAgent = Pick<AgentOverview, 'values' | 'more'>

/** One question for all of them: each agent's first types are side by side in an index. */
async function valuesOf (db: Knex, agents: Array<{ id: number, most: number }>): Promise<Map<number, ValuesOfAgent>> {
  const values = new Map(agents.map(({ id }): [number, ValuesOfAgent] => [id, { values: [], more: false }]))
  // SQLite takes 500 selects in one.
  for (let start = 0; start < agents.length; start += 250) {
    const selects = agents.slice(start, start + 250).map(({ id, most }, i) => db.select('*').from(
      db('series').where('agent_id', id).whereNotNull('last_ts').orderBy('type').limit(most + 1).select('agent_id', 'type', ...Object.values(newestColumns)).as(`s${i}`)
    ))
    const [first, ...others] = selects
    if (first === undefined) break
    const rows = await first.unionAll(others) as SeriesRow[]
    for (const row of rows) {
      const id = Number(row.agent_id)
      const { type } = row
      values.get(id)?.values.push({ type, ...newestIn(row) as NewestMetric })
    }
  }
  for (const { id, most } of agents) {
    const its = values.get(id) as ValuesOfAgent
    // A union promises no order.
    its.values.sort((a, b) => a.type < b.type ? -1 : 1)
    its.more = its.values.length > most
    its.values = its.values.slice(0, most)
  }
  return values
}

/** SQL that an agent's row matches, and what it binds. */
function matching (search: string): [string, Knex.RawBinding[]] {
  if (search === '') return ['1 = 1', []]
  const pattern = `%${search.replace(/[!%_]/g, '!$&')}%`
  const columns = ['uuid', 'name', 'hostname', 'username']
  // Both sides by the database: each knows another alphabet.
  return [`(${columns.map(column => `lower(${column}) like lower(?) escape '!'`).join(' or ')})`, columns.map(() => pattern)]
}
