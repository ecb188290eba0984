import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { valueOf } from '../store/dialects/metric-columns.ts'
import { unknownAgent } from './agents.ts'
import { dataDeleted, type Reading } from './reading.ts'

export interface SeriesQuery {
  uuid: string
  type: string
  /** UTC ms, included. Absent: from the first metric on. */
  from?: number | undefined
  /** UTC ms, not included. Absent: to the last metric. */
  to?: number | undefined
  /** Most metrics, counted in `order`. Absent: all. */
  limit?: number | undefined
  /** `desc`: the newest first. */
  order: 'asc' | 'desc'
}

/** A metric of a series: a boolean is 1 or 0. */
export interface StoredMetric {
  /** UTC ms. */
  ts: number
  value: number | string | null
}

export interface FoundSeries {
  id: number
  uuid: string
  name: string | null
  /** UTC ms; retention deleted the metrics, or the hours, before it. */
  rawFrom: number
  hoursFrom: number
}

type Row = Record<'ts' | 'seq' | 'value' | 'text' | 'rawFrom', unknown>

/**
 * The metrics of a series. Pages are read one after the other: what is stored meanwhile may be in the later ones. Without metrics
 * reading throws PlatziverseError QUERY_AGENT_UNKNOWN or QUERY_SERIES_UNKNOWN where the agent or the type is unknown; QUERY_DATA_DELETED
 * where retention has deleted metrics of later pages since the first.
 */
export function series (db: Knex, { uuid, type, from, to, limit = Number.POSITIVE_INFINITY, order }: SeriesQuery): Reading<StoredMetric> {
  return {
    about: { from, to },
    async * pages (size) {
      let last: Row | undefined
      let rawFrom = 0
      for (let left = limit; left > 0;) {
        const page = Math.min(size, left)
        // In the same statement: another one would take as long as this one does.
        const id = (): Knex.QueryBuilder => db('agents').join('series', 'series.agent_id', 'agents.id').where({ 'agents.uuid': uuid, 'series.type': type }).select('series.id')
        const marker = (): Knex.QueryBuilder => db('retention').where('series_id', id()).select('raw_from')
        const query = db('metrics').where('series_id', id()).orderBy([{ column: 'ts', order }, { column: 'seq', order }]).limit(page)
        if (from !== undefined) query.where('ts', '>=', from)
        if (to !== undefined) query.where('ts', '<', to)
        if (last !== undefined) continueAfter(query, last, order)
        const rows = await query.select('ts', 'seq', 'value', 'text', { rawFrom: marker() }) as Row[]
        if (last === undefined) rawFrom = Number(rows[0]?.rawFrom ?? 0)
        else {
          const begins = order === 'asc' ? last.ts : rows.length < page ? from ?? 0 : rows.at(-1)?.ts
          const [{ raw_from: deletedTo } = { raw_from: 0 }] = await marker() as Array<{ raw_from: unknown }>
          if (Number(deletedTo) > rawFrom && Number(deletedTo) > Number(begins)) throw dataDeleted()
        }
        if (rows.length > 0) yield rows.map(row => ({ ts: Number(row.ts), value: valueOf(row.value, row.text) }))
        else if (last === undefined) await findSeries(db, uuid, type)
        if (rows.length < page) return
        last = rows.at(-1)
        left -= page
      }
    }
  }
}

/** Pages go on after the key of the last row: each costs the same wherever it is, and no row is read twice. */
function continueAfter (query: Knex.QueryBuilder, { ts, seq }: Row, order: 'asc' | 'desc'): void {
  const [onwards, beyond] = order === 'asc' ? ['>=', '>'] : ['<=', '<']
  // The database searches its index by the first condition alone.
  query.where('ts', onwards as string, Number(ts)).where(same => same.where('ts', beyond as string, Number(ts)).orWhere('seq', beyond as string, Number(seq)))
}

const columns = { id: 'series.id', uuid: 'agents.uuid', name: 'agents.name', rawFrom: 'retention.raw_from', hoursFrom: 'retention.hours_from' }

/** @throws PlatziverseError QUERY_AGENT_UNKNOWN, QUERY_SERIES_UNKNOWN */
export async function findSeries (db: Knex, uuid: string, type: string): Promise<FoundSeries> {
  const row = await db('agents').leftJoin('series', join => { join.on('series.agent_id', 'agents.id').andOnVal('series.type', type) })
    .leftJoin('retention', 'retention.series_id', 'series.id').where('agents.uuid', uuid).first<Record<string, unknown> | undefined>(columns)
  if (row === undefined) throw unknownAgent(uuid)
  if (row.id === null) throw new PlatziverseError('QUERY_SERIES_UNKNOWN', `The agent ${JSON.stringify(uuid)} has no metric of the type ${JSON.stringify(type)}.`)
  return foundSeries(row)
}

/**
 * The series of a type, of all agents.
 * @throws PlatziverseError QUERY_SERIES_UNKNOWN when there is none, QUERY_RANGE_TOO_LARGE when there are more than `most`
 */
export async function findAllSeries (db: Knex, type: string, most: number): Promise<FoundSeries[]> {
  const rows = await db('agents').join('series', join => { join.on('series.agent_id', 'agents.id').andOnVal('series.type', type) })
    .leftJoin('retention', 'retention.series_id', 'series.id').orderBy('agents.id').limit(most + 1).select<Array<Record<string, unknown>>>(columns)
  if (rows.length === 0) throw new PlatziverseError('QUERY_SERIES_UNKNOWN', `No agent has a metric of the type ${JSON.stringify(type)}.`)
  if (rows.length > most) throw new PlatziverseError('QUERY_RANGE_TOO_LARGE', `More than ${most} agents have a metric of the type ${JSON.stringify(type)}.`)
  return rows.map(foundSeries)
}

function foundSeries (row: Record<string, unknown>): FoundSeries {
  return { id: row.id as number, uuid: row.uuid as string, name: row.name as string | null, rawFrom: Number(row.rawFrom), hoursFrom: Number(row.hoursFrom) }
}
