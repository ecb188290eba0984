import { isUtf8 } from 'node:buffer'
import type { Publication } from '../broker/publication.ts'
import type { Reading } from '../mapping/reading.ts'
import type { RuleTable } from '../mapping/rules/rule-table.ts'
import type { BadMetric } from '../messages/metrics.ts'
import type { Message, MessageKind } from '../messages/parse.ts'
import type { Rejected, Source } from './intake-handler.ts'

/** Why a message, or one of its metrics, goes no further. */
export type Cause = Pick<Rejected, 'reason' | 'detail'> & Partial<Pick<BadMetric, 'index' | 'more'>>

/** Metrics that a message may have: more become several messages. */
const mostMetrics = 1_000
/** Causes that are reported of one publication. */
const mostReported = 20

/** What a publication on another topic becomes, as agents would have sent it, and why it becomes nothing. */
export interface Readings {
  messages: Array<{ kind: MessageKind, payload: object }>
  causes: Cause[]
  source: Source
}

export function readingsOf (table: RuleTable, { topic, payload, connection, publisher = connection }: Publication, receivedAt: number): Readings {
  const source: Source = { topic, payload: isUtf8(payload) ? payload.toString() : payload }
  const read = table.read(topic, payload, receivedAt, publisher?.verified === true ? publisher.username : undefined)
  if (read === undefined) return { messages: [], causes: [], source }
  if (!read.ok) return { messages: [], causes: [read], source }
  return { messages: read.readings.flatMap(messagesOf), causes: [], source }
}

function messagesOf (reading: Reading): Readings['messages'] {
  const { kind, ...payload } = reading
  if (!('metrics' in payload) || payload.metrics.length <= mostMetrics) return [{ kind, payload }]
  const { metrics } = payload
  const parts = Array.from({ length: Math.ceil(metrics.length / mostMetrics) }, (_, i) => metrics.slice(i * mostMetrics, (i + 1) * mostMetrics))
  return parts.map(part => ({ kind, payload: { ...payload, metrics: part } }))
}

/** The first causes; the last of them counts the rest. */
export function shortened (causes: Cause[]): Cause[] {
  const left = causes.slice(mostReported).reduce((sum, { more = 0 }) => sum + 1 + more, 0)
  const last = causes[mostReported - 1]
  if (left === 0 || last === undefined) return causes
  const more = (last.more ?? 0) + left
  return [...causes.slice(0, mostReported - 1), { ...last, more, detail: `${last.detail} ${left} more metrics or messages of the publication were left out.` }]
}

/** A message as it is now: a flow may change the one that it gets. */
export function copyOf (message: Message): Message {
  const { payload } = message
  const agent = { ...payload.agent }
  const copy = 'metrics' in payload ? { ...payload, agent, metrics: payload.metrics.map(metric => ({ ...metric })) } : { ...payload, agent }
  return { ...message, payload: copy } as Message
}
