import { EventEmitter } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import type { Socket } from 'node:net'
import { Aedes, type AedesPublishPacket, type Client, type PublishPacket } from 'aedes'
import { PlatziverseError, reasonOf } from '../errors.ts'
import type { Broker, BrokerEvents, BrokerStatistics, Connection, ListenerOptions, ListenerState, OutgoingPublication, Taker } from './broker.ts'
import { openListener, type Listener } from './listener.ts'

/** Bytes that a client may leave unread: beyond the first it gets no more of QoS 0, beyond the second it is cut off. */
const unreadBeforeDropping = 1024 * 1024
const mostUnread = 4 * unreadBeforeDropping
/** ms from the socket to CONNECT. */
const connectTimeout = 10_000

/** Marks a packet that was taken. */
const taken = Symbol('taken')
type Takeable = PublishPacket & { [taken]?: boolean }

type Done = (error?: Error) => void

/** What aedes calls when a socket's buffer is full; not in its types. */
type PatientClient = Client & { waitForDrain (done: (error: Error | null, client: Client) => void): void }

/** aedes, except that a publication which was taken is routed to nobody: no subscriber, no offline queue, no retained store. */
class TakingAedes extends Aedes {
  /** Subscriptions of the clients that are here. */
  subscriptions = 0

  override publish (packet: PublishPacket, ...rest: unknown[]): void {
    const done = (rest.length > 1 ? rest[1] : rest[0]) as Done | undefined
    if ((packet as Takeable)[taken] === true) done?.()
    else super.publish.call(this, packet, ...rest as [Done])
  }

  override subscribe (...args: Parameters<Aedes['subscribe']>): void {
    this.subscriptions++
    super.subscribe(...args)
  }

  override unsubscribe (...args: Parameters<Aedes['unsubscribe']>): void {
    this.subscriptions--
    super.unsubscribe(...args)
  }
}

/**
 * An aedes broker inside this process.
 * @param taker takes publications off it
 */
export async function openEmbeddedBroker (taker: Taker): Promise<Broker> {
  const broker = new EmbeddedBroker(taker)
  await broker.aedes.listen()
  return broker
}

class EmbeddedBroker extends EventEmitter<BrokerEvents> implements Broker {
  readonly aedes: TakingAedes
  listener: ListenerState = { state: 'closed' }
  #taker: Taker
  #listening: { options: ListenerOptions, listener: Listener } | undefined
  #connections = new WeakMap<Client, Connection>()
  #usernames = new WeakMap<Client, string>()
  #reasons = new WeakMap<Client, string>()
  /** Whether a session that outlives its connection ever was here: it may have subscriptions while its client is away. */
  #hasSessions = false
  #counters = { connections: 0, refused: 0, received: 0, delivered: 0, dropped: 0, cutOff: 0 }
  #closing: Promise<void> | undefined

  constructor (taker: Taker) {
    super()
    this.#taker = taker
    this.aedes = new TakingAedes({
      connectTimeout,
      authenticate: (client, username, _password, done) => {
        if (username !== undefined) this.#usernames.set(client, username)
        const previous = this.#client(client.id)
        if (previous !== undefined) this.#reasons.set(previous, 'another connection took over the client id')
        done(null, true)
      },
      authorizePublish: (client, packet, done) => { this.#incoming(client, packet, done) },
      authorizeForward: (client, packet) => this.#forward(client, packet)
    })
    this.#observe()
  }

  statistics (): BrokerStatistics {
    return { clients: this.aedes.connectedClients, ...this.#counters }
  }

  listen (options: ListenerOptions): void {
    const current = this.#listening
    if (this.#closing !== undefined || isDeepStrictEqual(current?.options, options)) return
    const open = (): Listener => openListener(options, socket => { this.#accept(socket) }, state => {
      this.listener = state
      this.emit('listener', state)
    })
    if (current === undefined) {
      this.#listening = { options, listener: open() }
      return
    }
    // The new listener may want the old one's port: it opens once that is free.
    let opened: Listener | undefined
    let closed = false
    const freed = current.listener.close().then(() => { if (!closed) opened = open() })
    this.#listening = { options, listener: { close: async () => { closed = true; await freed; await opened?.close() } } }
  }

  get hasSubscribers (): boolean {
    return this.aedes.subscriptions > 0 || this.#hasSessions
  }

  async publish ({ topic, payload, qos, retain }: OutgoingPublication): Promise<void> {
    if (this.#closing !== undefined) throw new PlatziverseError('PUBLISH_FAILED', 'The broker is closed.')
    await new Promise<void>((resolve, reject) => {
      this.aedes.publish({ cmd: 'publish', topic, payload, qos, retain, dup: false }, (error?: Error | null) => {
        if (error) reject(new PlatziverseError('PUBLISH_FAILED', `${reasonOf(error)}.`, { cause: error }))
        else resolve()
      })
    })
  }

  close (): Promise<void> {
    this.#closing ??= (async () => {
      await this.#listening?.listener.close()
      await new Promise<void>(resolve => { this.aedes.close(resolve) })
    })()
    return this.#closing
  }

  #client (id: string): Client | undefined {
    return (this.aedes as unknown as { clients: Record<string, Client | undefined> }).clients[id]
  }

  #accept (socket: Socket): void {
    if (this.aedes.closed) {
      socket.destroy()
      return
    }
    const client = this.aedes.handle(socket) as PatientClient
    // aedes makes every other client wait until this one has read; instead it may fall behind so far, and no further.
    client.waitForDrain = done => {
      if (socket.writableLength > mostUnread && !socket.destroyed) {
        this.#counters.cutOff++
        this.#reasons.set(client, 'it read too slowly')
        socket.destroy()
      }
      setImmediate(done, null, client)
    }
  }

