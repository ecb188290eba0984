import { isUtf8 } from 'node:buffer'
import type { OutgoingPublication, Publication } from '../broker/publication.ts'
import type { Asked, Reading } from '../mapping/reading.ts'
import type { RuleTable } from '../mapping/rules/rule-table.ts'
import type { BadMetric } from '../messages/metrics.ts'
import type { Message, MessageKind } from '../messages/parse.ts'
import type { Weight } from '../messages/weigh.ts'
import { Spacing } from '../spacing.ts'
import { hour } from '../time.ts'
import type { Rejected, Source } from './intake-handler.ts'

/** Why a message, or one of its metrics, goes no further. */
export type Cause = Pick<Rejected, 'reason' | 'detail'> & Partial<Pick<BadMetric, 'index' | 'more'>>

/** Metrics that a message may have: more become several messages. */
const mostMetrics = 1_000
/** Causes that are reported of one publication. */
const mostReported = 20
/** Whoever does not answer, or whose answer is of no use, is asked again after this, in ms. */
const askAgain = { min: 5_000, max: hour }
/** Senders that are asked within the shortest of these waits. */
const mostAsked = 1_000

/** What a publication on another topic becomes, as agents would have sent it, and why it becomes nothing. */
export interface Readings {
  messages: Array<{ kind: MessageKind, payload: object }>
  causes: Cause[]
  source: Source
  /** What to tell its sender, so that it can be read. */
  asks: Asked | undefined
}

/** @param weight of the payload */
export function readingsOf (table: RuleTable, { topic, payload, connection, publisher = connection, retainedBefore }: Publication, weight: Weight, receivedAt: number): Readings {
  const text = isUtf8(payload) ? payload.toString() : undefined
  const source: Source = { topic, payload: text ?? payload }
  // An old value would get the time of receipt, and with each subscription once more.
  if (retainedBefore === true && !table.readsState(topic)) return { messages: [], causes: [], source, asks: undefined }
  const read = table.read(topic, payload, receivedAt, { user: publisher?.verified === true ? publisher.username : undefined, text, weight })
  if (read === undefined) return { messages: [], causes: [], source, asks: undefined }
  return { messages: read.ok ? read.readings.flatMap(messagesOf) : [], causes: read.ok ? [] : [read], source, asks: read.asks }
}

/** Asks senders for what is missing, seldom enough that nobody can make us a burden to others. */
export class Asking {
  readonly #publish: (publication: OutgoingPublication) => Promise<void>
  readonly #spacing = new Spacing(askAgain, mostAsked)

  constructor (publish: (publication: OutgoingPublication) => Promise<void>) {
    this.#publish = publish
  }

  ask ({ topic, payload }: Asked): void {
    if (!this.#spacing.mayNow(topic, performance.now())) return
    // If it fails it is asked again because of what comes next.
    this.#publish({ topic, payload, qos: 0, retain: false }).catch(() => undefined)
  }
}

function messagesOf (reading: Reading): Readings['messages'] {
  const { kind } = reading
  if (kind !== 'message' || reading.metrics.length <= mostMetrics) return [{ kind, payload: payloadOf(reading) }]
  const { metrics } = reading
  const parts = Array.from({ length: Math.ceil(metrics.length / mostMetrics) }, (_, i) => metrics.slice(i * mostMetrics, (i + 1) * mostMetrics))
  return parts.map(part => ({ kind, payload: payloadOf({ ...reading, metrics: part }) }))
}

/** Not by spreading the rest, which takes longer than all else here. */
function payloadOf (reading: Reading): object {
  const { agent, timestamp } = reading
  const payload: { agent: object, metrics?: object, timestamp?: number | string } = { agent }
  if (reading.kind === 'message') payload.metrics = reading.metrics
  if (timestamp !== undefined) payload.timestamp = timestamp
  return payload
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
