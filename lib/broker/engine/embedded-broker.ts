import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import { PlatziverseError } from '../../errors.ts'
import { countVersions, versionOf, type ProtocolLevel, type ProtocolVersion } from '../../mqtt/protocol-version.ts'
import { reasonCodes } from '../../mqtt/reason-codes.ts'
import { RoutingAedes, subscriptionsOf } from '../aedes/routing-aedes.ts'
import type { AgentOwnership } from '../agent-ownership.ts'
import type { Arrival } from '../arrival.ts'
import type { EmbeddedBrokerOptions } from '../broker-options.ts'
import type { Broker, BrokerEvents, BrokerStatistics, ClientHost, ClientInfo, ListenerState } from '../broker.ts'
import { Listeners } from '../listening/listeners.ts'
import { mostBans } from '../login/bans.ts'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import { openPersistence } from '../persistence/persistence.ts'
import type { Delivered, OutgoingPublication, Publication, Subscriber, Taker } from '../publication.ts'
import type { BrokerSnapshot } from '../snapshot.ts'
import { SysTopics } from '../watching/sys-topics.ts'
import { version } from '../watching/version.ts'
import { identityOf, observe } from './client-events.ts'
import { ConnectHandler } from './connect.ts'
import { Engine } from './engine.ts'
import { LocalClient } from './local-client.ts'
import { PublishHandler } from './publish.ts'
import { SubscribeHandler } from './subscribe.ts'

/** ms. Four of them after a crash aedes publishes the wills of clients that did not come back. */
const heartbeatInterval = 15_000

/**
 * An aedes broker inside this process.
 * @param taker takes publications off it
 * @param options its folder is fixed; everything else may change by `configure`
 * @throws PlatziverseError BROKER_FOLDER_…
 */
export async function openEmbeddedBroker (taker: Taker, options: EmbeddedBrokerOptions): Promise<Broker & ClientHost> {
  const { folder, limits } = options
  const broker = new EmbeddedBroker(taker, options, await openPersistence({ folder, limits }))
  await broker.open()
  return broker
}

/** The Broker's face: hands each hook of aedes, and each call from outside, to the part whose job it is. */
class EmbeddedBroker extends EventEmitter<BrokerEvents> implements Broker, ClientHost {
  #aedes: RoutingAedes
  #persistence: BrokerPersistence
  #engine: Engine
  #connect: ConnectHandler
  #publish: PublishHandler
  #subscribe: SubscribeHandler
  #local: LocalClient
  #listeners: Listeners
  #sys: SysTopics | undefined
  #startedAt = performance.now()
  #closing: Promise<void> | undefined

