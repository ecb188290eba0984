import type { IConnackPacket } from 'mqtt-packet'
import { sizeOf, type Outbound } from '../../mqtt/link/publish-packet.ts'

/** What a connection takes. */
export interface Terms {
  version: 4 | 5
  /** How many messages may be unacknowledged. */
  window: number
  packetSize: number
  qos: number
  retain: boolean
  /** How many topic aliases it understands. */
  aliases: number
}

/** What a broker that let this client in wants it to keep to. @param window where the broker does not say */
export function termsOf (version: 4 | 5, { properties }: IConnackPacket, window: number): Terms {
  return {
    version,
    window: properties?.receiveMaximum ?? window,
    packetSize: properties?.maximumPacketSize ?? Infinity,
    qos: properties?.maximumQoS ?? 2,
    retain: properties?.retainAvailable ?? true,
    aliases: properties?.topicAliasMaximum ?? 0
  }
}

/** Why a broker would hang up on a message. @returns undefined: it would not */
export function refusalOf (message: Outbound, { version, packetSize, qos, retain }: Terms): string | undefined {
  if (message.qos > qos) return `The broker takes no more than QoS ${qos}.`
  if (message.retain && !retain) return 'The broker retains no messages.'
  const size = sizeOf(message, version)
  return size > packetSize ? `The broker takes packets of up to ${packetSize} bytes, and this one has ${size}.` : undefined
}
