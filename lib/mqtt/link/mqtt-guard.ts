import type { MqttClient } from 'mqtt'
import type { Packet } from 'mqtt-packet'

/** Properties of CONNACK that MQTT.js calculates with. */
const numbers = ['serverKeepAlive', 'topicAliasMaximum', 'receiveMaximum', 'maximumPacketSize'] as const

/**
 * Keeps from MQTT.js what it cannot take: a packet without an id, or a CONNACK with a number twice, makes it throw where nobody can catch it, which
 * ends the process; after a CONNACK without a code it waits for ever; and after something that its parser refuses, such as the reason 0x95 that Mosquitto gives
 * for a message that is too large, it reads nothing more. The connection is closed instead, and MQTT.js connects again.
 */
export function guard<T extends Pick<MqttClient, 'on' | 'stream'>> (client: T): T {
  client.on('packetreceive', packet => {
    if (isSound(packet as Packet)) return
    // Of a type that only servers take, which MQTT.js passes over.
    packet.cmd = 'pingreq'
    client.stream.destroy(new Error('the broker sent a packet that is not complete'))
  })
  // Errors of the network and refusals have a code, and end the connection anyway.
  client.on('error', error => { if (!('code' in error)) client.stream.destroy() })
  return client
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
