import type { IConnackPacket } from 'mqtt'

/** The most messages that are sent and not acknowledged: Mosquitto hangs up when more of QoS 2 are under way. */
export const usualWindow = 20

/** What the other broker takes. */
export interface Terms {
  /** How many messages may be unacknowledged. */
  window: number
  /** Bytes of the largest packet. */
  packetSize: number
  qos: 0 | 1 | 2
  /** Whether it retains messages. */
  retain: boolean
}

/** As it says in CONNACK, with MQTT 5. */
export function termsOf ({ receiveMaximum = usualWindow, maximumPacketSize = Infinity, maximumQoS = 2, retainAvailable = true }: NonNullable<IConnackPacket['properties']> = {}): Terms {
  return { window: Math.min(usualWindow, receiveMaximum), packetSize: maximumPacketSize, qos: maximumQoS as Terms['qos'], retain: retainAvailable }
}
