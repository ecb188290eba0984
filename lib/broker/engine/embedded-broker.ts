import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import type { AedesPublishPacket, Client, PublishPacket, Subscription } from 'aedes'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { longestTimer } from '../../time.ts'
import { Rules } from '../access/rules.ts'
import type { AgentOwnership, Arrival, Broker, BrokerEvents, BrokerOptions, BrokerStatistics, ClientEvent, ClientHost, ClientInfo, Connection, Delivered, ListenerState, OutgoingPublication, Publication, Publisher, Subscriber, Taker, WebSocketMessages } from '../broker.ts'
import { ConnectionLimits } from '../listening/connection-limits.ts'
import { Listeners } from '../listening/listeners.ts'
import { mostBans } from '../login/bans.ts'
import { LoginGate, type LoginRefusal } from '../login/login-gate.ts'
import { clientOrigin } from '../origin.ts'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import { openPersistence } from '../persistence/persistence.ts'
import type { SessionOwner } from '../persistence/session.ts'
import { formerWill, type Will } from '../persistence/wills.ts'
import type { BrokerSnapshot } from '../snapshot.ts'
import { StateShare, textBytes } from '../state-bytes.ts'
import { IncomingBytes } from '../stream/incoming-bytes.ts'
import { Turns } from '../stream/turns.ts'
import { UnreadBytes } from '../stream/unread-bytes.ts'
import type { Violation } from '../stream/violation.ts'
import { Counters } from '../watching/counters.ts'
import { SysTopics } from '../watching/sys-topics.ts'
import { version } from '../watching/version.ts'
import { internalsOf } from './aedes-internals.ts'
import { ClientState, mostUnread, unreadBeforeDropping, type Watcher } from './client-state.ts'
import { GrantedDelivery } from './granted-delivery.ts'
import { GrantedFilters } from './granted-filters.ts'
import { markTaken, subscriptionsOf, RoutingAedes } from './routing-aedes.ts'

/** Before the name of who published inside this process, in the client id of a packet: no client may have a NUL in its own. */
const originPrefix = '\0'

/** ms; four of them after a crash aedes publishes the wills of clients that did not come back. */
const heartbeatInterval = 15_000

/** ms between looks for packets that are not complete. */
const longestSweep = 15_000

/** [MQTT-3.9.3-2] */
const subackFailure = 128

const sessionTaken = 'another user has a session with the client id'
const sessionEnded = 'its session was ended while it connected'

/** What aedes says of clients that it refuses, by the name under which that is counted, and in our words. */
const refusals: Record<string, { by: string, reason: string }> = {
  'connect did not arrive in time': { by: 'connectTimeout', reason: 'CONNECT did not arrive in time' },
  'unacceptable protocol version': { by: 'protocolVersion', reason: 'unacceptable protocol version: MQTT 5 is not spoken here, use MQTT 3.1.1' }
}

/**
 * An aedes broker inside this process.
 * @param taker takes publications off it
 * @param options its folder is fixed; everything else may change by `configure`
 * @throws PlatziverseError BROKER_FOLDER_…
 */
export async function openEmbeddedBroker (taker: Taker, options: BrokerOptions): Promise<Broker & ClientHost> {
  const { folder, limits } = options
  const broker = new EmbeddedBroker(taker, options, await openPersistence({ folder, limits }))
  await broker.aedes.listen()
  broker.configure(options)
  return broker
}

