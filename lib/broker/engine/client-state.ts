import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import type { Rights } from '../access/rules.ts'
import type { Arrival, Connection } from '../broker.ts'
import type { StateShare } from '../state-bytes.ts'
import { corkPerTurn } from '../stream/cork.ts'
import type { IncomingBytes } from '../stream/incoming-bytes.ts'
import { readToTheEnd } from '../stream/last-bytes.ts'
import { PacketGuard, type GuardLimits } from '../stream/packet-guard.ts'
import { Pieces } from '../stream/pieces.ts'
import { strangerIn } from '../stream/strangers.ts'
import { Turn, type Turns } from '../stream/turns.ts'
import type { Violation } from '../stream/violation.ts'
import { internalsOf, type ClientInternals } from './aedes-internals.ts'
import type { GrantedDelivery } from './granted-delivery.ts'
import type { GrantedFilters } from './granted-filters.ts'
import type { Decline } from './routing-aedes.ts'

/** Bytes of packets that aedes may be handling at a time. */
const mostAhead = 262_144

/** Bytes that are copied rather than handed on alone. */
const mostJoined = 16_384

/** WebSocket messages that a client may cut its packets into: so many at once, for each packet, and one for so many bytes. Each takes work. */
const mostMessages = 20_000
const messagesPerPacket = 32
const bytesPerMessage = 16

const key = Symbol('state')
type Stated = { [key]: ClientState }

/** Bytes that a client may leave unread: beyond the first it gets no more of QoS 0, beyond the second it is cut off. */
export const unreadBeforeDropping = 1024 * 1024
export const mostUnread = 4 * unreadBeforeDropping

/** Who is told of connections: one for all of them, because a broker has thousands, and closures for each would take more than its state. */
export interface Watcher {
  /** What came in must not reach the parser. */
  violated (client: Client, state: ClientState, violation: Violation): void
  /** The client has so many bytes unread, and had another number of them. */
  unread (state: ClientState, bytes: number): void
  /** The client's buffer is full. */
  fellBehind (state: ClientState): void
  ended (state: ClientState): void
}

/** What the broker keeps of one connection, from its socket to its end. */
export class ClientState {
  readonly arrival: Arrival
  readonly stream: Duplex
  readonly guard: PacketGuard
  client: Client | undefined
  /** Seconds that CONNECT asks for. */
  keepalive = 0
  /** Whether it connected with the bridge bit: it gets nothing back of what it published. */
  isBridge = false
  username: string | undefined
  /** Whether a password or a certificate proved the username. */
  verified = false
  rights: Rights | undefined
  /** Lets the client get what its subscriptions grant. */
  delivery: GrantedDelivery | undefined
  filters: GrantedFilters | undefined
  /** The bytes of what CONNECT says of it, and of the filters of a clean session; undefined before it is let in. */
  kept: StateShare | undefined
  connection: Connection | undefined
  /** UTC ms. */
  connectedAt = 0
  clean = true
  /** Why it was refused: the name of a limit or a reason. */
  refusal: string | undefined
  /** Why it went. */
  reason: string | undefined
  /** What went wrong with the socket, while there still was something to read. */
  broke: Error | undefined
  packetsSent = 0
  /** Whether what is written waits for the turn's end. */
  corked = false
  pieces: Array<Buffer | string> | undefined
  piecesSize = 0
  aside: Buffer | undefined
  asideSize = 0
  /** Bytes that it had unread when they were counted last. */
  counted = 0
  held = 0
  readonly #watcher: Watcher
  readonly #turn: Turn
  readonly #incoming: IncomingBytes<ClientState>
  /** What was read from the stream and has to wait for its turn. */
  #rest: Buffer | undefined
  #reading = false
  /** Since when, in ms, the packet that is not complete yet was seen, and how many packets came before it. */
  #begun = { at: 0, after: -1 }
  /** Bytes that were given to aedes since it was done with all packets. */
  #ahead = 0
  /** The beginning of a packet that comes in small pieces: aedes keeps each piece, which takes far more memory than a byte. */
  readonly #pieces = new Pieces()
  /** Bytes that were read. */
  #bytes = 0

