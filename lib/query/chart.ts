import { PlatziverseError } from '../errors.ts'
import type { LatestMetric } from './agents.ts'
import type { AgentBucket, Bucket } from './buckets.ts'
import type { Query } from './parse.ts'
import type { StoredMetric } from './series.ts'

/** A point for FlowFuse Dashboard's ui-chart, whose Series, X and Y are these keys. A missing value is a gap. */
export interface ChartPoint { series: string, x: number | string, y: number | string | null }

/**
 * The points of the rows that `query` gave, with times on x, or types for `latest`.
 * @throws PlatziverseError QUERY_INVALID when there is nothing to draw
 */
export function chartPoints (query: Query, rows: unknown[]): ChartPoint[] {
  switch (query.query) {
    case 'latest': return (rows as LatestMetric[]).map(({ type, value }) => ({ series: query.uuid, x: type, y: value }))
    case 'series': return (rows as StoredMetric[]).map(({ ts, value }) => ({ series: query.type, x: ts, y: value }))
    case 'buckets': return (rows as Bucket[]).flatMap(row => pointsOf(query.type, row))
    case 'typeBuckets': return pointsOfAgents(rows as AgentBucket[])
    default: throw new PlatziverseError('QUERY_INVALID', `"${query.query}" gives nothing that a chart could show.`)
  }
}

/** Agents are called by their names, and those that share one, or have none, by their uuids. */
function pointsOfAgents (rows: AgentBucket[]): ChartPoint[] {
  const uuids = new Map<string | null, Set<string>>()
  for (const { uuid, name } of rows) uuids.set(name, (uuids.get(name) ?? new Set()).add(uuid))
  const called = (uuid: string, name: string | null): string => {
    if (name === null || name === '') return uuid
    return uuids.get(name)?.size === 1 ? name : `${name} (${uuid})`
  }
  return rows.flatMap(({ uuid, name, ...row }) => pointsOf(called(uuid, name), row))
}

/** A series for each aggregate, named after it where there are several. */
function pointsOf (name: string, { ts, ...values }: Bucket): ChartPoint[] {
  const entries = Object.entries(values)
  return entries.map(([aggregate, y]) => ({ series: entries.length > 1 ? `${name} ${aggregate}` : name, x: ts, y }))
}
