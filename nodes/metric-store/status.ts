import type { NodeStatus } from 'node-red'
import type { DatabaseNode } from '../platziverse-database/platziverse-database.ts'
import type { RED } from '../shared/red.ts'
import { bad, good, joined, pending } from '../shared/status.ts'

const nothingDeleted = { deleted: { metrics: 0 }, error: null }

/** The status of the node, by the state of its database and what it counts. */
export function statusOf (RED: RED, { store, retention }: DatabaseNode): NodeStatus {
  const { state } = store
  const { metrics, queued, ...counted } = store.statistics()
  const { deleted: { metrics: deleted }, error } = retention?.statistics() ?? nothingDeleted
  // Success is one number; anything else is shown as soon as there is any of it.
  const asides = [
    ...(['spooled', 'duplicates', 'refused', 'retries'] as const).map(name => {
      return counted[name] > 0 && RED._(`metric-store.status.${name}`, counted)
    }),
    deleted > 0 && RED._('metric-store.status.deleted', { deleted }),
    error !== null && RED._('metric-store.status.keeping', { code: error.code })
  ]
  if (state.state === 'waiting') {
    const text = RED._('metric-store.status.waiting', { message: state.error.code, queued })
    return bad(joined(text, ...asides))
  }
  if (state.state === 'ready') return good(joined(RED._('metric-store.status.stored', { count: metrics }), ...asides))
  return pending(RED._('metric-store.status.opening'))
}
