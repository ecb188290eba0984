import type { Aggregate, QueryName, ResultKind } from '../../lib/query/names.ts'

/** What a metric-query node saves. */
export interface MetricQueryConfig {
  name: string
  /** Id of the platziverse-database. */
  database: string
  query: QueryName
  /** Of an agent. */
  uuid: string
  /** Of metrics; called `type` in `msg.query`. */
  metricType: string
  /** Of agents. */
  username: string
  /** ms since 1970, ISO 8601, `now`, or such as `-24h`. */
  from: string
  /** The same; empty: no end, or, of buckets, now. */
  to: string
  /** Most metrics of a series; empty: all. */
  limit: number | string
  order: 'asc' | 'desc'
  /** ms, or such as `5m`, `1h`, `1d`. */
  bucket: number | string
  aggregates: Aggregate[]
  /** What becomes of buckets without metrics. */
  fill: 'null' | 'skip'
  result: ResultKind
  /** Most rows in one message. */
  most: number | string
}

export const metricQueryDefaults: MetricQueryConfig = {
  name: '',
  database: '',
  query: 'latest',
  uuid: '',
  metricType: '',
  username: '',
  from: '-24h',
  to: '',
  limit: '',
  order: 'asc',
  bucket: '1h',
  aggregates: ['avg'],
  fill: 'null',
  result: 'objects',
  most: 10_000
}

/** What can be asked, in the order of the form, with the fields that it uses. */
export const fieldsOf: Record<QueryName, Array<keyof MetricQueryConfig>> = {
  latest: ['uuid'],
  series: ['uuid', 'metricType', 'from', 'to', 'order', 'limit'],
  buckets: ['uuid', 'metricType', 'from', 'to', 'order', 'bucket', 'aggregates', 'fill'],
  typeBuckets: ['metricType', 'from', 'to', 'order', 'bucket', 'aggregates', 'fill'],
  types: ['uuid'],
  agent: ['uuid'],
  agents: [],
  connectedAgents: [],
  agentsOf: ['username']
}
