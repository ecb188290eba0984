import type { Message } from '../../messages/parse.ts'
import { agentRow, type AgentRow, type GoodbyeRow } from '../dialects/agent-columns.ts'
import { noteArrival, type Arrivals } from './arrivals.ts'
import { goodbyeRow } from './goodbyes.ts'
import { isUpToDate, type KnownAgents } from './known-agents.ts'

/** A message on its way into the database. */
export interface ReceivedMessage {
  message: Message
  /** UTC ms. */
  receivedAt: number
  /** Tells the message apart from others with its timestamp. */
  seq: number
  /** It came from a broker that runs elsewhere: its agent is connected to no process of ours. */
  elsewhere?: boolean
  /** When a goodbye without a time began to wait to be written; UTC ms. */
  queuedAt?: number
}

/** What a batch changes about agents, beyond what the database is known to hold; in the order in which it is written. */
export interface Changes {
  /** Agents that may be new and said goodbye in the same batch, as they were before that: a goodbye changes only what is there. */
  newcomers: Map<string, AgentRow>
  /** Goodbyes without a time that came before anything else of the agent in the batch, and all that have one: their order does not matter. */
  left: Map<string, GoodbyeRow>
  /** Agents that were heard, said goodbye and were heard again, as they were in between. */
  interrupted: Map<string, AgentRow>
  /** Agents that are new, changed or connected again, or that were heard before they said goodbye. */
  agents: Map<string, AgentRow>
  arrivals: Arrivals
  series: boolean
  /** Agents that go from one process to another. */
  moved: Set<string>
}

/** A message by which an agent shows that it is there. */
type Heard = Exclude<Message, { kind: 'disconnected' }>

/** @param instanceOf the process that has the agent of a message */
export function changesOf (batch: ReceivedMessage[], knownAgents: KnownAgents, instanceOf: (received: ReceivedMessage) => string): Changes {
  const changes: Changes = { newcomers: new Map(), left: new Map(), interrupted: new Map(), agents: new Map(), arrivals: new Map(), series: false, moved: new Set() }
  const { newcomers, agents, arrivals, interrupted, left } = changes
  const leaving = new Set<string>()
  for (const { message } of batch) if (message.kind === 'disconnected') leaving.add(message.payload.agent.uuid)
  for (const received of batch) {
    const { message } = received
    const { uuid } = message.payload.agent
    const row = agents.get(uuid)
    if (message.kind === 'disconnected') {
      const { timestamp } = message.payload
      if (row !== undefined && timestamp !== undefined && !newcomers.has(uuid) && knownAgents.agent(uuid) === undefined) newcomers.set(uuid, { ...row })
      if (row === undefined || timestamp !== undefined) left.set(uuid, goodbyeRow(left.get(uuid), message.payload, received, instanceOf(received)))
      // An agent that came without a time is gone whenever it says so.
      if (row !== undefined && (timestamp === undefined || (row.cameAt === null && row.spokeAt === null))) row.connected = false
      continue
    }
    const known = knownAgents.agent(uuid)
    if (row !== undefined || known === undefined || message.kind === 'connected' || leaving.has(uuid) || !isUpToDate(known, message.payload.agent)) {
      if (row?.connected === false) {
        interrupted.set(uuid, { ...row })
        arrivals.delete(uuid)
      }
      const heard = rowOf(received, message, instanceOf(received), row)
      agents.set(uuid, heard)
      if (known?.connected !== true || leaving.has(uuid)) noteArrival(arrivals, heard, received.receivedAt)
    }
    if (message.kind === 'message' && !changes.series) {
      changes.series = known === undefined || message.payload.metrics.some(({ type }) => !known.series.has(type))
    }
    if (known !== undefined && known.instance !== instanceOf(received)) changes.moved.add(uuid)
  }
  return changes
}

/** The row of an agent that was heard. @param before what came of it earlier in the batch */
function rowOf ({ receivedAt }: ReceivedMessage, message: Heard, instance: string, before?: AgentRow): AgentRow {
  const row = agentRow(message.payload.agent, receivedAt, instance, before)
  const { timestamp, seq = -1 } = message.payload
  if (message.kind === 'message') {
    // Where it came without a time before, that it spoke is written with its next message.
    if (before === undefined || !before.connected || before.cameAt !== null || before.spokeAt !== null) row.spokeAt = Math.max(message.payload.timestamp, row.spokeAt ?? -1)
  } else if (timestamp === undefined) row.cameAt = row.cameSeq = row.spokeAt = null
  else if (row.cameAt === null || timestamp > row.cameAt || (timestamp === row.cameAt && seq > (row.cameSeq ?? -1))) {
    row.cameAt = timestamp
    row.cameSeq = seq
  }
  return row
}
