import { closeAllAgents, closeOrphanAgents } from '../../lib/registry/agents.ts'
import { closeAllBridges, closeOrphanBridges } from '../../lib/registry/bridges.ts'
import { startOutboxes, stopOutboxes } from '../../lib/registry/outbox.ts'
import { closeAllBrokers, closeOrphanBrokers, flowsStarted, flowsStarting, flowsStopped } from '../../lib/registry/registry.ts'
import type { RED } from './red.ts'

/** What Node-RED tells when the flows have started: the configuration, with what is disabled. */
interface FlowsStarted { config: { flows: Array<{ id: string }> } }

const watched = new WeakSet<object>()

/** Tell what outlives its node in a deploy when flows stop and start. May be called often. */
export function watchFlows (RED: RED): void {
  const { events } = RED
  if (watched.has(events)) return
  watched.add(events)
  events.on('flows:stopping', stopOutboxes)
  /** All nodes that are to come are there. */
  const taken = (isKept: (nodeId: string) => boolean): void => {
    startOutboxes()
    Promise.all([closeOrphanAgents(problem => { RED.log.warn(problem.message) }), closeOrphanBridges(isKept), closeOrphanBrokers()]).catch((error: unknown) => { RED.log.error(error) })
  }
  // Nothing follows where flows are stopped by hand, or where a deploy brings a node whose type is missing.
  events.on('flows:stopped', () => { flowsStopped(() => { taken(() => true) }) })
  events.on('flows:starting', flowsStarting)
  events.on('flows:started', ({ config }: FlowsStarted) => {
    const ids = new Set(config.flows.map(({ id }) => id))
    // A node in a subflow has the id of the subflow's instance before its own.
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