  /** Checks and paces what is read from the stream from now on, and corks it. */
  constructor (stream: Duplex, arrival: Arrival, limits: GuardLimits, turns: Turns, incoming: IncomingBytes<ClientState>, watcher: Watcher) {
    this.stream = stream
    this.arrival = arrival
    this.guard = new PacketGuard(limits)
    this.#watcher = watcher
    this.#incoming = incoming
    this.#turn = new Turn(turns, () => { this.#pump() })
    corkPerTurn(stream, this)
    readToTheEnd(arrival.socket, this)
    remember(stream, this)
    stream.read = ClientState.#read
  }

  /** aedes has the stream now. */
  attach (client: Client): void {
    this.client = client
    const internals = internalsOf(client)
    internals.waitForDrain = ClientState.#waitForDrain
    this.stream.removeListener('readable', internals._nextBatch)
    internals._parsingBatch = 0
    internals._nextBatch = error => { this.#finished(error) }
    this.stream.on('readable', ClientState.#readable)
    // Not that of the socket below: what came over a WebSocket is read after it. Not once(): it comes once, and the wrapper would be kept for every connection.
    this.stream.on('close', ClientState.#ended)
  }

  /** Whether aedes still reads what the client sends. */
  get isOpen (): boolean { return this.client?.closed === false }

  /** Bytes that were written and that the client did not read yet. */
  get unread (): number {
    const { socket } = this.arrival
    if (this.stream.destroyed) return 0
    return this.stream.writableLength + this.asideSize + (socket === this.stream ? 0 : socket.writableLength)
  }

  written (): void {
    const { unread } = this
    if (unread !== this.counted) this.#watcher.unread(this, unread)
  }

  /** Why another member of a shared subscription is to get a message; one that nobody else takes waits for a slow reader too. */
  declines (topic: string, isLast: boolean): Decline | undefined {
    if (this.rights?.mayReceive(topic) === false) return 'rules'
    return this.stream.destroyed || (!isLast && this.unread > unreadBeforeDropping) ? 'slowReader' : undefined
  }

  /** Let aedes handle the next packets when it is not too far behind: by itself it would read on whenever something arrives. */
  #pump (): void {
    // Some packets are done with at once: aedes' parser takes no second chunk in the middle of the first.
    if (this.#reading || this.client === undefined) return
    const { client } = this
    this.#reading = true
    try {
      this.#readOn(internalsOf(client))
    } catch (error) {
      // What a client's bytes set off ends at worst that client's connection; aedes does not expect to lose it while it reads.
      setImmediate(() => { client.emit('error', error as Error) })
    } finally {
      this.#reading = false
    }
  }

  #readOn (client: ClientInternals & Client): void {
    while (!client.closed && client._paused !== true) {
      if (client._parsingBatch === 0) this.#ahead = 0
      else if (!client.connackSent || this.#ahead >= mostAhead) break
      if (!this.#incoming.admits(this)) break
      const chunk = this.stream.read() as Buffer | null
      if (chunk === null) break
      const whole = this.#pieces.join(chunk, this.guard.whole)
      if (whole === undefined) continue
      this.#ahead += whole.length
      client._parser.parse(whole)
    }
    this.#account(client)
  }

  #account ({ closed }: Client): void {
    const held = this.#ahead + this.guard.begun + (this.#rest?.length ?? 0)
    // After its end nothing would take it off again.
    if (held !== this.held && !closed) this.#incoming.count(this, held)
  }

  goOn (): void {
    this.#pump()
  }

  get missing (): number { return this.guard.missing }

  get received (): number | undefined {
    const pending = (this.#rest?.length ?? 0) + this.stream.readableLength
    return pending < Math.min(this.guard.missing, mostJoined) ? this.arrival.socket.bytesRead : undefined
  }

  /**
   * Whether the same packet has been incomplete for so long while this broker did not hold it back; asked every second or so.
   * @param now ms
   */
  stalls (now: number, longest: number): boolean {
    const { guard } = this
    if (guard.begun === 0 || guard.packets !== this.#begun.after || this.#rest !== undefined || this.stream.readableLength > 0 || this.#incoming.holdsBack(this)) {
      this.#begun = { at: now, after: guard.begun === 0 ? -1 : guard.packets }
      return false
    }
    return now - this.#begun.at >= longest
  }

  /** aedes is done with a packet, or goes on after a pause. */
  #finished (error?: Error | null): void {
    const client = internalsOf(this.client!)
    if (error) return void client.emit('error', error)
    if (client._parsingBatch > 0) client._parsingBatch--
    if (this.#rest !== undefined || this.stream.readableLength > 0) return this.#pump()
    // Most packets have nothing left to read behind them; the stream announces what comes later.
    if (client._parsingBatch > 0) return
    this.#ahead = 0
    this.#account(client)
  }

  /** Count work that the client causes beyond its packets. @param units as the guard counts them */
  charge (units: number): void {
    this.#turn.spend(units, 0, 0)
  }

  static #readable (this: Duplex): void {
    stateOf(this).#pump()
  }

  static #read (this: Duplex, size?: number): Buffer | null {
    const state = stateOf(this)
    const { read } = Object.getPrototypeOf(this) as Duplex
    // Node fills its buffer so.
    if (size === 0) return read.call(this, size) as null
    const turn = state.#turn
    const most = turn.units
    if (most === 0) return null
    let rest = state.#rest
    let chunk = rest ?? read.call(this, size) as Buffer | null
    if (chunk === null) return null
    state.#rest = undefined
    if (rest !== undefined && rest.length < mostJoined) {
      // The end of what a client sent in one go comes in one go: its socket may be gone afterwards.
      const more = read.call(this, size) as Buffer | null
      if (more !== null) chunk = Buffer.concat([chunk, more])
      rest = undefined
    }
    const { guard } = state
    const { units, publishes } = guard
    const violation = guard.inspect(chunk, most, turn.messages) ?? state.#cutUp()
    if (violation !== undefined) {
      // Only a whole chunk shows whose bytes these are; the guard says the same wherever it was cut.
      const foreign = guard.packets > 0 ? undefined : strangerIn(chunk)
      if (state.client !== undefined) state.#watcher.violated(state.client, state, foreign === undefined ? violation : { ...violation, reason: foreign })
      return null
    }
    const { inspected } = guard
    state.#bytes += inspected
    turn.spend(guard.units - units, guard.publishes - publishes, inspected)
    if (inspected === chunk.length) return chunk
    // The stream keeps the last byte, or it would end before its time. Were it given back everything, each look at it would let it read on.
    const end = rest === undefined ? chunk.length - 1 : chunk.length
    if (rest === undefined && !this.destroyed) this.unshift(chunk.subarray(end))
    if (inspected < end) state.#rest = chunk.subarray(inspected, end)
    return chunk.subarray(0, inspected)
  }

  #cutUp (): Violation | undefined {
    const most = mostMessages + messagesPerPacket * this.guard.packets + this.#bytes / bytesPerMessage
    return (this.arrival.messages?.count ?? 0) > most ? { code: 'cut-up', reason: 'packets in WebSocket messages of a few bytes each' } : undefined
  }

  /** aedes makes every other client wait until this one has read; instead it may fall behind so far, and no further. */
  static #waitForDrain (this: Client, done: (error: Error | null, client: Client) => void): void {
    const state = stateOf(this.conn as Duplex)
    state.#watcher.fellBehind(state)
    setImmediate(done, null, this)
  }

  static #ended (this: Duplex): void {
    const state = stateOf(this)
    state.#turn.end()
    state.#incoming.leave(state)
    state.#watcher.ended(state)
  }
}

function remember (stream: Duplex, state: ClientState): void {
  (stream as Duplex & Stated)[key] = state
}

function stateOf (stream: Duplex): ClientState {
  return (stream as Duplex & Stated)[key]
}
