import { closeAllBrokers, findBroker, flowsStarted, flowsStarting, flowsStopped } from '../../lib/broker/hub.ts'
import { closeAllBridges, closeOrphanBridges } from '../../lib/registry/bridges.ts'
import { startOutboxes, stopOutboxes } from '../../lib/registry/outbox.ts'
import type { RED } from './red.ts'

const watched = new WeakSet<object>()

/** Tell what outlives its node in a deploy when flows stop and start. May be called often. */
export function watchFlows (RED: RED): void {
  const { events } = RED
  if (watched.has(events)) return
  watched.add(events)
  events.on('flows:stopping', stopOutboxes)
  const taken = (): void => {
    startOutboxes()
    closeOrphanBridges().catch((error: unknown) => { RED.log.error(error) })
  }
  events.on('flows:stopped', () => { flowsStopped(taken) })
  events.on('flows:starting', flowsStarting)
  events.on('flows:started', () => {
    taken()
    flowsStarted().catch((error: unknown) => { RED.log.error(error) })
  })
}

/** The address of a broker of this process for a client of the same machine; undefined while it does not listen. */
export function brokerUrl (brokerId: string): string | undefined {
  const { listener } = findBroker(brokerId)
  if (listener.state !== 'listening') return undefined
  const { host, port } = listener
  if (host === '0.0.0.0' || host === '::') return `mqtt://127.0.0.1:${port}`
  return `mqtt://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Close every bridge and broker of this process, for tests. */
export async function closeAll (): Promise<void> {
  await closeAllBridges()
  await closeAllBrokers()
}
