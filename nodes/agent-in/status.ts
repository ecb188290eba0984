import type { NodeStatus } from 'node-red'
import type { Intake } from '../../lib/intake/intake.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import type { RED } from '../shared/red.ts'
import { good, joined, pending } from '../shared/status.ts'

/** The status of the node, by what its intake counts. */
export function statusOf (RED: RED, broker: string, intake: Intake): NodeStatus {
  if (findBroker(broker).listener.state !== 'listening') return pending(RED._('agent-in.status.waiting'))
  const { agents, unsettled, waiting, rejected, rejectedMetrics, timesConverted, timesReplaced } = intake.statistics()
  // Shown as soon as there is any of it.
  const counted = { rejected: rejected + rejectedMetrics, converted: timesConverted, replaced: timesReplaced }
  const asides = (['rejected', 'converted', 'replaced'] as const).map(name => {
    return counted[name] > 0 && RED._(`agent-in.status.${name}`, { count: counted[name] })
  })
  if (waiting === 0) return good(joined(RED._('agent-in.status.agents', { count: agents, agents }), ...asides))
  const text = RED._('agent-in.status.unsettled', { count: agents, agents, unsettled: unsettled + waiting })
  return { ...pending(joined(text, ...asides)), shape: 'dot' }
}