  constructor (taker: Taker, options: EmbeddedBrokerOptions, persistence: BrokerPersistence) {
    super()
    this.#persistence = persistence
    persistence.on('disk', error => { this.emit('disk', error) })
    this.#aedes = new RoutingAedes({
      persistence,
      heartbeatInterval,
      preConnect: (client, packet, done) => {
        this.#connect.announce(client, packet)
        done(null, true)
      },
      authenticate: (client, username, password, done) => { this.#connect.authenticate(client, username, password, done) },
      authorizePublish: (client, packet, done) => { this.#publish.authorize(client, packet, done) },
      authorizeSubscribe: (client, subscription, done) => { this.#subscribe.authorize(client, subscription, done) },
      authorizeForward: (client, packet) => this.#subscribe.forward(client, packet)
    })
    this.#engine = new Engine(taker, options, persistence, this.#aedes, event => { this.emit('client', event) })
    this.#local = new LocalClient(this.#engine)
    this.#connect = new ConnectHandler(this.#engine)
    this.#publish = new PublishHandler(this.#engine, this.#local)
    this.#subscribe = new SubscribeHandler(this.#engine)
    this.#listeners = new Listeners({
      admit: socket => this.#connect.admit(socket),
      left: socket => { this.#connect.leave(socket) },
      accept: (stream, arrival) => { this.#engine.connections.open(stream, arrival) },
      refused: (by, address, reason) => { this.refused(by, reason, address) }
    }, (state, index) => { this.emit('listener', state, index) })
    persistence.onWillDue = will => { this.#publish.publishDueWill(will) }
    observe(this.#engine, this.#connect)
  }

  async open (): Promise<void> {
    await this.#aedes.listen()
    this.configure(this.#engine.options)
  }

  get listenerStates (): readonly ListenerState[] {
    return this.#listeners.states
  }

  get hasSubscribers (): boolean {
    return this.#aedes.subscriptions > 0 || this.#connect.hasHadSessions
  }

  get owners (): AgentOwnership { return this.#persistence.owners }

  get retainedChanges (): number { return this.#persistence.retainedChanges }

  statistics (): BrokerStatistics {
    return { clients: this.#aedes.connectedClients, clientsByVersion: this.#versions(), ...this.#engine.counters.statistics(this.#persistence.dropped) }
  }

  snapshot (): BrokerSnapshot {
    const { counters, connections } = this.#engine
    const { retained, away, awaySubscriptions, expiredSessions, messages } = this.#persistence.counters
    const connected = this.#aedes.connectedClients
    return counters.snapshot(connections.here, {
      startedAt: this.#startedAt,
      clients: { connected, byVersion: this.#versions(), disconnected: away, expired: expiredSessions, total: connected + away },
      retained,
      stored: messages,
      subscriptions: this.#aedes.subscriptions - this.#local.subscriptions + awaySubscriptions,
      dropped: this.#persistence.dropped
    })
  }

  configure (options: EmbeddedBrokerOptions): void {
    if (this.#closing !== undefined) return
    const { sys } = this.#engine.options
    this.#connect.configure(options.limits)
    this.#engine.configure(options)
    this.#listeners.configure(options.listeners, this.#engine.gate.isOpen)
    if (this.#sys === undefined || sys !== options.sys) this.#publishSys(options.sys)
  }

  accept (stream: Duplex, arrival: Arrival): void {
    const { socket } = arrival
    if (!this.#connect.admit(socket)) return void socket.destroy()
    socket.on('close', () => { this.#connect.leave(socket) })
    this.#engine.connections.open(stream, arrival)
  }

  refused (by: string, reason: string, address: string | undefined): void {
    this.#engine.refused(by, reason, { address })
  }

  publish (publication: OutgoingPublication, origin?: string): Promise<void> {
    return this.#closing === undefined ? this.#local.publish(publication, origin) : Promise.reject(isClosed())
  }

  bring (publication: Publication, origin?: string): Promise<void> {
    return this.#closing === undefined ? this.#publish.bring(publication, origin) : Promise.reject(isClosed())
  }

  subscribe (filter: string, subscriber: Subscriber): () => void {
    return this.#local.subscribe(filter, subscriber)
  }

  retained (filters: string[]): AsyncIterable<Delivered> {
    return this.#local.retained(filters)
  }

  #versions (): Record<ProtocolVersion, number> {
    const levels: ProtocolLevel[] = []
    for (const { connection, version } of this.#engine.connections.here) if (connection?.gone === false) levels.push(version)
    return countVersions(levels)
  }

  clients (): ClientInfo[] {
    return [...this.#engine.connections.here].flatMap(({ connection, clean, version, connectedAt }) => {
      if (connection === undefined || connection.gone) return []
      const subscriptions = Object.entries(subscriptionsOf(this.#aedes.client(connection.clientId)))
      return [{ ...identityOf(connection), clean, version: versionOf(version), connectedAt, subscriptions: subscriptions.map(([topic, { qos }]) => ({ topic, qos })) }]
    })
  }

  disconnect (clientId: string, banned = 0): boolean {
    const { gate, connections } = this.#engine
    const isBanned = banned === 0 || gate.bans.add(clientId, banned)
    const client = this.#aedes.client(clientId)
    if (client !== undefined) connections.hangUp(client, 'an operator disconnected it', reasonCodes.administrativeAction)
    if (!isBanned) throw new PlatziverseError('BROKER_COMMAND_INVALID', `${mostBans} client ids are kept out already: this one is not.`)
    return client !== undefined
  }

  async endSession (clientId: string): Promise<{ disconnected: boolean, ended: boolean }> {
    const client = this.#aedes.client(clientId)
    const result = { disconnected: client?.closed === false, ended: this.#persistence.hasSession(clientId) }
    if (client === undefined) await this.#persistence.endSession(clientId)
    else await this.#endSessionOf(client)
    return result
  }

  /** Ends the session synchronously with the connection, because the client's next connection may be waiting already and has to begin anew. */
  #endSessionOf (client: Client): Promise<void> {
    const state = this.#engine.connections.stateOf(client)
    state?.endsFor('an operator ended its session', reasonCodes.administrativeAction)
    return new Promise((resolve, reject) => {
      client.close(() => { this.#persistence.endSession(client.id).then(resolve, reject) })
    })
  }

  clearRetained (topic: string): Promise<boolean> {
    return this.#persistence.clearRetained(topic)
  }

  close (): Promise<void> {
    this.#closing ??= (async () => {
      const { connections } = this.#engine
      this.#sys?.stop()
      connections.close()
      for (const state of connections.here) if (state.speaker !== undefined) state.cutOff('the broker shuts down', reasonCodes.serverShuttingDown)
      await this.#listeners.close()
      // The listeners have closed their own sockets: these are the ones that `accept` was given.
      for (const { arrival } of connections.here) arrival.socket.destroy()
      await new Promise<void>(resolve => { this.#aedes.close(resolve) })
      await this.#persistence.close()
    })()
    return this.#closing
  }

  /** @param interval seconds; 0: not at all */
  #publishSys (interval: number): void {
    this.#sys?.stop()
    if (interval === 0) this.#sys?.clear()
    this.#sys = new SysTopics(() => this.snapshot(), (topic, payload) => {
      this.publish({ topic, payload, qos: 0, retain: true }).catch(() => { this.#engine.counters.dropped('sys') })
    }, version, { interval })
    if (interval > 0) this.#sys.start()
  }
}

function isClosed (): PlatziverseError {
  return new PlatziverseError('PUBLISH_FAILED', 'The broker is closed.')
}
