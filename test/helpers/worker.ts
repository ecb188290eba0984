import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { RemoteBrokerOptions } from '../../lib/broker/broker-options.ts'
import { claimDelivery } from '../../lib/intake/pending-deliveries.ts'
import type { Rules } from '../../lib/messages/parse.ts'
import { attachIntake, closeOrphanBrokers, detachIntake } from '../../lib/registry/registry.ts'
import { Store } from '../../lib/store/store.ts'
import type { OpenDatabase } from './databases.ts'
import { openRemote, type RemoteBroker } from './remote-broker.ts'

export interface Worker extends RemoteBroker {
  store: Store
}

/** What a flow of a platziverse-broker elsewhere, an agent-in and a metric-store does, without Node-RED. @param rules of agent-in */
export async function openWorker (t: TestContext, options: RemoteBrokerOptions, database: OpenDatabase, rules?: Rules): Promise<Worker> {
  const id = randomUUID()
  const store = new Store(database.dialect, { instance: options.clientId })
  t.after(() => store.close())
  const remote = await openRemote(t, options)
  attachIntake(id, remote.id, {
    message (message, delivery) {
      const claim = claimDelivery(delivery.id)
      store.write(message, delivery.receivedAt, error => {
        claim?.settle(error === null || error.code === 'STORE_DATA_REFUSED' ? undefined : error)
      }, delivery.fingerprint, claim?.bytes, delivery)
    },
    rejected: () => undefined,
    unsettled: () => undefined
  }, { acknowledge: 'stored', timeLimit: 60_000, clientWindow: 1_000, totalWindow: 10_000, ...rules === undefined ? {} : { rules } })
  t.after(async () => {
    detachIntake(id, remote.id)
    await closeOrphanBrokers()
  })
  await remote.connected()
  return { ...remote, store }
}
