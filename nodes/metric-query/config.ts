import type { Aggregate, QueryName, ResultKind } from '../../lib/query/series/names.ts'

/** What a metric-query node saves. */
export interface MetricQueryConfig {
  name: string
  /** Id of the platziverse-database. */
  database: string
  query: QueryName
  /** Of an agent, or of several. */
  uuid: string | string[]
  /** Of metrics, one or several; called `type` in `msg.query`. */
  metricType: string | string[]
  /** Of agents. */
  username: string
  /** ms since 1970, ISO 8601, `now`, or such as `-24h`. */
  from: string
  /** The same; empty: no end, or, of buckets, now. */
  to: string
  /** Most metrics of a series, or most rows of a list; empty: all, or as many as one message may have. */
  limit: number | string
  order: 'asc' | 'desc'
  /** ms, or such as `5m`, `1h`, `1d`; or `day`, `week`, `month`, `year`. */
  bucket: number | string
  /** Most buckets of a series, instead of their width; empty: as `bucket` says. */
  points: number | string
  /** Of buckets that are days, weeks, months or years; IANA; empty: UTC. */
  timezone: string
  aggregates: Aggregate[]
  /** What becomes of buckets without metrics. */
  fill: 'null' | 'skip'
  result: ResultKind
  /** ms, or such as `1s`, from one answer to the next while the question is followed; empty: it is answered once. */
  follow: number | string
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
  points: '',
  timezone: '',
  aggregates: ['avg'],
  fill: 'null',
  result: 'objects',
  follow: '',
  most: 10_000
}

const bucketFields: Array<keyof MetricQueryConfig> = ['from', 'to', 'order', 'bucket', 'points', 'timezone', 'aggregates', 'fill']

/** What can be asked, in the order of the form, with the fields that it uses. */
export const fieldsOf: Record<QueryName, Array<keyof MetricQueryConfig>> = {
  latest: ['uuid'],
  latestOfAll: ['metricType', 'limit'],
  series: ['uuid', 'metricType', 'from', 'to', 'order', 'limit'],
  buckets: ['uuid', 'metricType', ...bucketFields],
  typeBuckets: ['metricType', ...bucketFields],
  types: ['uuid'],
  agent: ['uuid'],
  agents: ['limit'],
  connectedAgents: ['limit'],
  agentsOf: ['username', 'limit']
}
