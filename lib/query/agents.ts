import type { Knex } from 'knex'
import { agentColumns, type AgentDescription } from '../store/dialects/agent-columns.ts'
import { unknownAgent } from './series/find-series.ts'
import type { About, Reading } from './series/reading.ts'

/** An agent as the database has it; times are UTC ms. */
export interface StoredAgent extends AgentDescription {
  uuid: string
  connected: boolean
  connectedAt: number | null
  lastSeenAt: number | null
}

/** Which agents. */
export interface AgentChoice { username?: string, connected?: true }

type Row = Record<string, unknown> & { id: number }

const { instance: _instance, cameAt: _cameAt, cameSeq: _cameSeq, spokeAt: _spokeAt, ...shownColumns } = agentColumns
const shown = Object.entries(shownColumns)
export const storedAgentColumns = ['id', ...shown.map(([, { column }]) => column)]
/** Some databases have no booleans, and some give numbers as text. */
const readers = { text: (value: unknown) => value, integer: (value: unknown) => value === null ? null : Number(value), boolean: Boolean }

/**
 * Agents: of all, those that are connected, or those with a username. With a limit the connected ones come first, of these those that came first;
 * then the others, those that left last first. Without one it is all of them, in the order of their first reports.
 */
export function agents (db: Knex, where: AgentChoice, limit: number | undefined): Reading<StoredAgent> {
  return limit === undefined ? allOf(db, where) : firstOf(db, where, limit)
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

function allOf (db: Knex, where: AgentChoice): Reading<StoredAgent> {
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

function firstOf (db: Knex, where: AgentChoice, limit: number): Reading<StoredAgent> {
  const about: About = {}
  return {
    about,
    async * pages (size) {
      const read = { total: 0, connected: 0 }
      for (let last: Row | undefined; read.total < limit;) {
        const most = Math.min(size, limit - read.total)
        const rows = await rowsAfter(db, where, last, most)
        read.total += rows.length
        read.connected += rows.filter(({ connected }) => connected).length
        if (rows.length > 0) yield rows.map(storedAgentOf)
        if (rows.length < most) return void Object.assign(about, read)
        last = rows.at(-1)
      }
      Object.assign(about, await countOf(db, where))
    }
  }
}

/**
 * A page of agents. In one statement, which sees one moment: of an agent that comes or goes meanwhile there is one row. Both its parts follow the index of
 * presence, and end where the page does.
 */
async function rowsAfter (db: Knex, where: AgentChoice, last: Row | undefined, most: number): Promise<Row[]> {
  const part = (connected: boolean, after: Row | undefined): Knex.QueryBuilder => {
    const [order, beyond] = connected ? ['asc', '>'] : ['desc', '<']
    const part = db('agents').where({ ...where, connected }).orderBy([{ column: 'updated_at', order }, { column: 'id', order }]).limit(most)
    if (after !== undefined) part.where('updated_at', `${beyond}=`, Number(after.updated_at)).where(same => same.where('updated_at', beyond, Number(after.updated_at)).orWhere('id', beyond, after.id))
    return part.select(...storedAgentColumns, 'updated_at')
  }
  const away = db.select('*').from(part(false, last !== undefined && !last.connected ? last : undefined).as('away'))
  if (where.connected === true) return await part(true, last) as Row[]
  if (last !== undefined && !last.connected) return await away as Row[]
  const rows = await db.select('*').from(part(true, last).as('here')).unionAll([away]) as Row[]
  // A union promises no order.
  const here = rows.filter(({ connected }) => connected).sort(byChange)
  return [...here, ...rows.filter(({ connected }) => !connected).sort((a, b) => byChange(b, a))].slice(0, most)
}

function byChange (a: Row, b: Row): number {
  return Number(a.updated_at) - Number(b.updated_at) || a.id - b.id
}

async function countOf (db: Knex, where: AgentChoice): Promise<{ total: number, connected: number }> {
  const rows = await db('agents').where(where).groupBy('connected').select<Array<{ connected: unknown, n: unknown }>>('connected', db.raw('count(*) as n'))
  const count = (rows: Array<{ n: unknown }>): number => rows.reduce((sum, { n }) => sum + Number(n), 0)
  return { total: count(rows), connected: count(rows.filter(({ connected }) => connected)) }
}

/** The agent in a row of `storedAgentColumns`. */
export function storedAgentOf (row: Record<string, unknown>): StoredAgent {
  return Object.fromEntries(shown.map(([field, { column, type }]) => [field, readers[type](row[column])])) as unknown as StoredAgent
}
