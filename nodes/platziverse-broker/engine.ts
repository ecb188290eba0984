import type { Node } from 'node-red'
import type { BrokerOptions } from '../../lib/broker/broker-options.ts'
import type { ListenerState } from '../../lib/broker/broker.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import type { BrokerCredentials } from './config.ts'

export type BrokerNode = Node<BrokerCredentials>

/** What a node is by its mode. */
export interface Engine {
  options: BrokerOptions
  /** Why nobody can log in. */
  shut?: PlatziverseError
  /** A listener opened, failed or closed. */
  listened (states: readonly ListenerState[]): void
  /** Carries out a command; see control.ts. */
  obey (command: unknown, payload: unknown): Promise<unknown>
  close (): void
}
