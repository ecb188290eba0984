import type { Socket } from 'node:net'
import type { BrokerStatistics } from '../broker.ts'
import type { BrokerSnapshot } from '../snapshot.ts'

/** The parts of a snapshot that the broker knows and the counters do not. */
interface FromBroker {
  startedAt: number
  clients: Omit<BrokerSnapshot['clients'], 'maximum'>
  retained: number
  /** Messages that wait for clients that are away. */
  stored: number
  subscriptions: number
  /** What is counted elsewhere. */
  dropped: Record<string, number>
}

/** What each connection counts itself. */
interface Counting {
  guard: { packets: number }
  packetsSent: number
  arrival: { socket: Pick<Socket, 'bytesRead' | 'bytesWritten'> }
}

/** What happened since the broker started. */
export class Counters {
  cutOff = 0
  /** Sockets that were opened, whether or not they got any further. */
  sockets = 0
  /** CONNECT packets, whatever the answer. */
  connects = 0
  #connections = 0
  #maximum = 0
  #refused = 0
  #refusedBy: Record<string, number> = {}
  #droppedBy: Record<string, number> = {}
  #publish = { received: 0, sent: 0, bytesReceived: 0, bytesSent: 0 }
  /** Of the connections that ended. */
  #ended = { packetsReceived: 0, packetsSent: 0, bytesReceived: 0, bytesSent: 0 }

  /** @returns the connection's number */
  connected (clients: number): number {
    this.#maximum = Math.max(this.#maximum, clients)
    return ++this.#connections
  }

  /** @param by the name of a limit or a reason; of a fixed set, never what a stranger sends */
  refused (by: string): void {
    this.#refused++
    this.refusedBy(by)
  }

  /** Something was refused, but not the connection. */
  refusedBy (by: string): void {
    this.#refusedBy[by] = (this.#refusedBy[by] ?? 0) + 1
  }

  dropped (by: string): void {
    this.#droppedBy[by] = (this.#droppedBy[by] ?? 0) + 1
  }

  publishReceived (bytes: number): void {
    this.#publish.received++
    this.#publish.bytesReceived += bytes
  }

  publishSent (bytes: number): void {
    this.#publish.sent++
    this.#publish.bytesSent += bytes
  }

  /** A connection ended: keep what it counted. */
  left (state: Counting): void {
    add(this.#ended, state)
  }

  /** @param dropped as counted elsewhere */
  statistics (dropped: Record<string, number>): Omit<BrokerStatistics, 'clients' | 'clientsByVersion'> {
    const { received, sent } = this.#publish
    const droppedBy = this.#droppedWith(dropped)
    return {
      connections: this.#connections,
      refused: this.#refused,
      refusedBy: { ...this.#refusedBy },
      received,
      delivered: sent,
      dropped: sum(droppedBy),
      droppedBy,
      cutOff: this.cutOff
    }
  }

  snapshot (here: Iterable<Counting>, { startedAt, clients, retained, stored, subscriptions, dropped }: FromBroker): BrokerSnapshot {
    const all = { ...this.#ended }
    for (const state of here) add(all, state)
    const droppedBy = this.#droppedWith(dropped)
    const { received, sent, bytesReceived, bytesSent } = this.#publish
    return {
      startedAt,
      clients: { ...clients, maximum: this.#maximum },
      messages: { received: all.packetsReceived, sent: all.packetsSent, publishReceived: received, publishSent: sent, publishDropped: sum(droppedBy), stored },
      bytes: { received: all.bytesReceived, sent: all.bytesSent, publishReceived: bytesReceived, publishSent: bytesSent },
      retained,
      subscriptions,
      connections: { accepted: this.#connections, refused: this.#refused, sockets: this.sockets, connects: this.connects },
      refusedBy: { ...this.#refusedBy },
      droppedBy,
      // The broker's intakes count these, and the registry adds them.
      agents: 0,
      unsettled: 0,
      waiting: 0,
      rejected: 0
    }
  }

  #droppedWith (elsewhere: Record<string, number>): Record<string, number> {
    const droppedBy = { ...this.#droppedBy }
    for (const [by, count] of Object.entries(elsewhere)) if (count > 0) droppedBy[by] = (droppedBy[by] ?? 0) + count
    return droppedBy
  }
}

function add (total: { packetsReceived: number, packetsSent: number, bytesReceived: number, bytesSent: number }, { guard, packetsSent, arrival: { socket } }: Counting): void {
  total.packetsReceived += guard.packets
  total.packetsSent += packetsSent
  total.bytesReceived += socket.bytesRead
  total.bytesSent += socket.bytesWritten
}

function sum (counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
