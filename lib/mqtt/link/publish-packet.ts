/** A message as it goes out. */
export interface Outbound {
  topic: string
  payload: string | Buffer
  qos: 0 | 1 | 2
  retain: boolean
  /** Of topic and payload as UTF-8, in bytes. */
  topicBytes: number
  payloadBytes: number
  /** Of MQTT 5, as they stand in a packet, without the length in front. */
  properties?: Buffer | undefined
  /** Of MQTT 5: seconds for which the message is worth delivering. */
  expiry?: number | undefined
  /** Of MQTT 5: stands for the topic on this connection; `known`: the broker was told so, and the topic is left out. Undefined: none does. */
  alias?: { alias: number, known: boolean } | undefined
  /** With QoS 0 without a meaning. */
  packetId: number
  /** Whether it went out before, on another connection. */
  again: boolean
}

/** Of the property with the seconds. [MQTT 5, 3.3.2.3.3] */
const messageExpiry = 0x02
/** Of the property with the alias. [MQTT 5, 3.3.2.3.4] */
const topicAlias = 0x23
/** Bytes of that property. */
export const aliasBytes = 3

/** Bytes of the properties, without their length. */
function propertiesLength ({ properties, expiry, alias }: Outbound): number {
  return (properties?.length ?? 0) + (expiry === undefined ? 0 : 5) + (alias === undefined ? 0 : aliasBytes)
}

/** Bytes of the topic as it stands in the packet. */
function sentTopicBytes ({ topicBytes, alias }: Outbound): number {
  return alias?.known === true ? 0 : topicBytes
}

/** Bytes of a length. */
function lengthBytes (length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4
}

/** @returns where the length ends */
function writeLength (bytes: Buffer, length: number, at: number): number {
  for (; length >= 0x80; length = Math.floor(length / 0x80)) bytes[at++] = length % 0x80 | 0x80
  bytes[at++] = length
  return at
}

/** Bytes after the fixed header. */
function lengthOf (message: Outbound, version: 4 | 5): number {
  const { qos, payloadBytes } = message
  const properties = version === 5 ? propertiesLength(message) : 0
  return 2 + sentTopicBytes(message) + (qos > 0 ? 2 : 0) + (version === 5 ? lengthBytes(properties) + properties : 0) + payloadBytes
}

/** Bytes of the whole packet. */
export function sizeOf (message: Outbound, version: 4 | 5): number {
  const length = lengthOf(message, version)
  return 1 + lengthBytes(length) + length
}

/**
 * Messages as PUBLISH packets, in one piece: mqtt-packet writes seven or eight pieces for each, which costs several times as much.
 * @param size of all of them together
 */
export function publishPackets (messages: readonly Outbound[], size: number, version: 4 | 5): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const message of messages) {
    const { topic, payload, qos, retain, packetId, again, payloadBytes, properties, expiry, alias } = message
    const topicBytes = sentTopicBytes(message)
    // [MQTT-3.3.1-1], [MQTT-3.3.1-2]
    bytes[at++] = 0x30 | (again && qos > 0 ? 8 : 0) | qos << 1 | (retain ? 1 : 0)
    at = writeLength(bytes, lengthOf(message, version), at)
    at = bytes.writeUInt16BE(topicBytes, at)
    if (topicBytes > 0) at += bytes.write(topic, at)
    if (qos > 0) at = bytes.writeUInt16BE(packetId, at)
    if (version === 5) {
      at = writeLength(bytes, propertiesLength(message), at)
      if (expiry !== undefined) {
        bytes[at++] = messageExpiry
        at = bytes.writeUInt32BE(expiry, at)
      }
      if (alias !== undefined) {
        bytes[at++] = topicAlias
        at = bytes.writeUInt16BE(alias.alias, at)
      }
      if (properties !== undefined) at += properties.copy(bytes, at)
    }
    if (typeof payload === 'string') bytes.write(payload, at)
    else payload.copy(bytes, at)
    at += payloadBytes
  }
  return bytes
}
