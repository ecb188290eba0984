import type { Knex } from 'knex'
import { literally } from '../store/dialects/literally.ts'
import { newestColumns, newestIn, valueOf, type NewestRow } from '../store/dialects/metric-columns.ts'

/** Most rows in a page: reading one must not take long. */
const pageSize = 2_000
/** Most metrics of a series that are looked at. */
const mostOfSeries = 1_000
/** Series in one question: SQLite keeps each of these statements compiled, and a part of it for each series takes some 50 kB. */
const seriesAtOnce = [25, 5, 1]

/** An agent as the database has it; times are UTC ms. */
export interface StoredAgent {
  id: number
  uuid: string
  name: string | null
  connected: boolean
  /** When it was heard last, by our clock, and the newest timestamp of its messages, by its own. */
  lastSeenAt: number | null
  spokeAt: number | null
}

/** A metric, by its time (UTC ms) and its number. */
export interface StoredValue { ts: number, seq: number, value: number | string }

/** The newest metric of a series. */
export interface NewestOfSeries extends StoredValue { seriesId: number, agentId: number, type: string }

type AgentRow = { id: number | string, uuid: string, name: string | null, connected: unknown } & Record<'last_seen_at' | 'spoke_at', number | string | null>

type MetricRow = Record<'series_id' | 'ts' | 'seq' | 'value' | 'text', unknown>

const agentColumns = ['id', 'uuid', 'name', 'connected', 'last_seen_at', 'spoke_at']

/** All agents, page by page. */
export async function * allAgents (db: Knex): AsyncGenerator<StoredAgent[]> {
  for (let after = 0; ;) {
    const rows = await db('agents').where('id', '>', after).orderBy('id').limit(pageSize).select<AgentRow[]>(agentColumns)
    if (rows.length > 0) yield rows.map(agentIn)
    if (rows.length < pageSize) return
    after = Number(rows.at(-1)?.id)
  }
}

/** Those of some agents that are there. */
export async function someAgents (db: Knex, uuids: readonly string[]): Promise<StoredAgent[]> {
  return (await db('agents').whereIn('uuid', uuids).select<AgentRow[]>(agentColumns)).map(agentIn)
}

/** The newest metrics of all series that have one, page by page. */
export async function * allNewest (db: Knex): AsyncGenerator<NewestOfSeries[]> {
  for (let after = 0; ;) {
    const rows = await db('series').where('id', '>', after).orderBy('id').limit(pageSize)
      .select<Array<NewestRow & { id: number | string, agent_id: number | string, type: string }>>('id', 'agent_id', 'type', ...Object.values(newestColumns))
    const found = rows.flatMap(row => {
      const newest = newestIn(row)
      if (newest === undefined || newest.value === null) return []
      return [{ seriesId: Number(row.id), agentId: Number(row.agent_id), type: row.type, ts: newest.ts, seq: Number(row.last_seq ?? -1), value: newest.value }]
    })
    if (found.length > 0) yield found
    if (rows.length < pageSize) return
    after = Number(rows.at(-1)?.id)
  }
}

/**
 * The newest metrics of some series, of each from a time on (UTC ms), in their order.
 * @returns by the id of the series
 */
export async function metricsFrom (db: Knex, wanted: ReadonlyArray<{ seriesId: number, from: number }>): Promise<Map<number, StoredValue[]>> {
  const found = new Map<number, StoredValue[]>()
  for (let i = 0, size = 1; i < wanted.length; i += size) {
    size = seriesAtOnce.find(size => size <= wanted.length - i) ?? 1
    const [first, ...others] = wanted.slice(i, i + size).map(({ seriesId, from }) => {
      const newest = db('metrics').where('series_id', seriesId).where('ts', '>=', from).orderBy([{ column: 'ts', order: 'desc' }, { column: 'seq', order: 'desc' }]).limit(mostOfSeries, literally)
      return db.from(newest.select('series_id', 'ts', 'seq', 'value', 'text').as('newest')).select<MetricRow[]>()
    })
    for (const row of await (first as Knex.QueryBuilder<object, MetricRow[]>).unionAll(others) as MetricRow[]) {
      const value = valueOf(row.value, row.text)
      const id = Number(row.series_id)
      if (value === null) continue
      const values = found.get(id) ?? []
      values.push({ ts: Number(row.ts), seq: Number(row.seq), value })
      found.set(id, values)
    }
  }
  for (const values of found.values()) values.sort((a, b) => a.ts - b.ts || a.seq - b.seq)
  return found
}

/** Whether other processes write to the database: what they store nobody tells. */
export async function hasOtherWriters (db: Knex): Promise<boolean> {
  return (await db('writers').limit(2).select('id')).length > 1
}

function agentIn ({ id, uuid, name, connected, last_seen_at: lastSeenAt, spoke_at: spokeAt }: AgentRow): StoredAgent {
  return { id: Number(id), uuid, name, connected: Boolean(connected), lastSeenAt: numberIn(lastSeenAt), spokeAt: numberIn(spokeAt) }
}

function numberIn (value: number | string | null): number | null {
  return value === null ? null : Number(value)
}
