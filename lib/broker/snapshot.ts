import type { ProtocolVersion } from '../mqtt/protocol-version.ts'

/** The state of a broker. Numbers count since its start, unless they are said to be of now. */
export interface BrokerSnapshot {
  /** ms of performance.now(). */
  startedAt: number
  clients: {
    connected: number
    /** Of these, how many speak each version of MQTT. */
    byVersion: Record<ProtocolVersion, number>
    /** The most that were connected at one time. */
    maximum: number
    /** Sessions whose client is away. */
    disconnected: number
    /** Sessions that ended because their client was away for too long. */
    expired: number
    /** Connected and away. */
    total: number
  }
  messages: {
    /** Packets of any type. */
    received: number
    sent: number
    publishReceived: number
    publishSent: number
    /** All of `droppedBy`. */
    publishDropped: number
    /** Kept for clients now, each once for all clients that it waits for; retained messages are not included. */
    stored: number
  }
  bytes: {
    received: number
    sent: number
    /** Of payloads. */
    publishReceived: number
    publishSent: number
  }
  /** Retained messages now. */
  retained: number
  /** Now, including those of clients that are away. */
  subscriptions: number
  connections: {
    accepted: number
    refused: number
    /** Sockets that were opened, whether or not they got any further. */
    sockets: number
    /** CONNECT packets, whatever the answer. */
    connects: number
  }
  /** By limit or reason. */
  refusedBy: Record<string, number>
  /** By limit or reason; `rules`: what the access rules forbid. */
  droppedBy: Record<string, number>
  /** Connected now. */
  agents: number
  /** Deliveries now that are not settled yet. */
  unsettled: number
  /** Publications now that wait to become deliveries. */
  waiting: number
  rejected: number
}
