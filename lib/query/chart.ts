import { PlatziverseError } from '../errors.ts'
import type { Bucket } from './buckets/buckets.ts'
import type { Labels } from './series/choice.ts'
import type { LatestMetric } from './series/latest.ts'
import type { Query } from './parse.ts'
import type { StoredMetric } from './series/series.ts'

/** A point for FlowFuse Dashboard's ui-chart, whose Series, X and Y are these keys. A missing value is a gap. */
export interface ChartPoint { series: string, x: number | string, y: number | string | null }

/**
 * The points of the rows that `query` gave, with times on x, or types for the latest values.
 * @throws PlatziverseError QUERY_INVALID when there is nothing to draw
 */
export function chartPoints (query: Query, rows: unknown[]): ChartPoint[] {
  const nameOf = namesIn(rows as Labels[])
  switch (query.query) {
    case 'latest':
    case 'latestOfAll': return (rows as LatestMetric[]).map(({ type, value, ...row }) => ({ series: nameOf(row, 'uuid' in query ? query.uuid : ''), x: type, y: value }))
    case 'series': return (rows as Array<Labels & StoredMetric>).map(({ ts, value, ...row }) => ({ series: nameOf(row, query.type), x: ts, y: value }))
    case 'buckets':
    case 'typeBuckets': return (rows as Bucket[]).flatMap(row => pointsOf(nameOf(row, query.type), row))
    default: throw new PlatziverseError('QUERY_INVALID', `"${query.query}" gives nothing that a chart could show.`)
  }
}

/** What a row's series is called: by what the row says of it, and where that is nothing, by the one name that was asked for. */
function namesIn (rows: Labels[]): (row: Labels, only: string | readonly string[]) => string {
  const uuids = new Map<string, Set<string>>()
  for (const { uuid, name } of rows) if (uuid !== undefined && name) uuids.set(name, (uuids.get(name) ?? new Set()).add(uuid))
  /** Agents are called by their names, and those that share one, or have none, by their uuids. */
  const agent = ({ uuid, name }: Labels): string | undefined => {
    if (uuid === undefined || !name) return uuid
    return uuids.get(name)?.size === 1 ? name : `${name} (${uuid})`
  }
  return (row, only) => [agent(row), row.type].filter(part => part !== undefined).join(' ') || String(only)
}

/** A series for each aggregate, named after it where there are several. */
function pointsOf (name: string, { ts, uuid: _uuid, name: _name, type: _type, ...values }: Bucket): ChartPoint[] {
  const entries = Object.entries(values)
  return entries.map(([aggregate, y]) => ({ series: entries.length > 1 ? `${name} ${aggregate}` : name, x: ts, y }))
}
