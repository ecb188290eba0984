import type { NodeStatus } from 'node-red'
import type { Bridge, BridgeState } from '../../lib/bridge/bridge.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import type { RED } from '../shared/red.ts'
import { bad, good, joined, pending, problemText } from '../shared/status.ts'

/** The status of the node, by the state of its bridge and what it counts. */
export function statusOf (RED: RED, bridge: Bridge, isBrokerMissing: boolean): NodeStatus {
  const { sent, received, buffered, dropped } = bridge.statistics()
  const { state } = bridge
  const isConnected = state.state === 'connected'
  const asides = [
    !isConnected && buffered > 0 && RED._('platziverse-bridge.status.waiting', { count: buffered }),
    dropped > 0 && RED._('platziverse-bridge.status.dropped', { count: dropped })
  ]
  const error = errorOf(state) ?? (isBrokerMissing ? 'BROKER_MISSING' : undefined)
  if (error !== undefined) return bad(joined(problemText(RED, error), ...asides))
  if (isConnected) return good(joined(RED._('platziverse-bridge.status.connected', { sent, received }), ...asides))
  return pending(joined(RED._('platziverse-bridge.status.connecting'), ...asides))
}

/** The code of the error that keeps a bridge from being connected, if there is one. */
export function errorOf (state: BridgeState): ErrorCode | undefined {
  return state.state === 'connected' ? undefined : state.error?.code
}
