import type { NodeStatus } from 'node-red'
import type { Intake } from '../../lib/intake/intake.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import type { RED } from '../shared/red.ts'
import { bad, good, joined, pending, problemText } from '../shared/status.ts'

/** The status of the node, by what its intake counts. */
export function statusOf (RED: RED, broker: string, intake: Intake): NodeStatus {
  const { state } = findBroker(broker).listener
  if (state === 'closed') return bad(problemText(RED, 'BROKER_MISSING'))
  if (state !== 'listening' && state !== 'connected') return pending(RED._('agent-in.status.waiting'))
  const { agents, unsettled, waiting, rejected, rejectedMetrics, timesConverted, timesReplaced } = intake.statistics()
  // Of what is unusual, what matters most.
  const aside = ([['rejected', rejected + rejectedMetrics], ['converted', timesConverted], ['replaced', timesReplaced]] as const)
    .filter(([, count]) => count > 0).map(([name, count]) => RED._(`agent-in.status.${name}`, { count }))[0]
  if (waiting === 0) return good(joined(RED._('agent-in.status.agents', { count: agents, agents }), aside))
  const text = RED._('agent-in.status.unsettled', { count: agents, agents, unsettled: unsettled + waiting })
  return { ...pending(text), shape: 'dot' }
}
