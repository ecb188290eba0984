/** Where a broker stands. What is not said to be of now is counted since it started. */
export interface BrokerSnapshot {
  /** ms of performance.now(). */
  startedAt: number
  clients: {
    connected: number
    /** The most that were connected at one time. */
    maximum: number
    /** Sessions whose client is away. */
    disconnected: number
    /** Sessions that ended because their client was away for too long. */
    expired: number
    /** Those connected and those away. */
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
    /** Kept for clients now, each once however many it waits for; without those that are retained. */
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
  /** Now, those of clients that are away included. */
  subscriptions: number
  connections: {
    accepted: number
    refused: number
    /** Sockets that were opened, whatever became of them. */
    sockets: number
    /** CONNECT packets, whatever was answered. */
    connects: number
  }
  /** By limit or reason. */
  refusedBy: Record<string, number>
  /** By limit or reason; `rules`: what they forbid. */
  droppedBy: Record<string, number>
  /** Connected now. */
  agents: number
  /** Deliveries now that nobody has settled yet. */
  unsettled: number
  /** Publications now that wait to become deliveries. */
  waiting: number
  rejected: number
}