  #incoming (client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    this.#counters.received++
    // aedes' own check, which this hook replaces.
    if (packet.topic.startsWith('$SYS/')) return done(new Error('$SYS/ topics belong to the broker'))
    if (!this.#taker.takes(packet.topic)) return done(null)

    ;(packet as Takeable)[taken] = true
    // aedes publishes a will only after it closed the client.
    const will = client === null || client.closed
    const { topic, qos, retain } = packet
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
    const connection = client === null ? undefined : this.#connections.get(client)
    this.#taker.take({ topic, payload, qos, retain, will, connection }, error => {
      // Nobody is there to be acknowledged, and aedes would report the failing write.
      if (!will && client.closed) return
      if (error !== undefined && client !== null) this.#reasons.set(client, `not acknowledged: ${error.message}`)
      done(error ?? null)
    })
  }

  #forward (client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    if (packet.qos === 0 && client.conn.writableLength > unreadBeforeDropping) {
      this.#counters.dropped++
      return null
    }
    this.#counters.delivered++
    return packet
  }

  /** Turn aedes' events into plain data. */
  #observe (): void {
    this.aedes.on('client', client => {
      const username = this.#usernames.get(client)
      const address = (client.conn as Socket).remoteAddress
      const connection: Connection = { number: ++this.#counters.connections, clientId: client.id, username, address, gone: false }
      this.#connections.set(client, connection)
      this.#hasSessions ||= !client.clean
      this.emit('client', { event: 'connected', ...who(connection), clean: client.clean })
    })
    this.aedes.on('clientDisconnect', client => {
      const connection = this.#connections.get(client)
      if (connection === undefined) return
      connection.gone = true
      this.emit('client', { event: 'disconnected', ...who(connection), reason: this.#reasonOf(client) })
      this.#taker.gone(connection)
    })
    const failed = (client: Client, error: Error): void => {
      if (this.#connections.has(client)) {
        if (!this.#reasons.has(client)) this.#reasons.set(client, error.message)
        return
      }
      this.#counters.refused++
      const address = (client.conn as Socket).remoteAddress
      this.emit('client', { event: 'refused', ...client.id === null ? {} : { clientId: client.id }, ...address === undefined ? {} : { address }, reason: error.message })
    }
    this.aedes.on('clientError', failed)
    this.aedes.on('connectionError', failed)
    this.aedes.on('subscribe', (subscriptions, client) => {
      if (client) this.emit('client', { event: 'subscribed', clientId: client.id, subscriptions: subscriptions.map(({ topic, qos }) => ({ topic, qos })) })
    })
    this.aedes.on('unsubscribe', (topics, client) => {
      if (client && !client.closed) this.emit('client', { event: 'unsubscribed', clientId: client.id, topics })
    })
    // Not in aedes' types: a failing persistence. It concerns one packet; the broker goes on.
    ;(this.aedes as EventEmitter).on('error', () => { this.#counters.dropped++ })
  }

  #reasonOf (client: Client): string {
    // aedes tells a clean DISCONNECT in no other way. [MQTT-3.14.4-3]
    const clean = (client as Client & { _disconnected?: boolean })._disconnected === true
    return clean ? 'the client disconnected' : this.#reasons.get(client) ?? 'the connection was lost'
  }
}

function who ({ clientId, username, address }: Connection): { clientId: string, username?: string, address?: string } {
  return { clientId, ...username === undefined ? {} : { username }, ...address === undefined ? {} : { address } }
}
