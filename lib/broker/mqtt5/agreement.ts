import { randomUUID } from 'node:crypto'
import type { IConnectPacket } from 'mqtt-packet'
import type { Limits } from '../limits.ts'
import { mostUnreleased } from '../persistence/received.ts'
import type { Terms } from './answers.ts'
import { readWishes, type Wishes } from './wishes.ts'

/** The receive maximum and topic aliases are at most this. */
const most = 65_535

/** What a client's wishes and the broker's limits come to. */
export interface Agreement {
  /** As they are granted. */
  wishes: Wishes
  clientId: string
  /** Messages of QoS 1 and 2 that the client may have unacknowledged. */
  receiveMaximum: number
  /** Topic aliases of the client, and as many of the broker if the client understands them. */
  aliases: number
  /** What differs from the wishes. */
  terms: Terms
}

/** @param mostUnsettled messages of one client that wait to be settled at most; undefined: any number */
export function agreeOn (packet: IConnectPacket, limits: Limits, mostUnsettled: number | undefined): Agreement {
  const wishes = readWishes(packet)
  const receiveMaximum = Math.min(most, limits.receiveMaximum || Math.min(mostUnreleased, mostUnsettled ?? mostUnreleased))
  const aliases = limits.topicAliases || most
  const terms: Terms = { topicAliasMaximum: aliases }
  if (receiveMaximum < most) terms.receiveMaximum = receiveMaximum
  if (limits.packetBytes > 0) terms.maximumPacketSize = limits.packetBytes
  if (limits.sessionExpiry > 0 && wishes.sessionExpiry > limits.sessionExpiry) wishes.sessionExpiry = terms.sessionExpiryInterval = limits.sessionExpiry
  if (limits.keepalive > 0 && (wishes.keepalive === 0 || wishes.keepalive > limits.keepalive)) wishes.keepalive = terms.serverKeepAlive = limits.keepalive
  if (packet.clientId === '') terms.assignedClientIdentifier = `auto-${randomUUID()}`
  return { wishes, clientId: terms.assignedClientIdentifier ?? packet.clientId, receiveMaximum, aliases, terms }
}
