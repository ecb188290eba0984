import type { NodeStatus } from 'node-red'
import type { DatabaseNode } from '../platziverse-database/platziverse-database.ts'
import type { RED } from '../shared/red.ts'
import { bad, good, joined, pending, problemText } from '../shared/status.ts'

const nothingDeleted = { deleted: { metrics: 0 }, error: null }

/** The status of the node, by the state of its database and what it counts: one number, and beside it at most one thing that is unusual. */
export function statusOf (RED: RED, { store, retention, count }: DatabaseNode): NodeStatus {
  const { state } = store
  const { queued, spooled, refused, duplicates } = store.statistics()
  const { deleted: { metrics: deleted }, error } = retention?.statistics() ?? nothingDeleted
  if (state.state === 'waiting') {
    const waits = spooled > 0 ? RED._('metric-store.status.spooled', { spooled }) : queued > 0 && RED._('metric-store.status.waiting', { queued })
    return bad(joined(problemText(RED, state.error.code), waits))
  }
  if (state.state !== 'ready') return pending(RED._('metric-store.status.opening'))
  const counted = count.look()
  const asides = [
    error !== null && problemText(RED, error.code),
    spooled > 0 && RED._('metric-store.status.spooled', { spooled }),
    refused > 0 && RED._('metric-store.status.refused', { refused }),
    duplicates > 0 && RED._('metric-store.status.duplicates', { duplicates }),
    deleted > 0 && RED._('metric-store.status.deleted', { deleted })
  ]
  const metrics = counted === undefined ? RED._('metric-store.status.ready')
    : counted.isAll ? RED._('metric-store.status.metrics', { count: counted.metrics }) : RED._('metric-store.status.more', { count: counted.metrics })
  return good(joined(metrics, asides.find(aside => aside !== false)))
}
