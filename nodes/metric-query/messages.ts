import type { Answer } from '../../lib/query/ask.ts'
import type { QueryInput } from '../../lib/query/parse.ts'
import type { RedMessage } from '../shared/red.ts'
import type { MetricQueryConfig } from './config.ts'

/** What a node asks where its message says nothing. */
export function queryOf (config: MetricQueryConfig): QueryInput {
  const { query, uuid, metricType: type, username, from, to, limit, order, bucket, points, timezone, aggregates, fill, result, follow } = config
  return { query, uuid, type, username, from, to, limit, order, bucket, points, timezone, aggregates, fill, result, follow }
}

export function messageOf (msg: RedMessage, { payload, rows, about }: Answer, isChart: boolean): RedMessage {
  // A chart shows only this answer, without the ones before it.
  return { ...msg, payload, answer: { rows, ...about }, ...isChart ? { action: 'replace' } : {} }
}

/** The same properties that a split node sets, so that a join node puts the parts together; `parts` that were there are kept inside. */
export function partsOf (msg: RedMessage, { part }: Answer, id: string, len: number): { parts?: object } {
  return part === undefined ? {} : { parts: { id, type: 'array', len, ...part, ...msg.parts === undefined ? {} : { parts: msg.parts } } }
}
