import type { Duplex } from 'node:stream'
import { PacketGuard, type GuardLimits } from './packet-guard.ts'
import { mostMessages } from './pieces.ts'
import { Turn, type Turns } from './turns.ts'
import { violations, type Violation } from './violation.ts'

/** Up to this size, in bytes, what is left over is copied to join what follows, rather than handed on alone. */
const mostJoined = 16_384

/** A connection, as far as its bytes are concerned. */
export interface GuardedConnection {
  readonly stream: Duplex
  readonly arrival: { socket: { readonly bytesRead: number }, messages?: { readonly count: number } }
  /** How many messages may be read now. */
  readonly room: number
  /** What came in, of which `chunk` is the last part, must not be read. */
  violated (violation: Violation, chunk: Buffer): void
  /** There may be something to read again. */
  goOn (): void
}

/** What a client sends, checked by the guard, and read as fast as it may. */
export class GuardedBytes {
  readonly guard: PacketGuard
  readonly #connection: GuardedConnection
  readonly #turn: Turn
  /** Read from the stream, and waiting for its turn. */
  #rest: Buffer | undefined
  /** Bytes that were read. */
  #bytes = 0
  /** When, in ms, an incomplete packet was first seen, and how many packets came before it. */
  #begunAt = 0
  #begunAfter = -1

  constructor (connection: GuardedConnection, limits: GuardLimits, turns: Turns) {
    this.#connection = connection
    this.guard = new PacketGuard(limits)
    this.#turn = new Turn(turns, () => { connection.goOn() })
  }

  /** Bytes that wait for their turn. */
  get waiting (): number { return this.#rest?.length ?? 0 }

  /** Whether something arrived that was not read yet. */
  get isBehind (): boolean { return this.#rest !== undefined || this.#connection.stream.readableLength > 0 }

  /** Bytes received on the connection so far; undefined while there is something to go on with, or no packet is begun. */
  get received (): number | undefined {
    const { stream, arrival } = this.#connection
    return this.waiting + stream.readableLength < Math.min(this.guard.missing, mostJoined) ? arrival.socket.bytesRead : undefined
  }

  /** Read from the stream in the place of its own `read`. @returns what passes the guard now; null: nothing */
  read (size: number | undefined): Buffer | null {
    const { stream } = this.#connection
    const { read } = Object.getPrototypeOf(stream) as Duplex
    // Node fills its own buffer this way.
    if (size === 0) return read.call(stream, size) as null
    const { guard } = this
    const turn = this.#turn
    const most = turn.units
    const { room } = this.#connection
    if (most === 0 || room <= 0 || guard.waits) return null
    let rest = this.#rest
    let chunk = rest ?? read.call(stream, size) as Buffer | null
    if (chunk === null) return null
    this.#rest = undefined
    if (rest !== undefined && rest.length < mostJoined) {
      // The last bytes that a client sent have to be read at once, because its socket may be gone afterwards.
      const more = read.call(stream, size) as Buffer | null
      if (more !== null) chunk = Buffer.concat([chunk, more])
      rest = undefined
    }
    const { units, publishes } = guard
    const violation = guard.inspect(chunk, most, Math.min(room, turn.messages)) ?? this.#cutUp()
    if (violation !== undefined) {
      this.#connection.violated(violation, chunk)
      return null
    }
    const { inspected } = guard
    this.#bytes += inspected
    turn.spend(guard.units - units, guard.publishes - publishes, inspected)
    if (inspected === chunk.length) return chunk
    // The stream keeps the last byte, or it would end too soon. If it got everything back, it would read on each time it is looked at.
    const end = rest === undefined ? chunk.length - 1 : chunk.length
    if (rest === undefined && !stream.destroyed) stream.unshift(chunk.subarray(end))
    if (inspected < end) this.#rest = chunk.subarray(inspected, end)
    return inspected === 0 ? null : chunk.subarray(0, inspected)
  }

  #cutUp (): Violation | undefined {
    return (this.#connection.arrival.messages?.count ?? 0) > mostMessages(this.guard.packets, this.#bytes) ? violations.cutUp : undefined
  }

  /**
   * Whether one packet has been incomplete for too long, and this broker did not hold it back. To be asked every second or so; times in ms.
   * @param isHeldBack whether others are read before
   */
  stalls (isHeldBack: boolean, now: number, longest: number): boolean {
    const { begun, packets } = this.guard
    if (begun > 0 && packets === this.#begunAfter && !isHeldBack && !this.isBehind) return now - this.#begunAt >= longest
    this.#begunAt = now
    this.#begunAfter = begun === 0 ? -1 : packets
    return false
  }

  /** Charge the client for work beyond its packets. @param units as the guard counts them */
  charge (units: number): void { this.#turn.spend(units, 0, 0) }

  /** The stream has ended. */
  end (): void { this.#turn.end() }
}
