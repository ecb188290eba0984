import type { Packet } from 'mqtt'
import { PlatziverseError } from '../errors.ts'
import { tooLarge } from '../mqtt/link/faults.ts'
import { publishSize, refusalOf } from '../mqtt/link/publish-answer.ts'

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
