import type { Message } from '../../messages/parse.ts'
import type { DisconnectedPayload } from '../../messages/schema.ts'
import type { GoodbyeRow } from '../dialects/agent-columns.ts'
import { lastSeq } from '../dialects/presence.ts'
import type { KnownAgent } from './known-agents.ts'

/** The row of a goodbye. @param before that of the same agent's goodbyes before it; times in UTC ms, `queuedAt` since when it waits to be written */
export function goodbyeRow (
  before: GoodbyeRow | undefined, payload: DisconnectedPayload, { receivedAt, queuedAt = Date.now() }: { receivedAt: number, queuedAt?: number }, instance: string
): GoodbyeRow {
  const { agent: { uuid }, timestamp, seq = lastSeq } = payload
  const row = before ?? { uuid, instance, receivedAt: -1, queuedAt: Number.MAX_SAFE_INTEGER, leftAt: -1, leftSeq: -1 }
  if (timestamp === undefined) return { ...row, instance, receivedAt: Math.max(row.receivedAt, receivedAt), queuedAt: Math.min(row.queuedAt, queuedAt) }
  return timestamp > row.leftAt || (timestamp === row.leftAt && seq > row.leftSeq) ? { ...row, leftAt: timestamp, leftSeq: seq } : row
}

/** Mark those of which the database kept the opposite, unless a later one of the batch says that too. */
export function markOutdated (batch: ReadonlyArray<{ message: Message }>, stored: ReadonlyArray<{ outdated?: true }>, agents: ReadonlyMap<string, KnownAgent>): void {
  const last = new Map<string, Message['kind']>()
  for (const { message } of batch) if (message.kind !== 'message') last.set(message.payload.agent.uuid, message.kind)
  batch.forEach(({ message: { kind, payload: { agent: { uuid }, timestamp } } }, i) => {
    const agent = agents.get(uuid)
    if (kind === 'message' || timestamp === undefined || agent === undefined || last.get(uuid) !== kind) return
    if (agent.connected !== (kind === 'connected')) (stored[i] as { outdated?: true }).outdated = true
  })
}
