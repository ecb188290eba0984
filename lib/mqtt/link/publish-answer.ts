import { generate, type IPublishPacket, type Packet } from 'mqtt-packet'
import { reasonText } from './faults.ts'

/** What MQTT.js says of a message that it published. */
type Fault = { message: string, code?: unknown } | null | undefined

/**
 * Why a broker that speaks MQTT 5 does not want a message, whenever it comes [MQTT-4.4.0-2].
 * @param error of MQTT.js; its code is that of the answer
 * @param answer PUBACK, PUBREC or PUBCOMP
 * @returns undefined: it took the message, or the connection ended before it answered
 */
export function refusalOf (error: Fault, answer: Packet | undefined): string | undefined {
  if (typeof error?.code !== 'number' || isTaken(error, answer)) return undefined
  const said = answer?.cmd === 'puback' || answer?.cmd === 'pubrec' ? answer.properties?.['reasonString'] : undefined
  return reasonText(error.code, said)
}

/** Whether a broker took a message: what PUBCOMP complains of it had taken with PUBREC. */
export function isTaken (error: Fault, answer: Packet | undefined): boolean {
  return !error || answer?.cmd === 'pubcomp'
}

/** Bytes of a message as MQTT 5 packs it. */
export function publishSize ({ topic, payload, qos, properties }: Pick<IPublishPacket, 'topic' | 'payload' | 'qos' | 'properties'>): number {
  const empty: IPublishPacket = { cmd: 'publish', topic, payload: '', qos, retain: false, dup: false, ...qos > 0 ? { messageId: 1 } : {}, ...properties === undefined ? {} : { properties } }
  const start = generate(empty, { protocolVersion: 5 }).length
  const length = start - 1 - lengthBytes(start - 2) + Buffer.byteLength(payload)
  return 1 + lengthBytes(length) + length
}

function lengthBytes (length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4
}
