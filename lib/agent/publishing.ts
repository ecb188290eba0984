import type { Packet } from 'mqtt'
import { PlatziverseError } from '../errors.ts'

/** How an agent publishes. The properties are of MQTT 5. */
export const jsonMessage = { qos: 1, properties: { payloadFormatIndicator: true, contentType: 'application/json' } } as const

/** Characters of a broker's reason that are shown. */
const mostShown = 500

/**
 * Why a broker that speaks MQTT 5 does not want a message, whenever it comes [MQTT-4.4.0-2].
 * @param error of MQTT.js; its code is that of PUBACK
 * @param answer the PUBACK
 * @returns undefined: it took the message, or the connection ended before it answered
 */
export function refusalOf (error: { message: string, code?: unknown } | null | undefined, answer: Packet | undefined): PlatziverseError | undefined {
  if (typeof error?.code !== 'number') return undefined
  const reason = (answer?.cmd === 'puback' ? answer.properties?.reasonString : undefined)?.slice(0, mostShown) ?? `code ${error.code}`
  return new PlatziverseError('AGENT_MESSAGE_REFUSED', `The broker refused a message: ${reason.replace(/\.$/, '')}.`, { cause: error })
}
