import type { NodeStatus } from 'node-red'
import type { RegisteredBroker } from '../../lib/registry/registry.ts'
import type { RED } from '../shared/red.ts'
import { bad, good, pending, problemText } from '../shared/status.ts'

/** The status of the node; undefined: it stays as it is. */
export function statusOf (RED: RED, broker: RegisteredBroker): NodeStatus | undefined {
  const failed = broker.listenerStates.find(({ state }) => state === 'failed')
  if (failed?.state === 'failed') return bad(problemText(RED, failed.error.code))
  if (broker.listener.state === 'connected') return good(RED._('platziverse-broker.status.connected', { address: broker.listener.address }))
  const ports = broker.listenerStates.flatMap(listener => listener.state === 'listening' ? listener.port : [])
  if (ports.length > 0) {
    const { clients } = broker.statistics()
    return good(RED._('platziverse-broker.status.listening', { port: ports.join(', '), count: clients, clients }))
  }
  return broker.listener.state === 'starting' ? pending(broker.isElsewhere ? RED._('platziverse-broker.status.connecting') : RED._('platziverse-broker.status.starting')) : undefined
}
