import { decodeProperties, encodedOnce, type MessageProperties } from '../mqtt/message-properties.ts'
import { carriedBy, carry, type Carried } from './carried.ts'
import type { OutgoingPublication } from './publication.ts'

/** What a message carries, as plain data; undefined: nothing. */
export function propertiesOf (payload: Buffer | string): MessageProperties | undefined {
  const carried = carriedBy(payload)
  if (carried === undefined || (carried.properties.length === 0 && carried.expiresAt === undefined)) return undefined
  const properties = decodeProperties(carried.properties)
  if (carried.expiresAt !== undefined) properties.messageExpiry = Math.max(0, Math.ceil((carried.expiresAt - Date.now()) / 1000))
  return properties
}

/** Let a message carry what 3.1.1 does not know. @returns the payload as a Buffer of its own */
export function withProperties ({ payload, retain, properties = {}, noAlias = false }: OutgoingPublication): Buffer {
  // A flow may publish one Buffer several times. Its bytes are the same.
  const own = typeof payload === 'string' ? Buffer.from(payload) : payload.subarray()
  const { messageExpiry } = properties
  const carried: Carried = { properties: encodedOnce(properties), retain }
  if (messageExpiry !== undefined) carried.expiresAt = Date.now() + messageExpiry * 1000
  if (noAlias) carried.noAlias = true
  carry(own, carried)
  return own
}
