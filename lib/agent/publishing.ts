import type { Packet } from 'mqtt'
import { PlatziverseError } from '../errors.ts'
import { tooLarge } from '../mqtt/link/faults.ts'
import { publishSize, refusalOf } from '../mqtt/link/publish-answer.ts'
import { RefusedMessage } from '../mqtt/link/refused-message.ts'

/** How an agent publishes. The properties are of MQTT 5. */
export const jsonMessage = { qos: 1, properties: { payloadFormatIndicator: true, contentType: 'application/json' } } as const

/** Why a broker that speaks MQTT 5 does not want a message; undefined: it took it, or the connection ended before it answered. */
export function refusedBy (error: Parameters<typeof refusalOf>[0], answer: Packet | undefined): PlatziverseError | undefined {
  const reason = refusalOf(error, answer)
  return reason === undefined ? undefined : new PlatziverseError('AGENT_MESSAGE_REFUSED', `The broker refused a message: ${reason}.`, { cause: error })
}

/** Why a broker never takes a message. @param largest bytes of a packet, as it says in CONNACK; undefined: it does not say */
export function tooLargeFor (largest: number | undefined, topic: string, payload: string): PlatziverseError | undefined {
  if (largest === undefined) return undefined
  const bytes = publishSize({ topic, payload, ...jsonMessage })
  return bytes <= largest ? undefined : new PlatziverseError('AGENT_MESSAGE_REFUSED', tooLarge({ topic, bytes }, largest).detail)
}

/** Connections in a row that the broker ends over the same message before it is given up. */
const chances = 4

/**
 * Finds a message that is too large for a broker that hangs up over it instead of saying so. A broker that could not store a message hangs up, too, and must get
 * it again: so the message counts only where the same connection stored something before it, and where nothing as large was ever stored.
 */
export class HungUpOn<T> {
  readonly #refused = new RefusedMessage<T>(chances)
  #largest = 0

  /** The broker acknowledged a message. */
  acknowledged (bytes: number): void {
    this.#largest = Math.max(this.#largest, bytes)
  }

  /** The broker hung up on `oldest`, which went alone and after something that it acknowledged. @returns whether it is to be given up */
  hungUp (oldest: T, bytes: number): boolean {
    return bytes > this.#largest && this.#refused.hungUp(oldest)
  }
}
