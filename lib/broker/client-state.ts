import type { Duplex } from 'node:stream'
import type { Arrival, Connection } from './broker.ts'
import type { GrantedDelivery } from './granted-delivery.ts'
import { PacketGuard } from './packet-guard.ts'
import { Pace } from './pace.ts'
import type { Rights } from './rules.ts'

/** What the broker keeps of one connection, from its socket to its end. */
export class ClientState {
  readonly arrival: Arrival
  readonly stream: Duplex
  readonly guard: PacketGuard
  readonly pace = new Pace()
  /** Seconds that CONNECT asks for. */
  keepalive = 0
  username: string | undefined
  /** Whether a password or a certificate proved the username. */
  verified = false
  rights: Rights | undefined
  /** Lets the client get what its subscriptions grant. */
  delivery: GrantedDelivery | undefined
  connection: Connection | undefined
  /** UTC ms. */
  connectedAt = 0
  clean = true
  /** Why it was refused: the name of a limit or a reason. */
  refusal: string | undefined
  /** Why it went. */
  reason: string | undefined
  packetsSent = 0

  constructor (stream: Duplex, arrival: Arrival, limits: { connectBytes: number, packetBytes: number }) {
    this.stream = stream
    this.arrival = arrival
    this.guard = new PacketGuard(limits)
  }

  /** Bytes that were written and that the client did not read yet. */
  get unread (): number {
    const { socket } = this.arrival
    return this.stream.writableLength + (socket === this.stream ? 0 : socket.writableLength)
  }
}
