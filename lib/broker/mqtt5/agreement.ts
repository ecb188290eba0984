import { randomUUID } from 'node:crypto'
import type { IConnectPacket } from 'mqtt-packet'
import type { Limits } from '../limits.ts'
import { mostUnreleased } from '../persistence/received.ts'
import type { Terms } from './answers.ts'

/** The receive maximum and topic aliases are at most this. */
const most = 65_535

/** Stands for ever. [MQTT 5, 3.1.2.11.2] */
const forever = 0xffffffff

/** What a client of MQTT 5 asks for in CONNECT, with the standard's value for what it does not say. */
export interface Wishes {
  /** Whether a session that is there ends, and a new one begins. */
  cleanStart: boolean
  /** Seconds after the connection for which the session is kept; Infinity: for ever. */
  sessionExpiry: number
  /** Most messages of QoS 1 and 2 on their way to it. */
  receiveMaximum: number
  /** Bytes of the largest packet that it takes. */
  packetSize: number
  /** Topic aliases that it understands. */
  topicAliases: number
  /** Whether it wants reason strings with everything, and not only with CONNACK and DISCONNECT. */
  wantsReasons: boolean
  /**
   * Whether a message that several of its subscriptions bring comes once for each of their ids, and not once with all of them. Node-RED's own nodes compare the ids with
   * a number: with several, none of them takes the message. They are known by asking for response information, which hardly any other client does.
   */
  wantsCopies: boolean
  /** Of an authentication beyond username and password; undefined: none. */
  authentication: string | undefined
  /** Seconds; 0: none. */
  keepalive: number
}

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

function readWishes ({ clean, keepalive = 0, properties = {} }: IConnectPacket): Wishes {
  return {
    cleanStart: clean === true,
    sessionExpiry: secondsOf(properties.sessionExpiryInterval ?? 0),
    receiveMaximum: properties.receiveMaximum ?? 65_535,
    packetSize: properties.maximumPacketSize ?? Infinity,
    topicAliases: properties.topicAliasMaximum ?? 0,
    // mqtt-packet gives these as numbers or booleans.
    wantsReasons: Number(properties.requestProblemInformation ?? 1) === 1,
    wantsCopies: Number(properties.requestResponseInformation ?? 0) === 1,
    authentication: properties.authenticationMethod,
    keepalive
  }
}

/** A session expiry interval in seconds; Infinity: for ever. */
export function secondsOf (interval: number): number {
  return interval === forever ? Infinity : interval
}
