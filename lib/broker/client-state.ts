import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import { internalsOf, type ClientInternals } from './aedes-internals.ts'
import type { Arrival, Connection } from './broker.ts'
import { corkPerTurn } from './cork.ts'
import type { GrantedDelivery } from './granted-delivery.ts'
import { PacketGuard, type GuardLimits, type Violation } from './packet-guard.ts'
import { Pace } from './pace.ts'
import type { Rights } from './rules.ts'
import { strangerIn } from './strangers.ts'
import type { Decline } from './taking-aedes.ts'

const key = Symbol('state')
type Stated = { [key]: ClientState }

/** Bytes that a client may leave unread: beyond the first it gets no more of QoS 0, beyond the second it is cut off. */
export const unreadBeforeDropping = 1024 * 1024
export const mostUnread = 4 * unreadBeforeDropping

/** Who is told of connections: one for all of them, because a broker has thousands, and closures for each would take more than its state. */
export interface Watcher {
  /** What came in must not reach the parser. */
  violated (client: Client, state: ClientState, violation: Violation): void
  /** The client's buffer is full. */
  fellBehind (client: Client, state: ClientState): void
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
  connection: Connection | undefined
  /** UTC ms. */
  connectedAt = 0
  clean = true
  /** Why it was refused: the name of a limit or a reason. */
  refusal: string | undefined
  /** Why it went. */
  reason: string | undefined
  packetsSent = 0
  /** Whether what is written waits for the turn's end. */
  corked = false
  pieces: Array<Buffer | string> | undefined
  piecesSize = 0
  readonly #watcher: Watcher
  #pace: Pace | undefined

  /** Checks what is read from the stream from now on, and corks it. */
  constructor (stream: Duplex, arrival: Arrival, limits: GuardLimits, watcher: Watcher) {
    this.stream = stream
    this.arrival = arrival
    this.guard = new PacketGuard(limits)
    this.#watcher = watcher
    corkPerTurn(stream, this)
    remember(stream, this)
    stream.read = ClientState.#read
  }

  /** aedes has the stream now. */
  attach (client: Client): void {
    this.client = client
    const internals = internalsOf(client)
    internals.waitForDrain = ClientState.#waitForDrain
    internals._parser.parse = parseOrHangUp
    const { socket } = this.arrival
    remember(socket, this)
    // Not once(): it comes once, and the wrapper would be kept for every connection.
    socket.on('close', ClientState.#ended)
  }

  /** How fast it may publish. */
  get pace (): Pace { return this.#pace ??= new Pace() }

  /** Bytes that were written and that the client did not read yet. */
  get unread (): number {
    const { socket } = this.arrival
    return this.stream.writableLength + (socket === this.stream ? 0 : socket.writableLength)
  }

  /** Why another member of a shared subscription is to get a message; one that nobody else takes waits for a slow reader too. */
  declines (topic: string, isLast: boolean): Decline | undefined {
    if (this.rights?.mayReceive(topic) === false) return 'rules'
    return this.stream.destroyed || (!isLast && this.unread > unreadBeforeDropping) ? 'slowReader' : undefined
  }

  static #read (this: Duplex, size?: number): Buffer | null {
    const state = stateOf(this)
    const { read } = Object.getPrototypeOf(this) as Duplex
    const chunk = read.call(this, size) as Buffer | null
    const violation = chunk === null ? undefined : state.guard.inspect(chunk)
    if (violation === undefined) return chunk
    // Only a whole chunk shows whose bytes these are; the guard says the same wherever it was cut.
    const foreign = chunk === null || state.guard.packets > 0 ? undefined : strangerIn(chunk)
    if (state.client !== undefined) state.#watcher.violated(state.client, state, foreign === undefined ? violation : { ...violation, reason: foreign })
    return null
  }

  /** aedes makes every other client wait until this one has read; instead it may fall behind so far, and no further. */
  static #waitForDrain (this: Client, done: (error: Error | null, client: Client) => void): void {
    const state = stateOf(this.conn as Duplex)
    state.#watcher.fellBehind(this, state)
    setImmediate(done, null, this)
  }

  static #ended (this: Socket): void {
    const state = stateOf(this)
    state.#pace?.end()
    state.#watcher.ended(state)
  }
}

/** What a client's bytes set off ends at worst that client's connection. */
function parseOrHangUp (this: ClientInternals['_parser'], bytes: Buffer): number {
  try {
    const { parse } = Object.getPrototypeOf(this) as ClientInternals['_parser']
    return parse.call(this, bytes)
  } catch (error) {
    // aedes does not expect to lose the client while it reads.
    setImmediate(() => { this.client.emit('error', error) })
    return 0
  }
}

function remember (stream: Duplex, state: ClientState): void {
  (stream as Duplex & Stated)[key] = state
}

function stateOf (stream: Duplex): ClientState {
  return (stream as Duplex & Stated)[key]
}
