/** A message as it goes out. */
export interface Outbound {
  topic: string
  payload: string | Buffer
  qos: 0 | 1 | 2
  retain: boolean
  /** Of topic and payload as UTF-8, in bytes. */
  topicBytes: number
  payloadBytes: number
  /** With QoS 0 without a meaning. */
  packetId: number
  /** Whether it went out before, on another connection. */
  again: boolean
}

/** Bytes after the fixed header. */
function lengthOf ({ qos, topicBytes, payloadBytes }: Outbound, version: 4 | 5): number {
  return 2 + topicBytes + (qos > 0 ? 2 : 0) + (version === 5 ? 1 : 0) + payloadBytes
}

/** Bytes of the whole packet. */
export function sizeOf (message: Outbound, version: 4 | 5): number {
  const length = lengthOf(message, version)
  return length + (length < 0x80 ? 2 : length < 0x4000 ? 3 : length < 0x20_0000 ? 4 : 5)
}

/**
 * Messages as PUBLISH packets, in one piece: mqtt-packet writes seven or eight pieces for each, which costs several times as much.
 * @param size of all of them together
 */
export function publishPackets (messages: readonly Outbound[], size: number, version: 4 | 5): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const message of messages) {
    const { topic, payload, qos, retain, packetId, again, topicBytes, payloadBytes } = message
    // [MQTT-3.3.1-1], [MQTT-3.3.1-2]
    bytes[at++] = 0x30 | (again && qos > 0 ? 8 : 0) | qos << 1 | (retain ? 1 : 0)
    let length = lengthOf(message, version)
    for (; length >= 0x80; length = Math.floor(length / 0x80)) bytes[at++] = length % 0x80 | 0x80
    bytes[at++] = length
    at = bytes.writeUInt16BE(topicBytes, at)
    at += bytes.write(topic, at)
    if (qos > 0) at = bytes.writeUInt16BE(packetId, at)
    // No properties.
    if (version === 5) bytes[at++] = 0
    if (typeof payload === 'string') bytes.write(payload, at)
    else payload.copy(bytes, at)
    at += payloadBytes
  }
  return bytes
}
