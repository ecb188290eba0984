import type { NodeStatus } from 'node-red'
import type { Agent } from '../../lib/agent/agent.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import type { RED } from '../shared/red.ts'
import { bad, good, joined, pending, problemText } from '../shared/status.ts'

/**
 * The status of the node, by its agent's connection and what it counts.
 * @param problem why the agent is not connected, where that is known
 */
export function statusOf (RED: RED, agent: Agent, problem?: PlatziverseError): NodeStatus {
  const text = (key: string, values?: Record<string, string | number>): string => RED._(`platziverse-agent.status.${key}`, values)
  const { sent, pending: waiting, dropped } = agent.counters
  const asides = [
    waiting > 0 && !agent.connected && text('waiting', { pending: waiting }),
    dropped > 0 && text('dropped', { dropped })
  ]
  const { commandedInterval: interval } = agent
  if (agent.connected) return good(joined(text('connected', { count: sent }), interval !== undefined && text('commanded', { seconds: interval / 1000 }), ...asides))
  if (problem !== undefined) return bad(joined(problemText(RED, problem.code), ...asides))
  return pending(joined(text('connecting'), ...asides))
}
