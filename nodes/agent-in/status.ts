import type { NodeStatus } from 'node-red'
import type { Intake } from '../../lib/intake/intake.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import type { RED } from '../shared/red.ts'
import { bad, good, joined, pending, problemText } from '../shared/status.ts'

/** The status of the node, by what its intake counts. */
export function statusOf (RED: RED, broker: string, intake: Intake): NodeStatus {
  const { listener: { state }, isElsewhere } = findBroker(broker)
  if (state === 'closed') return bad(problemText(RED, 'BROKER_MISSING'))
  if (state !== 'listening' && state !== 'connected') return pending(RED._('agent-in.status.waiting'))
  const { agents, messages, unsettled, waiting, rejected, rejectedMetrics, timesConverted, timesReplaced } = intake.statistics()
  // Of what is unusual, what matters most.
  const aside = ([['rejected', rejected + rejectedMetrics], ['converted', timesConverted], ['replaced', timesReplaced]] as const)
    .filter(([, count]) => count > 0).map(([name, count]) => RED._(`agent-in.status.${name}`, { count }))[0]
  // Whose connections these are, a broker elsewhere does not say.
  if (isElsewhere && messages + rejected === 0 && waiting === 0) return pending(RED._('agent-in.status.none'))
  const [counted, behind, count] = isElsewhere ? ['messages', 'behind', messages] : ['agents', 'unsettled', agents]
  if (waiting === 0) {
    const text = joined(RED._(`agent-in.status.${counted}`, { count, agents }), aside)
    return intake.awaitsOthers ? pending(joined(text, RED._('agent-in.status.othersNone'))) : good(text)
  }
  return { ...pending(RED._(`agent-in.status.${behind}`, { count, agents, unsettled: unsettled + waiting })), shape: 'dot' }
}
