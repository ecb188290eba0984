import type { Delivered, OutgoingPublication, Subscriber } from '../broker/publication.ts'
import { PlatziverseError } from '../errors.ts'
import { Spoken } from '../mqtt/link/spoken-version.ts'
import { Problems } from '../problems.ts'
import { LoopGuard } from './loops.ts'
import { Mark } from './mark.ts'
import type { BridgeSettings, Way } from './options.ts'

/** What a bridge needs of the broker that it belongs to. */
export interface LocalBroker {
  /**
   * Resolves once the broker took the message. Each attempt to hand over one message passes the same object.
   * @throws PlatziverseError BROKER_MISSING and DELIVERY_UNSETTLED, which are worth further attempts, and PUBLISH_FORBIDDEN, which is not
   */
  publish (publication: OutgoingPublication, origin?: string): Promise<void>
  /** @returns ends the subscription */
  subscribe (filter: string, subscriber: Subscriber): () => void
  /** The retained messages, a topic perhaps several times. Waits for a broker that is away, unless `signal` ends the wait. */
  retained (filters: string[], signal: AbortSignal): AsyncIterable<Delivered>
  /** Whether a client with this id is connected to it now. */
  hasClient? (clientId: string): boolean
  /** Whether an agent-in reads along what is published on the topic. */
  reads? (topic: string): boolean
}

/** What both directions of a bridge share. */
export class BridgeContext {
  readonly local: LocalBroker
  readonly settings: BridgeSettings
  /** Names the other broker, so that nothing returns to where it came from, not even over another bridge to the same broker. */
  readonly origin: string
  readonly mark = new Mark()
  readonly loops = new LoopGuard()
  readonly problems: Problems
  readonly counters = { sent: 0, received: 0, dropped: 0, loops: 0, reconnects: 0 }
  readonly spoken: Spoken<Way>

  constructor (local: LocalBroker, settings: BridgeSettings, report: (problem: PlatziverseError) => void) {
    this.local = local
    this.settings = settings
    this.origin = `bridge:${settings.address}`
    this.spoken = new Spoken(settings.ways)
    this.problems = new Problems(report)
  }

  /** How the other broker is spoken to now. */
  get way (): Way { return this.spoken.now }

  /** A message came round and is not carried again. */
  circled (topic: string): void {
    this.counters.loops++
    // A broker that does not know of the bridge always sends an echo.
    if (!this.way.hearsItself) this.problems.report('loop', new PlatziverseError('BRIDGE_LOOP', `A message of ${JSON.stringify(topic)} came round.`))
  }
}
