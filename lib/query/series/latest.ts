import type { Knex } from 'knex'
import { newestColumns, newestIn, type NewestMetric, type NewestRow } from '../../store/dialects/metric-columns.ts'
import { labelsOf, listOf, type Choice, type Labels, type Names } from './choice.ts'
import { refuseUnknown } from './find-series.ts'
import type { About, Reading } from './reading.ts'

/** The newest metric of a type. */
export type LatestMetric = Labels & { type: string } & NewestMetric

type Row = NewestRow & { agentId: number, uuid: string, name: string | null, type: string }

const columns = { agentId: 'agents.id', uuid: 'agents.uuid', name: 'agents.name', type: 'series.type', ...prefixed(newestColumns) }

/**
 * The newest metric of each type of an agent, or of several: agent by agent in the order of their first reports, and of each by type.
 * @throws PlatziverseError QUERY_AGENT_UNKNOWN
 */
export async function latest (db: Knex, uuid: Names): Promise<Reading<LatestMetric>> {
  await refuseUnknown(db, listOf(uuid))
  return newest(db, { uuid })
}

/**
 * The same of all agents.
 * @param type which types; absent: all
 * @param limit most metrics; absent: all
 */
export function latestOfAll (db: Knex, type: Names | undefined, limit: number | undefined): Reading<LatestMetric> {
  return newest(db, type === undefined ? {} : { type }, limit)
}

/**
 * The types of metrics that an agent ever reported, in alphabetical order.
 * @throws PlatziverseError QUERY_AGENT_UNKNOWN
 */
export async function types (db: Knex, uuid: string): Promise<Reading<string>> {
  const { pages } = await latest(db, uuid)
  return { about: {}, async * pages (size) { for await (const page of pages(size)) yield page.map(({ type }) => type) } }
}

function newest (db: Knex, { uuid, type }: Choice, limit?: number): Reading<LatestMetric> {
  const labels = labelsOf(uuid === undefined ? {} : { uuid })
  const about: About = {}
  const chosen = (): Knex.QueryBuilder => {
    const query = db('agents').join('series', 'series.agent_id', 'agents.id').whereNotNull('series.last_ts')
    if (uuid !== undefined) query.whereIn('agents.uuid', listOf(uuid))
    if (type !== undefined) query.whereIn('series.type', listOf(type))
    return query
  }
  return {
    about,
    async * pages (size) {
      let read = 0
      for (let last: Row | undefined; limit === undefined || read < limit;) {
        const most = Math.min(size, (limit ?? Infinity) - read)
        const query = chosen()
        if (last !== undefined) {
          const after = last
          // Pages go on after the key of the last row: each costs the same wherever it is.
          query.where('agents.id', '>=', after.agentId).where(same => same.where('agents.id', '>', after.agentId).orWhere('series.type', '>', after.type))
        }
        const rows = await query.orderBy(['agents.id', 'series.type']).limit(most).select<Row[]>(columns)
        read += rows.length
        if (rows.length > 0) yield rows.map(row => ({ ...labels(row), type: row.type, ...newestIn(row) as NewestMetric }))
        if (rows.length < most) {
          if (limit !== undefined) about.total = read
          return
        }
        last = rows.at(-1)
      }
      const [counted] = await chosen().count<Array<{ n: unknown }>>('* as n')
      about.total = Number(counted?.n)
    }
  }
}

/** The columns of series, by the names that they have without the table's. */
function prefixed (names: typeof newestColumns): Record<string, string> {
  return Object.fromEntries(Object.values(names).map(name => [name, `series.${name}`]))
}
