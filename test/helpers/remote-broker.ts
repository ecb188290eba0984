import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { RemoteBrokerOptions } from '../../lib/broker/broker-options.ts'
import type { ListenerState } from '../../lib/broker/broker.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import { attachBroker, findBroker, type RegisteredBroker } from '../../lib/registry/registry.ts'
import { removeBroker } from './broker.ts'
import { waitFor } from './events.ts'

export interface RemoteBroker {
  id: string
  place: RegisteredBroker
  problems: PlatziverseError[]
  /** Resolves once it is connected, or is again. */
  connected (): Promise<unknown>
}

/** Of a worker that shares with others of its group. */
export function remoteOptions (url: string, options: Partial<RemoteBrokerOptions> = {}): RemoteBrokerOptions {
  return {
    url, clientId: `worker-${randomUUID()}`, version: 'auto', group: 'platziverse', shards: [], keepalive: 60, sessionExpiry: 3600, receiveMaximum: 1000, ...options
  }
}

/** A broker elsewhere, as a platziverse-broker node has it; closed after the test. */
export async function openRemote (t: Pick<TestContext, 'after'>, options: RemoteBrokerOptions): Promise<RemoteBroker> {
  const id = randomUUID()
  const place = findBroker(id)
  const problems: PlatziverseError[] = []
  place.on('problem', problem => { problems.push(problem) })
  t.after(() => removeBroker(id))
  await attachBroker(id, options)
  return {
    id,
    place,
    problems,
    connected: async () => place.listener.state === 'connected' || waitFor<ListenerState>(place, 'listener', ({ state }) => state === 'connected')
  }
}
