import type { BrokerOptions } from '../broker-options.ts'
import { isElsewhere } from '../broker-options.ts'
import type { Broker } from '../broker.ts'
import type { Taker } from '../publication.ts'
import { needsAnotherConnection, openRemoteBroker } from '../remote/remote-broker.ts'
import { isSameBroker } from '../remote/settings.ts'
import { openEmbeddedBroker } from './embedded-broker.ts'

/**
 * Open the broker that the options describe. Which engine it is made of is decided here alone: another one is added to this file.
 * @param taker takes publications off it
 * @throws PlatziverseError BROKER_FOLDER_…, BROKER_OPTION_INVALID
 */
export function openBroker (taker: Taker, options: BrokerOptions): Promise<Broker> {
  return isElsewhere(options) ? openRemoteBroker(taker, options) : openEmbeddedBroker(taker, options)
}

/** Whether a broker that is open cannot be what other options describe, however it is configured: another one has to take its place. */
export function needsAnotherBroker (before: BrokerOptions, after: BrokerOptions): boolean {
  if (isElsewhere(before) || isElsewhere(after)) return !isElsewhere(before) || !isElsewhere(after) || needsAnotherConnection(before, after)
  return before.folder !== after.folder
}

/** Whether two options may stand for one broker elsewhere. */
export function isSameElsewhere (one: BrokerOptions, other: BrokerOptions): boolean {
  return isElsewhere(one) && isElsewhere(other) && isSameBroker(one, other)
}

/** Whether a broker that these options describe would listen on one of some ports. */
export function listensOn (ports: readonly number[], options: BrokerOptions): boolean {
  return !isElsewhere(options) && options.listeners.some(({ port }) => ports.includes(port))
}
