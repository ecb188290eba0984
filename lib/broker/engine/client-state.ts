import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import type { ProtocolLevel } from '../../mqtt/protocol-version.ts'
import type { Rights } from '../access/rules.ts'
import { internalsOf, type ClientInternals } from '../aedes/aedes-internals.ts'
import type { OutgoingPublish } from '../aedes/direct-delivery.ts'
import type { GrantedDelivery } from '../aedes/granted-delivery.ts'
import { PlainPackets } from '../aedes/plain-packets.ts'
import { Speaker } from '../mqtt5/speaker.ts'
import type { ReasonCode } from '../../mqtt/reason-codes.ts'
import type { Decline } from '../aedes/routing-aedes.ts'
import type { Arrival } from '../arrival.ts'
import type { Connection } from '../publication.ts'
import type { StateShare } from '../state-bytes.ts'
import { corkPerTurn, writeCorked } from '../stream/cork.ts'
import { Drained } from '../stream/drained.ts'
import { GuardedBytes } from '../stream/guarded-bytes.ts'
import type { IncomingBytes } from '../stream/incoming-bytes.ts'
import { readToTheEnd } from '../stream/last-bytes.ts'
import type { GuardLimits, PacketGuard } from '../stream/packet-guard.ts'
import { Pieces } from '../stream/pieces.ts'
import { publishBeginning } from '../../mqtt/publish-packet.ts'
import { strangerIn } from '../stream/strangers.ts'
import type { Turns } from '../stream/turns.ts'
import type { Violation } from '../stream/violation.ts'
import type { ConnectionObserver } from './connection-observer.ts'
import type { GrantedFilters } from './granted-filters.ts'
import type { Unacknowledged } from './unacknowledged.ts'

/** Bytes of packets that aedes may handle at a time. */
const mostAhead = 262_144

/** Retained messages of this many SUBSCRIBE packets may wait for the client to read; it is not read meanwhile. */
const mostWaiting = 16

const key = Symbol('state')
type Stated = { [key]?: ClientState }

/** Bytes that a client may leave unread: beyond the first limit it gets no more QoS 0, beyond the second it is cut off. */
export const unreadBeforeDropping = 1024 * 1024
export const mostUnread = 4 * unreadBeforeDropping

/** What the broker knows about one connection, from its socket to its end; it feeds aedes with what the guard lets through, at the connection's pace. */
export class ClientState {
  readonly arrival: Arrival
  readonly stream: Duplex
  /** What the client sends. */
  readonly bytes: GuardedBytes
  client: Client | undefined
  /** Seconds that CONNECT asks for. */
  keepalive = 0
  /** Whether it connected with the bridge bit: then it gets nothing back that it published. */
  isBridge = false
  username: string | undefined
  /** Whether a password or a certificate proved the username. */
  verified = false
  rights: Rights | undefined
  /** Delivers what its subscriptions grant. */
  delivery: GrantedDelivery | undefined
  filters: GrantedFilters | undefined
  /** The bytes of its CONNECT and of a clean session's filters; undefined before it is let in. */
  kept: StateShare | undefined
  connection: Connection | undefined
  /** Undefined before its first message of QoS 1. */
  unacknowledged: Unacknowledged | undefined
  /** UTC ms. */
  connectedAt = 0
  clean = true
  /** The name under which its refusal is counted. */
  refusal: string | undefined
  /** Why it ended, and what DISCONNECT of MQTT 5 calls that. */
  reason: string | undefined
  endCode: ReasonCode | undefined
  /** Speaks MQTT 5 with the client; undefined: it speaks an earlier version, or has not spoken yet. */
  speaker: Speaker | undefined
  /** Whether another connection resumes its session. */
  isResumed = false
  /** The socket's error, where there still was something to read after it. */
  broke: Error | undefined
  packetsSent = 0
  /** Whether what is written waits for the end of the turn. */
  corked = false
  pieces: Array<Buffer | string> | undefined
  piecesSize = 0
  prompt = true
  aside: Buffer | undefined
  asideSize = 0
  /** Bytes that were unread when they were counted last. */
  counted = 0
  held = 0
  readonly #observer: ConnectionObserver<ClientState>
  readonly #incoming: IncomingBytes<ClientState>
  #reading = false
  /** Bytes given to aedes since it last had nothing to do. */
  #ahead = 0
  /** The beginning of a packet that comes in small pieces: aedes would keep each piece, which takes far more memory than its bytes. */
  readonly #pieces = new Pieces()
  /** Undefined before aedes has the stream. */
  #packets: PlainPackets | undefined
  #drained: Drained | undefined