class EmbeddedBroker extends EventEmitter<BrokerEvents> implements Broker, ClientHost {
  readonly aedes: RoutingAedes
  #taker: Taker
  #options: BrokerOptions
  #persistence: BrokerPersistence
  #gate: LoginGate
  #rules: Rules
  #admission: ConnectionLimits
  #listeners: Listeners
  #sys: SysTopics | undefined
  #states = new WeakMap<Client, ClientState>()
  #here = new Set<ClientState>()
  #watcher: Watcher = {
    violated: (client, state, violation) => { this.#violated(client, state, violation) },
    unread: (state, bytes) => { this.#unread.count(state, bytes) },
    fellBehind: state => { this.#fellBehind(state) },
    ended: state => {
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
  }

  #turns: Turns
  #comingIn: IncomingBytes<ClientState>
  #sweep: NodeJS.Timeout | undefined
  #unread: UnreadBytes<ClientState>
  /** WebSocket messages, of which this broker can read nothing before they are complete. */
  #incomplete: UnreadBytes<WebSocketMessages>
  #messages = new Set<WebSocketMessages>()
  #counters = new Counters()
  #startedAt = performance.now()
  /** Whether a session that outlives its connection ever was here: it may have subscriptions while its client is away. */
  #hasSessions = false
  /** Subscriptions of this process. */
  #hearing = 0
  #closing: Promise<void> | undefined

  constructor (taker: Taker, options: BrokerOptions, persistence: BrokerPersistence) {
    super()
    this.#taker = taker
    this.#options = options
    this.#persistence = persistence
    persistence.on('disk', error => { this.emit('disk', error) })
    this.#gate = new LoginGate(options, (owner, most) => persistence.hasRoomForSession(owner, most))
    this.#rules = new Rules(options.rules)
    this.#turns = new Turns(options.limits)
    this.#comingIn = new IncomingBytes(options.limits.incomingBytes, this.#here, state => {
      this.#counters.refusedBy('incomingBytes')
      cutOff(state, 'it left a packet incomplete, and others waited: all clients together have more coming in than the limit incomingBytes')
    })
    this.#unread = new UnreadBytes(options.limits.unreadBytes, this.#here, state => {
      this.#counters.refusedBy('unreadBytes')
      this.#cutOffSlow(state, 'it read too slowly: all clients together have more unread than the limit unreadBytes')
    })
    this.#incomplete = new UnreadBytes(options.limits.incomingBytes, this.#messages, messages => {
      this.#counters.refusedBy('incomingBytes')
      const state = [...this.#here].find(({ arrival }) => arrival.messages === messages)
      messages.unread = 0
      if (state !== undefined) cutOff(state, 'all clients together have more of incomplete WebSocket messages coming in than the limit incomingBytes')
    })
    this.#persistence.stateBytes.refused = () => { this.#counters.refusedBy('stateBytes') }
    this.#admission = new ConnectionLimits(options.limits)
    this.#hasSessions = persistence.counters.sessions > 0
    this.#listeners = new Listeners({
      admit: socket => this.#admit(socket),
      left: socket => { this.#left(socket) },
      accept: (stream, arrival) => { this.#welcome(stream, arrival) },
      refused: (by, address, reason) => { this.refused(by, reason, address) }
    }, (state, index) => { this.emit('listener', state, index) })
    this.aedes = new RoutingAedes({
      persistence,
      heartbeatInterval,
      preConnect: (client, packet, done) => {
        const state = this.#states.get(client)
        if (state !== undefined) {
          state.keepalive = packet.keepalive ?? 0
          state.isBridge = (packet as { bridgeMode?: boolean }).bridgeMode === true
        }
        this.#counters.connects++
        done(null, true)
      },
      authenticate: (client, username, password, done) => {
        try {
          this.#authenticate(client, username, password, done)
        } catch (error) {
          client.emit('error', error as Error)
        }
      },
      authorizePublish: (client, packet, done) => { this.#incoming(client, packet, done) },
      authorizeSubscribe: (client, subscription, done) => {
        let granted
        try {
          granted = this.#grant(client, subscription)
        } catch (error) {
          return done(error as Error)
        }
        done(null, granted)
      },
      authorizeForward: (client, packet) => {
        try {
          return this.#forward(client, packet)
        } catch (error) {
          this.#hangUp(client, reasonOf(error))
          // Nothing of it is sent any more; null would take it out of the session's queue.
          return packet
        }
      }
    })
    this.aedes.declined = reason => { this.#counters.dropped(reason) }
    this.#observe()
  }

  get listenerStates (): readonly ListenerState[] {
    return this.#listeners.states
  }

  get hasSubscribers (): boolean {
    return this.aedes.subscriptions > 0 || this.#hasSessions
  }

  get owners (): AgentOwnership { return this.#persistence.owners }

  statistics (): BrokerStatistics {
    return { clients: this.aedes.connectedClients, ...this.#counters.statistics(this.#persistence.dropped) }
  }

  snapshot (): BrokerSnapshot {
    const { retained, away, awaySubscriptions, expiredSessions, messages } = this.#persistence.counters
    const connected = this.aedes.connectedClients
    return this.#counters.snapshot(this.#here, {
      startedAt: this.#startedAt,
      clients: { connected, disconnected: away, expired: expiredSessions, total: connected + away },
      retained,
      stored: messages,
      subscriptions: this.aedes.subscriptions - this.#hearing + awaySubscriptions,
      dropped: this.#persistence.dropped
    })
  }

  configure (options: BrokerOptions): void {
    if (this.#closing !== undefined) return
    const before = this.#options
    this.#options = options
    this.#admission.limits = options.limits
    this.#turns.rates = options.limits
    this.#unread.limit = options.limits.unreadBytes
    this.#comingIn.limit = this.#incomplete.limit = options.limits.incomingBytes
    this.#persistence.stateBytes.limit = options.limits.stateBytes
    this.#watchPackets(options.limits.packetTimeout)
    this.#persistence.limits = options.limits
    this.aedes.connectTimeout = options.limits.connectTimeout * 1000 || longestTimer
    this.aedes.maxTopicLevels = options.limits.topicLevels || 100
    this.#changeUsers(options)
    this.#persistence.owners.configure({ mostPerUser: options.limits.agentsPerUser, enforced: this.#gate.hasLogins || options.listeners.some(({ certificates }) => certificates === 'username') })
    if (!isDeepStrictEqual(before.rules, options.rules)) {
      this.#rules = new Rules(options.rules)
      for (const state of this.#here) if (state.connection !== undefined) state.rights = this.#rightsOf(state)
    }
    this.#listeners.configure(options.listeners, this.#gate.isOpen)
    if (this.#sys === undefined || before.sys !== options.sys) this.#watch(options.sys)
  }

  accept (stream: Duplex, arrival: Arrival): void {
    const { socket } = arrival
    if (!this.#admit(socket)) return void socket.destroy()
    socket.on('close', () => { this.#left(socket) })
    this.#welcome(stream, arrival)
  }

  refused (by: string, reason: string, address: string | undefined): void {
    this.#refused(by, reason, undefined, undefined, address)
  }

  async publish ({ topic, payload, qos, retain }: OutgoingPublication, origin = ''): Promise<void> {
    if (this.#closing !== undefined) throw new PlatziverseError('PUBLISH_FAILED', 'The broker is closed.')
    // aedes passes it on to subscribers, and it stays with what is retained.
    const clientId = originPrefix + origin
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null): void => {
        if (error) reject(new PlatziverseError('PUBLISH_FAILED', `${reasonOf(error)}.`, { cause: error }))
        else resolve()
      }
      this.aedes.publish({ cmd: 'publish', topic, payload, qos, retain, dup: false, clientId } as PublishPacket, done)
    })
  }

  async bring (publication: Publication, origin?: string): Promise<void> {
    const { topic, payload, connection } = publication
    if (this.#closing !== undefined) throw new PlatziverseError('PUBLISH_FAILED', 'The broker is closed.')
    this.#counters.publishReceived(payload.length)
    const rights = this.#rules.for({ username: connection?.verified === true ? connection.username : undefined, clientId: connection?.clientId ?? '' })
    if (topic.startsWith('$SYS/') || rights?.mayPublish(topic) === false) {
      this.#counters.dropped('rules')
      throw new PlatziverseError('PUBLISH_FORBIDDEN', `The topic ${JSON.stringify(topic)} may not be published to.`)
    }
    if (!this.#taker.takes(topic)) return await this.publish(publication, origin)
    await new Promise<void>((resolve, reject) => {
      this.#taker.take(publication, error => {
        if (error === undefined) resolve()
        else reject(new PlatziverseError('DELIVERY_UNSETTLED', `${reasonOf(error)}.`, { cause: error }))
      })
    })
  }

  subscribe (filter: string, subscriber: Subscriber): () => void {
    const isWild = filter.startsWith('+') || filter.startsWith('#')
    let ended = false
    const hear = (packet: AedesPublishPacket, done: () => void): void => {
      // [MQTT-4.7.2-1] And aedes takes a subscription out a turn of the event loop later.
      if (ended || (isWild && packet.topic.startsWith('$'))) return done()
      let result: unknown
      try {
        result = subscriber(deliveredOf(packet))
      } catch {
        // The other subscribers, and the publisher, are not to pay for it.
        this.#counters.dropped('subscriber')
      }
      if (result instanceof Promise) result.then(done, done)
      else done()
    }
    this.aedes.subscribe(filter, hear, () => undefined)
    this.#hearing++
    return () => {
      if (ended) return
      ended = true
      this.#hearing--
      this.aedes.unsubscribe(filter, hear, () => undefined)
    }
  }

  async * retained (filters: string[]): AsyncGenerator<Delivered> {
    const stream = this.#persistence.createRetainedStreamCombi(filters)
    for await (const packet of stream) yield deliveredOf(packet as AedesPublishPacket)
  }

  clients (): ClientInfo[] {
    return [...this.#here].flatMap(({ connection, clean, connectedAt }) => {
      if (connection === undefined || connection.gone) return []
      const subscriptions = Object.entries(subscriptionsOf(this.aedes.client(connection.clientId)))
      return [{ ...who(connection), clean, connectedAt, subscriptions: subscriptions.map(([topic, { qos }]) => ({ topic, qos })) }]
    })
  }

  disconnect (clientId: string, banned = 0): boolean {
    const isBanned = banned === 0 || this.#gate.bans.add(clientId, banned)
    const client = this.aedes.client(clientId)
    if (client !== undefined) this.#hangUp(client, 'an operator disconnected it')
    if (!isBanned) throw new PlatziverseError('BROKER_COMMAND_INVALID', `${mostBans} client ids are kept out already: this one is not.`)
    return client !== undefined
  }

  async endSession (clientId: string): Promise<{ disconnected: boolean, ended: boolean }> {
    const client = this.aedes.client(clientId)
    const result = { disconnected: client?.closed === false, ended: this.#persistence.hasSession(clientId) }
    if (client === undefined) await this.#persistence.endSession(clientId)
    else await this.#endSessionOf(client)
    return result
  }

  /** In the same go as the client's end: its next connection, which may wait already, begins anew. */
  #endSessionOf (client: Client): Promise<void> {
    const state = this.#states.get(client)
    if (state !== undefined) state.reason ??= 'an operator ended its session'
    return new Promise((resolve, reject) => {
      client.close(() => { this.#persistence.endSession(client.id).then(resolve, reject) })
    })
  }

  clearRetained (topic: string): Promise<boolean> {
    return this.#persistence.clearRetained(topic)
  }

  close (): Promise<void> {
    this.#closing ??= (async () => {
      this.#sys?.stop()
      clearInterval(this.#sweep)
      await this.#listeners.close()
      // Those that came in elsewhere.
      for (const { arrival } of this.#here) arrival.socket.destroy()
      await new Promise<void>(resolve => { this.aedes.close(resolve) })
      await this.#persistence.close()
    })()
    return this.#closing
  }

  #changeUsers (options: BrokerOptions): void {
    const whyNot = this.#gate.configure(options)
    for (const state of this.#here) {
      // Those without rights were not let in yet.
      const reason = state.rights === undefined ? undefined : whyNot(state)
      if (reason !== undefined) cutOff(state, reason)
    }
  }

  /** Hang up on clients that begin a packet and do not complete it. @param seconds 0: never */
  #watchPackets (seconds: number): void {
    clearInterval(this.#sweep)
    if (seconds === 0) return
    this.#sweep = setInterval(() => {
      const now = performance.now()
      for (const state of this.#here) {
        if (state.connection === undefined || !state.stalls(now, seconds * 1000)) continue
        this.#counters.refusedBy('packetTimeout')
        cutOff(state, 'a packet was not complete in time')
      }
    }, Math.min(seconds * 250, longestSweep)).unref()
  }

  #watch (interval: number): void {
    this.#sys?.stop()
    if (interval === 0) this.#sys?.clear()
    this.#sys = new SysTopics(() => this.snapshot(), (topic, payload) => {
      this.publish({ topic, payload, qos: 0, retain: true }).catch(() => { this.#counters.dropped('sys') })
    }, version, { interval })
    if (interval > 0) this.#sys.start()
  }

  #admit (socket: Socket): boolean {
    if (this.aedes.closed) return false
    this.#counters.sockets++
    const address = socket.remoteAddress ?? ''
    const refusal = this.#admission.enter(address)
    if (refusal === undefined) return true
    this.#refused(refusal, `the limit ${refusal}`, undefined, undefined, address)
    return false
  }

  #left (socket: Socket): void {
    // Node remembers the address that was asked for when it came.
    this.#admission.leave(socket.remoteAddress ?? '')
  }

  #welcome (stream: Duplex, arrival: Arrival): void {
    if (this.aedes.closed || stream.destroyed) {
      stream.destroy()
      return
    }
    const { limits } = this.#options
    const { messages } = arrival
    messages?.limitPackets(limits.connectBytes, false)
    if (messages !== undefined) {
      this.#messages.add(messages)
      messages.changed = () => { this.#incomplete.count(messages, messages.unread) }
    }
    const state = new ClientState(stream, arrival, limits, this.#turns, this.#comingIn, this.#watcher)
    const client = this.aedes.handle(stream)
    state.attach(client)
    this.#states.set(client, state)
    this.#here.add(state)
  }

  #fellBehind (state: ClientState): void {
    if (state.unread <= mostUnread || state.stream.destroyed) return
    this.#cutOffSlow(state, 'it read too slowly')
  }

  #cutOffSlow (state: ClientState, reason: string): void {
    this.#counters.cutOff++
    cutOff(state, reason)
  }

  #violated (client: Client, state: ClientState, { reason, returnCode }: Violation): void {
    state.refusal = 'protocol'
    state.reason = reason
    if (returnCode !== undefined) state.stream.write(Buffer.from([0x20, 2, 0, returnCode])) // CONNACK
    // Not from inside read(): aedes does not expect to lose the client there.
    setImmediate(() => { client.emit('error', new Error(reason)) })
  }

  #hangUp (client: Client, reason: string): void {
    const state = this.#states.get(client)
    if (state !== undefined) cutOff(state, reason)
  }

  #authenticate (client: Client, username: string | undefined, password: Buffer | undefined, done: (error: Error & { returnCode: number } | null, success: boolean | null) => void): void {
    const state = this.#states.get(client) as ClientState
    const { arrival, keepalive } = state
    state.username = arrival.username ?? username
    const newSession = !client.clean && !this.#persistence.hasSession(client.id)
    this.#gate.decide({ clientId: client.id, newSession, keepalive, username, password, arrival }, decision => {
      const refusal = 'by' in decision ? decision : this.#letIn(client, state, decision.verified)
      if (refusal === undefined) return done(null, true)
      state.refusal = refusal.by
      done(Object.assign(new Error(refusal.text), { returnCode: refusal.returnCode }), false)
    }).catch((error: Error) => { client.emit('error', error) })
  }

  #letIn (client: Client, state: ClientState, verified: boolean): LoginRefusal | undefined {
    const previous = this.aedes.client(client.id)
    const before = previous === undefined ? undefined : this.#states.get(previous)
    const owner = verified ? state.username ?? '' : null
    // MQTT lets anybody take a client id and its session over; here only the user who has it, or one user could keep another out and get its messages.
    if (before?.verified === true && before.username !== owner) return { by: 'clientIdTaken', returnCode: 2, text: 'another user is connected with the client id' }
    if (!this.#persistence.claimSession(client.id, owner)) return { by: 'clientIdTaken', returnCode: 2, text: sessionTaken }
    if (!this.#keep(client, state)) return { by: 'stateBytes', returnCode: 3, text: 'all clients together have the broker remember too much' }
    if (before !== undefined) before.reason ??= 'another connection took over the client id'
    state.arrival.messages?.limitPackets(this.#options.limits.packetBytes, true)
    state.verified = verified
    state.rights = this.#rightsOf(state, client.id)
    this.#persistence.cameBack(client.id, owner)
    this.#checkWill(client, state, owner)
    // A session may have a queue, which is sent before any SUBSCRIBE.
    if (!client.clean) this.#deliverTo(client, state)
    return undefined
  }

  /** Count what CONNECT said, if there is room for it and the client is still here. */
  #keep (client: Client, state: ClientState): boolean {
    const will: Will | undefined = internalsOf(client)._will
    const kept = new StateShare(this.#persistence.stateBytes)
    const bytes = textBytes(client.id) + textBytes(state.username) + (will === undefined ? 0 : textBytes(will.topic) + will.payload.length)
    if (!kept.hasRoomFor(bytes)) return false
    if (!this.#here.has(state)) return true
    kept.add(bytes)
    state.kept = kept
    return true
  }

  /** Most clients of a large broker only publish: there is no need for it before a session or a subscription. */
  #deliverTo (client: Client, state: ClientState): void {
    state.delivery ??= new GrantedDelivery(client, state, this.aedes, this.#persistence)
  }

  /** A last will that the rules forbid is not even stored; another one with its owner, to be checked after a restart too. */
  #checkWill (client: Client, { rights }: ClientState, owner: SessionOwner): void {
    const connecting = internalsOf(client)
    const will: Will | undefined = connecting._will
    if (will === undefined) return
    will.owner = owner
    if (rights?.mayPublish(will.topic) !== false) return
    connecting._will = undefined
    this.#counters.dropped('rules')
  }

  #rightsOf (state: ClientState, clientId = state.connection?.clientId ?? ''): ClientState['rights'] {
    return this.#rules.for({ username: state.verified ? state.username : undefined, clientId })
  }

  #incoming (client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const will = formerWill(packet)
    // With null, or with the client that has its id now.
    if (will !== undefined || client === null) return this.#found(will ?? packet as Will, done)
    const state = this.#states.get(client)
    try {
      this.#authorized(client, state, packet, done)
    } catch (error) {
      // Also after the client's end.
      done(error as Error)
    }
  }

  #authorized (client: Client, state: ClientState | undefined, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const { topic, qos } = packet
    this.#counters.publishReceived(packet.payload.length)
    // aedes' own check, which this hook replaces. [MQTT-3.3.5-2] A publication that is not allowed is acknowledged, and goes nowhere.
    if (topic.startsWith('$SYS/') || state?.rights?.mayPublish(topic) === false) {
      this.#counters.dropped('rules')
      markTaken(packet)
      return done(null)
    }
    // aedes publishes a will only after it closed the client.
    const will = client.closed
    const finished = (error?: Error | null): void => {
      // Nobody is there to be acknowledged, and aedes would report the failing write.
      if (!will && client.closed) return
      if (error && state !== undefined) state.reason ??= `not acknowledged: ${error.message}`
      try {
        done(error ?? null)
      } catch (fault) {
        // Whoever took it settles what came from others as well.
        client?.emit('error', fault as Error)
      }
    }
    // Its last will speaks for a client that went on its way in, too.
    const publisher = state?.connection ?? (state && { clientId: client.id, username: state.username, verified: state.verified })
    if (qos !== 2 || will) return this.#pass(client, state, packet, will, finished, publisher)
    const settle = this.#persistence.receive(client, packet, finished)
    if (settle === undefined) markTaken(packet)
    else this.#pass(client, state, packet, will, settle, publisher)
  }

  /** A last will that was found after a restart. */
  #found (will: Will, done: (error?: Error | null) => void): void {
    const { clientId = '', owner, topic } = will
    const publisher: Publisher = { clientId, username: owner ?? undefined, verified: typeof owner === 'string' }
    this.#counters.publishReceived(will.payload.length)
    // One without a known owner kept to the rules when it was stored.
    const isForbidden = topic.startsWith('$SYS/') || (owner !== undefined && !this.#rules.for(publisher).mayPublish(topic))
    if (isForbidden) this.#counters.dropped('rules')
    // Its client may have come back since aedes looked for wills.
    if (!isForbidden && this.#persistence.isToPublish(will)) return this.#pass(null, undefined, will as PublishPacket, true, done, publisher)
    markTaken(will as PublishPacket)
    done(null)
  }

  /** Give a publication to the taker or to the subscribers. */
  #pass (client: Client | null, state: ClientState | undefined, packet: PublishPacket, will: boolean, settle: (error?: Error) => void, publisher: Publisher | undefined): void {
    const { topic, qos, retain } = packet
    if (this.#taker.takes(topic)) {
      markTaken(packet)
      const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
      return this.#taker.take({ topic, payload, qos, retain, will, connection: state?.connection, publisher }, settle)
    }
    this.#taker.passes?.(topic, publisher?.clientId ?? '')
    // aedes publishes it after this.
    if (qos === 0 || will) return settle()
    // aedes acknowledges QoS 1 before it publishes, and QoS 2 that comes again while it publishes: published here, so that PUBACK and PUBREC mean that every queue has it.
    this.aedes.publish(packet, client, (error?: Error | null) => {
      markTaken(packet)
      settle(error ?? undefined)
    })
  }

  /** @returns null: the SUBACK says that it failed [MQTT-3.9.3-2] */
  #grant (client: Client, subscription: Subscription): Subscription | null {
    const state = this.#states.get(client)
    if (state === undefined) return subscription
    const { topic } = subscription
    state.filters ??= new GrantedFilters(client.clean ? state.kept : undefined)
    const refusal = state.filters.refusal(topic, this.#options.limits.subscriptionsPerClient)
    if (refusal !== undefined) this.#counters.refusedBy(refusal)
    else if (state.rights?.maySubscribe(topic) === false) this.#counters.refusedBy('rules')
    else if (!client.clean && !this.#persistence.takeRoom(client.id, topic)) this.#counters.refusedBy('stateBytes')
    else {
      // Before aedes takes what it delivers by from the client.
      this.#deliverTo(client, state)
      state.filters.add(topic)
      return subscription
    }
    // aedes stores every filter of the packet in the session, this one too; the persistence leaves out what has failed.
    ;(subscription as { qos: number }).qos = subackFailure
    return null
  }

  #forward (client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const state = this.#states.get(client)
    state?.delivery?.sentFromQueue(packet)
    if (state?.isBridge === true && isFrom(client.id, packet)) return null
    // What aedes tells itself: it names every client.
    if (packet.topic.startsWith('$SYS/') && packet.topic.startsWith(this.aedes.id, 5)) return null
    if (state?.rights?.mayReceive(packet.topic) === false) {
      this.#counters.dropped('rules')
      return null
    }
    if (packet.qos === 0 && (state?.unread ?? 0) > unreadBeforeDropping) {
      this.#counters.dropped('slowReader')
      return null
    }
    this.#counters.publishSent(packet.payload.length)
    return packet
  }

  /** Turn aedes' events into plain data. */
  #observe (): void {
    this.#on('client', client => {
      const state = this.#states.get(client)
      if (state === undefined) return
      const { username, verified, arrival: { address } } = state
      // What aedes restored is still to be there: the session may have been ended since it was read.
      if (!client.clean && !this.#persistence.hasSubscriptions(client.id, Object.keys(subscriptionsOf(client)))) {
        this.#refused('sessionEnded', sessionEnded, client.id, username, address)
        return this.#hangUp(client, sessionEnded)
      }
      if (!this.#persistence.clientCame(client.id, client.clean, verified ? username ?? '' : null)) {
        this.#refused('clientIdTaken', sessionTaken, client.id, username, address)
        return this.#hangUp(client, sessionTaken)
      }
      const connection: Connection = { number: this.#counters.connected(this.aedes.connectedClients), clientId: client.id, username, verified, address, gone: false }
      state.connection = connection
      // The rules may have changed since it was let in.
      state.rights = this.#rightsOf(state)
      state.connectedAt = Date.now()
      state.clean = client.clean
      this.#hasSessions ||= !client.clean
      this.#tell({ event: 'connected', ...who(connection), clean: client.clean })
    })
    this.#on('clientDisconnect', client => {
      const state = this.#states.get(client)
      if (state?.connection === undefined) return
      state.connection.gone = true
      this.#persistence.clientWent(client.id)
      this.#tell({ event: 'disconnected', ...who(state.connection), reason: reasonFor(client, state) })
      this.#taker.gone(state.connection, comesBack(client, state))
    })
    const failed = (client: Client, error: Error): void => {
      const state = this.#states.get(client)
      if (state?.connection !== undefined) state.reason ??= error.message
      else {
        const { by, reason } = refusals[error.message] ?? { by: 'protocol', reason: error.message }
        this.#refused(state?.refusal ?? by, state?.reason ?? reason, client.id, state?.username, state?.arrival.address)
      }
    }
    this.#on('clientError', failed)
    this.#on('connectionError', failed)
    this.#on('subscribe', (client, subscriptions: Subscription[]) => {
      const state = this.#states.get(client)
      const granted = subscriptions.flatMap(({ topic, qos }) => qos < subackFailure ? [topic] : [])
      for (const topic of granted) state?.filters?.add(topic)
      state?.charge(this.#persistence.countRetained(granted))
      this.#tell({ event: 'subscribed', clientId: client.id, subscriptions: subscriptions.map(({ topic, qos }) => ({ topic, qos })) })
    })
    this.#on('unsubscribe', (client, topics: string[]) => {
      if (client.closed) return
      this.#states.get(client)?.filters?.left(client, topics)
      this.#tell({ event: 'unsubscribed', clientId: client.id, topics })
    })
    // Not in aedes' types: a failing persistence. It concerns one packet; the broker goes on.
    ;(this.aedes as EventEmitter).on('error', () => { this.#counters.dropped('persistence') })
  }

  /** Handle an event of aedes; the client is before or behind what the event is about. A fault there ends that client's connection. */
  #on<About> (event: string, handle: (client: Client, about: About) => void): void {
    (this.aedes as EventEmitter).on(event, (...given: [Client, About] | [About, Client | null]) => {
      const [client, about] = (event.endsWith('subscribe') ? [...given].reverse() : given) as [Client | null, About]
      if (client === null) return
      try {
        handle(client, about)
      } catch (error) {
        this.#counters.dropped('event')
        // aedes does not expect to lose the client here.
        setImmediate(() => { if (!client.closed) client.emit('error', error as Error) })
      }
    })
  }

  /** What somebody does with an event is no reason to leave out what is to come after it. */
  #tell (event: ClientEvent): void {
    try {
      this.emit('client', event)
    } catch {
      this.#counters.dropped('event')
    }
  }

  #refused (by: string, reason: string, clientId: string | null | undefined, username: string | undefined, address: string | undefined): void {
    this.#counters.refused(by)
    this.#tell({
      event: 'refused',
      ...clientId ? { clientId } : {},
      ...username === undefined ? {} : { username },
      ...address === undefined ? {} : { address },
      reason
    })
  }
}

