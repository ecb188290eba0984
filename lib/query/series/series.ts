import type { Knex } from 'knex'
import { literally } from '../../store/dialects/literally.ts'
import { valueOf } from '../../store/dialects/metric-columns.ts'
import { labelsOf, type Choice, type Labels, type Names } from './choice.ts'
import { findSeries } from './find-series.ts'
import { dataDeleted, type Reading } from './reading.ts'

export interface SeriesRange {
  /** UTC ms, included. Absent: from the first metric on. */
  from?: number | undefined
  /** UTC ms, not included. Absent: to the last metric. */
  to?: number | undefined
  /** Most metrics of each series, counted in `order`. Absent: all. */
  limit?: number | undefined
  /** `desc`: the newest first. */
  order: 'asc' | 'desc'
}

export interface SeriesQuery extends SeriesRange { uuid: Names, type: Names }

/** A metric of a series: a boolean is 1 or 0. */
export interface StoredMetric {
  /** UTC ms. */
  ts: number
  value: number | string | null
}

/** Most series that are read one after the other. */
const mostSeries = 1_000

type Row = Record<'ts' | 'seq' | 'value' | 'text' | 'rawFrom', unknown>

/** Statements may be used once: this makes another one. */
type IdOf = () => Knex.QueryBuilder | number

/**
 * The metrics of one series, or of several, one series after the other. Pages are read one by one: what is stored meanwhile may be in
 * the later ones. Without metrics reading throws PlatziverseError QUERY_AGENT_UNKNOWN or QUERY_SERIES_UNKNOWN where an agent or the
 * type is unknown; QUERY_DATA_DELETED where retention has deleted metrics of later pages since the first.
 * @throws PlatziverseError QUERY_RANGE_TOO_LARGE when they are too many
 */
export async function series (db: Knex, { uuid, type, ...range }: SeriesQuery): Promise<Reading<Labels & StoredMetric>> {
  const about = { from: range.from, to: range.to }
  if (typeof uuid === 'string' && typeof type === 'string') {
    // In the same statement: another one would take as long as this one does.
    const id = (): Knex.QueryBuilder => db('agents').join('series', 'series.agent_id', 'agents.id').where({ 'agents.uuid': uuid, 'series.type': type }).select('series.id')
    return { about, pages: size => orUnknown(db, { uuid, type }, metricsOf(db, id, range, size)) }
  }
  const found = await findSeries(db, { uuid, type }, mostSeries)
  const labels = labelsOf({ uuid, type })
  return {
    about,
    async * pages (size) {
      for (const one of found) {
        for await (const page of metricsOf(db, () => one.id, range, size)) yield page.map(metric => ({ ...labels(one), ...metric }))
      }
    }
  }
}

/** Where there is nothing, says so if that is because nobody knows of it. */
async function * orUnknown<Page> (db: Knex, choice: Choice, pages: AsyncIterable<Page>): AsyncGenerator<Page> {
  let isEmpty = true
  for await (const page of pages) {
    isEmpty = false
    yield page
  }
  if (isEmpty) await findSeries(db, choice, 1)
}

async function * metricsOf (db: Knex, id: IdOf, { from, to, limit = Number.POSITIVE_INFINITY, order }: SeriesRange, size: number): AsyncGenerator<StoredMetric[]> {
  const ofSeries = (query: Knex.QueryBuilder): Knex.QueryBuilder => query.where('series_id', id() as Knex.QueryBuilder)
  const marker = (): Knex.QueryBuilder => ofSeries(db('retention')).select('raw_from')
  let last: Row | undefined
  let rawFrom = 0
  for (let left = limit; left > 0;) {
    const page = Math.min(size, left)
    const query = ofSeries(db('metrics')).orderBy([{ column: 'ts', order }, { column: 'seq', order }]).limit(page, literally)
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
    if (rows.length < page) return
    last = rows.at(-1)
    left -= page
  }
}

/** Pages go on after the key of the last row: each costs the same wherever it is, and no row is read twice. */
function continueAfter (query: Knex.QueryBuilder, { ts, seq }: Row, order: 'asc' | 'desc'): void {
  const [onwards, beyond] = order === 'asc' ? ['>=', '>'] : ['<=', '<']
  // The database searches its index by the first condition alone.
  query.where('ts', onwards as string, Number(ts)).where(same => same.where('ts', beyond as string, Number(ts)).orWhere('seq', beyond as string, Number(seq)))
}
