import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import type { Packet } from 'mqtt-packet'
import { PacketLimit, type Oversized } from './packet-limit.ts'

/** Properties of CONNACK that MQTT.js calculates with. */
const numbers = ['serverKeepAlive', 'topicAliasMaximum', 'receiveMaximum', 'maximumPacketSize'] as const
/** Bytes and number of messages of QoS 2 that a broker may leave without PUBREL. MQTT.js keeps each of them until then. */
const mostHeld = { bytes: 64_000_000, messages: 1_000 }
/** How many times as large as a packet a frame of a WebSocket may be: it is unfolded and gathered whole before MQTT is seen in it. */
const framed = 8

export interface PacketBounds {
  /** Bytes of the largest packet that is taken. A larger PUBLISH is acknowledged and not kept. */
  largest: number
  /** Called with a PUBLISH that is larger. */
  steppedOver (packet: Oversized): void
}

/**
 * Connect with MQTT.js, and keep from it what it cannot take. A packet without an id, or a CONNACK with a number twice, makes it throw where nobody can catch
 * it, which ends the process; after a CONNACK without a code it waits for ever; after something that its parser refuses, such as the reason 0x95 that Mosquitto
 * gives for a message that is too large, it reads nothing more; and it gathers packets of any size, up to 256 MB. A broker that breaks MQTT loses the connection,
 * and MQTT.js connects again as its options say.
 */
export function connectGuarded (url: string, options: IClientOptions, bounds: PacketBounds): MqttClient {
  const wsOptions = { ...options.wsOptions, maxPayload: framed * bounds.largest, perMessageDeflate: false }
  return guard(mqtt.connect(url, { ...options, wsOptions }), bounds)
}

function guard (client: MqttClient, bounds: PacketBounds): MqttClient {
  // With `manualConnect` there is none yet.
  if ((client.stream as MqttClient['stream'] | undefined) !== undefined) limit(client, bounds)
  const held = new Map<number, number>()
  let bytes = 0
  const release = (packetId: number): void => {
    bytes -= held.get(packetId) ?? 0
    held.delete(packetId)
  }
  // MQTT.js says CONNECT once it has a new stream, and before anything is read from it.
  client.on('packetsend', packet => { if (packet.cmd === 'connect') limit(client, bounds) })
  client.on('packetreceive', packet => {
    const { messageId = 0 } = packet
    if (packet.cmd === 'publish' && packet.qos === 2) {
      release(messageId)
      held.set(messageId, packet.payload.length)
      bytes += packet.payload.length
    } else if (packet.cmd === 'pubrel') release(messageId)
    else if (packet.cmd === 'connack' && !packet.sessionPresent) {
      // MQTT.js forgets them, too.
      held.clear()
      bytes = 0
    }
    const fault = !isSound(packet as Packet)
      ? 'the broker sent a packet that is not complete'
      : bytes > mostHeld.bytes || held.size > mostHeld.messages ? 'the broker sends messages of QoS 2 and never releases them' : undefined
    if (fault === undefined) return
    // Of a type that only servers take, which MQTT.js passes over.
    packet.cmd = 'pingreq'
    client.stream.destroy(faulty(fault))
  })
  // MQTT.js waits for room for a message of QoS 0, and after the end of the connection for ever: that one counts as sent.
  client.on('close', () => { client.stream.emit('drain') })
  // Errors of the network and refusals have a code, and end the connection anyway.
  client.on('error', error => { if (!('code' in error)) client.stream.destroy() })
  return client
}

/** Stand between the client's stream and its parser, which gathers each packet whole. */
function limit ({ stream }: MqttClient, { largest, steppedOver }: PacketBounds): void {
  const push = stream.push.bind(stream)
  let goesOn = true
  const packets = new PacketLimit(largest, bytes => { goesOn = push(bytes) }, packet => {
    const { qos, packetId } = packet
    // PUBACK, or PUBREC, whose PUBREL MQTT.js answers.
    if (qos > 0 && !stream.destroyed) stream.write(Buffer.from([qos === 1 ? 0x40 : 0x50, 2, packetId >> 8, packetId & 0xff]))
    steppedOver(packet)
  })
  // A stream has no place for a filter, and MQTT.js has piped it already. What it reads comes through here, as it does through `_read` in one of our own.
  stream.push = (chunk: Buffer | null, encoding?: BufferEncoding): boolean => {
    if (chunk === null) return push(chunk, encoding)
    goesOn = true
    try {
      packets.write(chunk)
    } catch (error) {
      stream.destroy(faulty((error as Error).message))
      return false
    }
    return goesOn
  }
}

/** MQTT.js tells only of errors that have a code. */
function faulty (text: string): Error {
  return Object.assign(new Error(text), { code: 'EPROTO' })
}

function isSound (packet: Packet): boolean {
  switch (packet.cmd) {
    case 'connack': {
      if ((packet.reasonCode ?? packet.returnCode) === undefined) return false
      const properties: Record<string, unknown> = { ...packet.properties }
      return numbers.every(name => properties[name] === undefined || (Number.isInteger(properties[name]) && Number(properties[name]) >= 0))
    }
    case 'publish': return packet.qos === 0 || hasId(packet)
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
    case 'suback':
    case 'unsuback': return hasId(packet)
    default: return true
  }
}

/** The parser gives -1 where there is none. */
function hasId ({ messageId = 0 }: Packet): boolean {
  return messageId > 0
}
