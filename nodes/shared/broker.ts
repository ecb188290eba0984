import { closeAllAgents, closeOrphanAgents } from '../../lib/registry/agents.ts'
import { closeAllBridges, closeOrphanBridges } from '../../lib/registry/bridges.ts'
import { startOutboxes, stopOutboxes } from '../../lib/registry/outbox.ts'
import { closeAllBrokers, closeOrphanBrokers, flowsStarted, flowsStarting, flowsStopped } from '../../lib/registry/registry.ts'
import { tellingOf } from './language.ts'
import type { RED } from './red.ts'

/** Node-RED's event when the flows have started: the configuration, disabled nodes included. */
interface FlowsStarted { config: { flows: Array<{ id: string }> } }

const watched = new WeakSet<object>()

/** Tells brokers, bridges, agents and outboxes, which outlive their nodes in a deploy, when flows stop and start. May be called often. */
export function watchFlows (RED: RED): void {
  const { events } = RED
  if (watched.has(events)) return
  watched.add(events)
  events.on('flows:stopping', stopOutboxes)
  /** Every node of the flows has been made. */
  const taken = (isKept: (nodeId: string) => boolean): void => {
    startOutboxes()
    const warn = (problem: Error): void => { RED.log.warn(tellingOf(RED, problem)) }
    const closed = Promise.all([closeOrphanAgents(warn), closeOrphanBridges(isKept), closeOrphanBrokers()])
    closed.catch((error: unknown) => { RED.log.error(error) })
  }
  // No start follows when flows are stopped by hand, or when a deploy brings a node whose type is missing.
  events.on('flows:stopped', () => { flowsStopped(() => { taken(() => true) }) })
  events.on('flows:starting', flowsStarting)
  events.on('flows:started', ({ config }: FlowsStarted) => {
    const ids = new Set(config.flows.map(({ id }) => id))
    // The id of a node in a subflow begins with that of the subflow's instance.
    taken(nodeId => ids.has(nodeId) || ids.has(nodeId.split('-', 1)[0] as string))
    flowsStarted()
  })
}

/** Close every agent, bridge and broker of this process, for tests. */
export async function closeAll (): Promise<void> {
  await closeAllAgents()
  await closeAllBridges()
  await closeAllBrokers()
}