function cutOff (state: ClientState, reason: string): void {
  state.reason ??= reason
  // A graceful end would wait for a client that does not read.
  state.stream.destroy()
}

function reasonFor (client: Client, state: ClientState): string {
  // aedes tells a clean DISCONNECT in no other way. [MQTT-3.14.4-3]
  return internalsOf(client)._disconnected ? 'the client disconnected' : state.reason ?? state.broke?.message ?? 'the connection was lost'
}

/** [MQTT-4.4.0-1] Whether a client sends again what was not acknowledged: one that ended by itself may be done, and one without a session need not. */
function comesBack (client: Client, { stream, broke }: ClientState): boolean {
  if (internalsOf(client)._disconnected) return false
  return !stream.readableEnded || (broke !== undefined && !client.clean)
}

function who ({ clientId, username, address }: Connection): { clientId: string, username?: string, address?: string } {
  return { clientId, ...username === undefined ? {} : { username }, ...address === undefined ? {} : { address } }
}

/** Whether a client published it, or something that this process made of it. */
function isFrom (id: string, packet: AedesPublishPacket): boolean {
  const { clientId } = packet as AedesPublishPacket & { clientId?: string }
  return clientId === id || clientId === originPrefix + clientOrigin(id)
}

function deliveredOf (packet: AedesPublishPacket): Delivered {
  const { topic, qos, retain, clientId = originPrefix } = packet as AedesPublishPacket & { clientId?: string }
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
  const isOurs = clientId.startsWith(originPrefix)
  return { topic, payload, qos, retain, clientId: isOurs ? undefined : clientId, origin: isOurs ? clientId.slice(1) || undefined : undefined }
}
