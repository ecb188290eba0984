import type { IPublishPacket } from 'mqtt'
import type { MessageProperties } from '../message-properties.ts'

/** As MQTT.js has them: user properties that it read are by their names, in the order in which each came first, and names that are numbers before all others. */
type UserProperties = NonNullable<PacketProperties['userProperties']>
export type PacketProperties = NonNullable<IPublishPacket['properties']>

/** What a message carries that a broker sent. @returns undefined: nothing */
export function fromPacket (packet: PacketProperties | undefined): MessageProperties | undefined {
  if (packet === undefined) return undefined
  const { contentType, responseTopic, correlationData, payloadFormatIndicator, messageExpiryInterval, userProperties = {} } = packet
  const properties: MessageProperties = {}
  // What a broker sends twice, against the protocol, MQTT.js gives as a list.
  if (typeof contentType === 'string') properties.contentType = contentType
  if (typeof responseTopic === 'string') properties.responseTopic = responseTopic
  if (Buffer.isBuffer(correlationData)) properties.correlationData = Buffer.from(correlationData)
  if (payloadFormatIndicator === true) properties.isText = true
  if (typeof messageExpiryInterval === 'number') properties.messageExpiry = messageExpiryInterval
  const pairs = Object.entries(userProperties).flatMap(([name, values]) => [values].flat().map((value): [string, string] => [name, value]))
  if (pairs.length > 0) properties.userProperties = pairs
  return Object.keys(properties).length === 0 ? undefined : properties
}

/** The inverse of `fromPacket`. */
export function toPacket ({ contentType, responseTopic, correlationData, userProperties = [], isText, messageExpiry }: MessageProperties): PacketProperties {
  const packet: PacketProperties = {}
  if (isText === true) packet.payloadFormatIndicator = true
  if (messageExpiry !== undefined) packet.messageExpiryInterval = messageExpiry
  if (contentType !== undefined) packet.contentType = contentType
  if (responseTopic !== undefined) packet.responseTopic = responseTopic
  if (correlationData !== undefined) packet.correlationData = correlationData
  // A list of one each, which mqtt-packet writes in order [MQTT-3.3.2-18]; MQTT.js' types do not know of it.
  return userProperties.length === 0 ? packet : { ...packet, userProperties: userProperties.map(([name, value]) => ({ [name]: value })) as unknown as UserProperties }
}

/** About how many bytes they take. */
export function weightOf ({ contentType = '', responseTopic = '', correlationData, userProperties = [] }: MessageProperties): number {
  const own = contentType.length + responseTopic.length + (correlationData?.length ?? 0)
  return userProperties.reduce((sum, [name, value]) => sum + name.length + value.length, own)
}
