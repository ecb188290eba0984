import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import type { RoutingAedes } from '../aedes/routing-aedes.ts'
import type { Arrival, WebSocketMessages } from '../arrival.ts'
import type { Limits } from '../limits.ts'
import { IncomingBytes } from '../stream/incoming-bytes.ts'
import { largestConnect5 } from '../stream/packet-guard.ts'
import { Turns } from '../stream/turns.ts'
import { UnreadBytes } from '../stream/unread-bytes.ts'
import { Answers } from '../mqtt5/answers.ts'
import type { SpeakerHost } from '../mqtt5/speaker-host.ts'
import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'
import type { Violation } from '../stream/violation.ts'
import type { Counters } from '../watching/counters.ts'
import { ClientState, mostUnread, stateOf } from './client-state.ts'
import type { ConnectionObserver } from './connection-observer.ts'

/** Longest pause, in ms, between two checks for packets that stay incomplete. */
const longestSweep = 15_000

/** All connections of a broker, and the bounds on what they hold together: bytes that come in, and bytes that clients leave unread. */
export class Connections implements ConnectionObserver<ClientState> {
  readonly host: SpeakerHost
  #aedes: RoutingAedes
  #counters: Counters
  #limits: Limits
  #here = new Set<ClientState>()
  #turns: Turns
  #incoming: IncomingBytes<ClientState>
  #unread: UnreadBytes<ClientState>
  #messages = new Set<WebSocketMessages>()
  /** Bytes of incomplete WebSocket messages, none of which the broker can read yet. */
  #incomplete: UnreadBytes<WebSocketMessages>
  #sweep: NodeJS.Timeout | undefined

  constructor (aedes: RoutingAedes, counters: Counters, limits: Limits, host: SpeakerHost) {
    this.host = host
    this.#aedes = aedes
    this.#counters = counters
    this.#limits = limits
    this.#turns = new Turns(limits)
    this.#incoming = new IncomingBytes(limits.incomingBytes, this.#here, state => {
      counters.refusedBy('incomingBytes')
      state.cutOff('it left a packet incomplete, and others waited: all clients together have more coming in than the limit incomingBytes', reasonCodes.quotaExceeded)
    })
    this.#unread = new UnreadBytes(limits.unreadBytes, this.#here, state => {
      counters.refusedBy('unreadBytes')
      this.#cutOffSlow(state, 'it read too slowly: all clients together have more unread than the limit unreadBytes')
    })
    this.#incomplete = new UnreadBytes(limits.incomingBytes, this.#messages, messages => {
      counters.refusedBy('incomingBytes')
      const state = [...this.#here].find(({ arrival }) => arrival.messages === messages)
      messages.unread = 0
      state?.cutOff('all clients together have more bytes of incomplete WebSocket messages coming in than the limit incomingBytes', reasonCodes.quotaExceeded)
    })
  }

  /** Every connection from the moment it is opened to the end of its stream, including those that have not been let in yet. */
  get here (): ReadonlySet<ClientState> { return this.#here }

  /** Undefined: a client of aedes that came in some other way. */
  stateOf (client: Client): ClientState | undefined {
    return stateOf(client.conn as Duplex)
  }

  configure (limits: Limits): void {
    this.#limits = limits
    this.#turns.rates = limits
    this.#unread.limit = limits.unreadBytes
    this.#incoming.limit = this.#incomplete.limit = limits.incomingBytes
    this.#sweepEvery(limits.packetTimeout)
  }

  /** Hand a stream to aedes, guarded, counted and paced. */
  open (stream: Duplex, arrival: Arrival): void {
    if (this.#aedes.closed || stream.destroyed) {
      stream.destroy()
      return
    }
    const { messages } = arrival
    messages?.limitPackets(this.#limits.connectBytes || largestConnect5(this.#limits.propertyBytes), false)
    if (messages !== undefined) {
      this.#messages.add(messages)
      messages.changed = () => { this.#incomplete.count(messages, messages.unread) }
    }
    const state = new ClientState(stream, arrival, this.#limits, this.#turns, this.#incoming, this)
    const client = this.#aedes.handle(stream)
    state.attach(client)
    this.#here.add(state)
  }

  hangUp (client: Client, reason: string, code?: ReasonCode): void {
    this.stateOf(client)?.cutOff(reason, code)
  }

  close (): void {
    clearInterval(this.#sweep)
  }

  violated (client: Client, state: ClientState, { reason, returnCode, reasonCode }: Violation): void {
    state.refusal = 'protocol'
    state.endsFor(reason, reasonCode)
    const isCutShort = state.speaker === undefined && state.guard.level === 5
    if (isCutShort) state.stream.write(new Answers(Infinity, true).refusal({ code: reasonCode, text: reason }))
    else if (returnCode !== undefined) state.stream.write(Buffer.from([0x20, 2, 0, returnCode])) // CONNACK
    // Not inside read(), where aedes does not expect to lose the client.
    setImmediate(() => { client.emit('error', new Error(reason)) })
  }

  unreadChanged (state: ClientState, bytes: number): void {
    this.#unread.count(state, bytes)
  }

  fellBehind (state: ClientState): void {
    if (state.unread <= mostUnread || state.isLeaving) return
    this.#cutOffSlow(state, 'it read too slowly')
  }

  ended (state: ClientState): void {
    this.#here.delete(state)
    this.#unread.leave(state)
    const { messages } = state.arrival
    if (messages !== undefined) {
      messages.changed = undefined
      this.#messages.delete(messages)
      this.#incomplete.leave(messages)
    }
    state.kept?.end()
    this.#counters.left(state)
  }

  #cutOffSlow (state: ClientState, reason: string): void {
    this.#counters.cutOff++
    state.cutOff(reason, reasonCodes.quotaExceeded)
  }

  /** Hang up on clients that begin a packet and do not complete it in time. @param seconds 0: never */
  #sweepEvery (seconds: number): void {
    clearInterval(this.#sweep)
    if (seconds === 0) return
    this.#sweep = setInterval(() => {
      const now = performance.now()
      for (const state of this.#here) {
        if (state.connection === undefined || !state.stalls(now, seconds * 1000)) continue
        this.#counters.refusedBy('packetTimeout')
        state.cutOff('a packet was not complete in time', reasonCodes.implementationSpecific)
      }
    }, Math.min(seconds * 250, longestSweep)).unref()
  }
}
