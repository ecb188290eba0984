import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { RemoteBrokerOptions } from '../../lib/broker/broker-options.ts'
import { claimDelivery } from '../../lib/intake/pending-deliveries.ts'
import { attachIntake, closeOrphanBrokers, detachIntake } from '../../lib/registry/registry.ts'
import { Store } from '../../lib/store/store.ts'
import type { OpenDatabase } from './databases.ts'
import { openRemote, type RemoteBroker } from './remote-broker.ts'

export interface Worker extends RemoteBroker {
  store: Store
}

/** What a flow of a platziverse-broker elsewhere, an agent-in and a metric-store does, without Node-RED. */
export async function openWorker (t: TestContext, options: RemoteBrokerOptions, database: OpenDatabase): Promise<Worker> {
  const id = randomUUID()
  const store = new Store(database.dialect, { instance: options.clientId })
  t.after(() => store.close())
  const remote = await openRemote(t, options)
  attachIntake(id, remote.id, {
    message (message, delivery) {
      const claim = claimDelivery(delivery.id)
      store.write(message, delivery.receivedAt, error => { claim?.settle(error ?? undefined) }, delivery.fingerprint)
    },
    rejected: () => undefined,
    unsettled: () => undefined
  }, { acknowledge: 'stored', timeLimit: 60_000, clientWindow: 1_000, totalWindow: 10_000 })
  t.after(async () => {
    detachIntake(id, remote.id)
    await closeOrphanBrokers()
  })
  await remote.connected()
  return { ...remote, store }
}