  /** From now on, what is read from the stream is checked and paced, and what is written is corked. */
  constructor (stream: Duplex, arrival: Arrival, limits: GuardLimits, turns: Turns, incoming: IncomingBytes<ClientState>, observer: ConnectionObserver<ClientState>) {
    this.stream = stream
    this.arrival = arrival
    this.bytes = new GuardedBytes(this, limits, turns)
    this.#observer = observer
    this.#incoming = incoming
    corkPerTurn(stream, this)
    readToTheEnd(arrival.socket, this)
    ;(stream as Duplex & Stated)[key] = this
    stream.read = ClientState.#read
  }

  get guard (): PacketGuard { return this.bytes.guard }

  /** Call it once aedes has the stream. */
  attach (client: Client): void {
    this.client = client
    const internals = internalsOf(client)
    this.#packets = new PlainPackets(internals._parser, this)
    internals.waitForDrain = ClientState.#waitForDrain
    this.stream.removeListener('readable', internals._nextBatch)
    internals._parsingBatch = 0
    internals._nextBatch = error => { this.#finished(error) }
    this.stream.on('readable', ClientState.#readable)
    // Of the stream, not the socket below it: what came over a WebSocket is read after the socket closed. on() and not once(), whose
    // wrapper would take memory for every connection.
    this.stream.on('close', ClientState.#ended)
  }

  /** End the connection. The first reason given is the one that counts. */
  cutOff (reason: string, code?: ReasonCode): void {
    this.endsFor(reason, code)
    // A graceful end would wait for a client that does not read.
    this.stream.destroy()
  }

  /** Something ends the connection that says no reason itself. The first reason given is the one that counts. */
  endsFor (reason: string, code: ReasonCode | undefined): void {
    if (this.reason === undefined) this.endCode ??= code
    this.reason ??= reason
  }

  /** Whether it has ended, or only its last bytes are still on their way. */
  get isLeaving (): boolean { return this.stream.destroyed || (this.speaker?.isOver === true && this.client?.closed === true) }

  /** Whether aedes still reads what the client sends. */
  get isOpen (): boolean { return this.client?.closed === false }

  /** Bytes written that the client has not read yet; none once it ends, because that it is about to let go of. */
  get unread (): number {
    const { socket } = this.arrival
    if (this.stream.destroyed || this.speaker?.isOver === true) return 0
    return this.stream.writableLength + this.asideSize + (this.speaker?.heldBytes ?? 0) + (socket === this.stream ? 0 : socket.writableLength)
  }

  written (): void {
    const { unread } = this
    if (unread !== this.counted) this.#observer.unreadChanged(this, unread)
  }

  /** Why another member of a shared subscription should get a message instead; a slow reader gets what no other member takes. */
  declines (topic: string, isLast: boolean): Decline | undefined {
    if (this.rights?.mayReceive(topic) === false) return 'rules'
    return this.isLeaving || (!isLast && this.unread > unreadBeforeDropping) ? 'slowReader' : undefined
  }

  /** Let aedes handle the next packets, unless it is too far behind: it would read on whenever something arrives. */
  goOn (): void {
    // aedes finishes some packets at once, and its parser takes no second chunk in the middle of the first.
    if (this.#reading || this.client === undefined) return
    const { client } = this
    this.#reading = true
    try {
      this.#readOn(internalsOf(client))
    } catch (error) {
      // A client's bytes end that client's connection at worst; aedes does not expect to lose it while it reads.
      setImmediate(() => { client.emit('error', error as Error) })
    } finally {
      this.#reading = false
    }
  }

  #readOn (client: ClientInternals & Client): void {
    while (!client.closed && client._paused !== true) {
      if (client._parsingBatch === 0) this.#ahead = 0
      else if (!client.connackSent || this.#ahead >= mostAhead) break
      if (!this.#incoming.admits(this) || this.#waiting >= mostWaiting) break
      const chunk = this.stream.read() as Buffer | null
      if (chunk === null) break
      // A packet on its way is a sign of life.
      if (this.guard.begun > 0) client._keepaliveTimer?.refresh()
      const whole = this.#pieces.join(chunk, this.guard.whole)
      if (whole === undefined) continue
      this.#ahead += whole.length
      if (this.speaker === undefined && this.guard.level === 5) this.speaker = new Speaker(client, this, this.#observer.host)
      this.#packets!.read(whole, this.guard.level)
    }
    this.#account(client)
  }

  #account ({ closed, _parsingBatch: beingHandled }: Client & ClientInternals): void {
    if (beingHandled === 0) this.#ahead = 0
    const held = this.#ahead + this.guard.begun + this.bytes.waiting
    // After the end nothing would subtract it again.
    if (held !== this.held && !closed) this.#incoming.count(this, held)
  }

  publish (packet: OutgoingPublish): boolean {
    const { stream, speaker } = this
    stream.cork()
    if (speaker !== undefined) return speaker.publish(packet)
    const { payload } = packet
    writeCorked(stream, publishBeginning(packet, typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length))
    return writeCorked(stream, payload)
  }

  /** Write what the speaker says, once the stream is corked. @returns whether there is room for more */
  write (piece: Buffer | string): boolean { return writeCorked(this.stream, piece) }

  /** From aedes, each PUBACK would get a promise that looks for the message in a session's queue. A clean session has none. */
  delivered (messageId: number): boolean {
    const client = internalsOf(this.client!)
    if (!client.clean || !client.connected || !client.connackSent || this.speaker?.isOver === true) return false
    this.speaker?.delivered(messageId)
    client._keepaliveTimer?.refresh()
    return true
  }

  get #waiting (): number { return (this.#drained?.length ?? 0) + (this.delivery?.waiting ?? 0) }

  /** Call `then` once the client has read what was written, or is gone. */
  whenRead (then: () => void): void {
    const next = (): void => { (this.#drained ??= new Drained(this.stream, () => { this.goOn() })).wait(then) }
    if (this.speaker === undefined) next()
    else this.speaker.whenFree(next)
  }

  get missing (): number { return this.guard.missing }

  get received (): number | undefined { return this.bytes.received }

  /** Whether one packet has been incomplete for too long, and this broker did not hold it back. To be asked every second or so; times in ms. */
  stalls (now: number, longest: number): boolean {
    return this.bytes.stalls(this.#incoming.holdsBack(this), now, longest)
  }

  /** aedes has handled a packet, or goes on after a pause. */
  #finished (error?: Error | null): void {
    const client = internalsOf(this.client!)
    if (error) return void client.emit('error', error)
    if (client._parsingBatch > 0) client._parsingBatch--
    if (this.bytes.isBehind) return this.goOn()
    // Usually nothing is left to read; the stream announces what comes later.
    if (client._parsingBatch === 0) this.#account(client)
  }

  static #readable (this: Duplex): void {
    stateOf(this)!.goOn()
  }

  static #read (this: Duplex, size?: number): Buffer | null { return stateOf(this)!.bytes.read(size) }

  get room (): number { return this.speaker?.room ?? Infinity }

  violated (violation: Violation, chunk: Buffer): void {
    // Looked for here, where the chunk is whole; the guard judges alike wherever chunks are cut.
    const foreign = this.guard.packets > 0 ? undefined : strangerIn(chunk)
    if (this.client !== undefined) this.#observer.violated(this.client, this, foreign === undefined ? violation : { ...violation, reason: foreign })
  }

  /**
   * aedes would make every other client wait until this one has read. Instead this one may fall behind, up to a limit. Nobody else waits for a
   * session's queue: it is sent as fast as its client reads.
   */
  static #waitForDrain (this: Client, done: (error: Error | null, client: Client) => void): void {
    const state = stateOf(this.conn as Duplex)!
    if (state.delivery?.isCatchingUp === true) return state.whenRead(() => { setImmediate(done, null, this) })
    state.#observer.fellBehind(state)
    setImmediate(done, null, this)
  }

  /** The level of the protocol that it speaks; without a meaning before CONNECT. */
  get version (): ProtocolLevel { return this.guard.level === 0 ? 4 : this.guard.level }

  static #ended (this: Duplex): void {
    const state = stateOf(this)!
    state.bytes.end()
    state.#incoming.leave(state)
    state.speaker?.end()
    state.#observer.ended(state)
  }
}

/** The state of a connection with this stream; undefined: it is none of these. */
export function stateOf (stream: Duplex): ClientState | undefined {
  return (stream as Duplex & Stated)[key]
}
