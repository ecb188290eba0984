import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PlatziverseError } from '../errors.ts'
import { openDiskJournal, openMemoryJournal, type Journal, type OnFailure } from './persistence/journal.ts'
import { sizeOf, type Content, type Packet, type Release, type StoredRecord, type Subscription } from './persistence/records.ts'
import { Session, type Queued } from './persistence/session.ts'
import { TopicTree } from './persistence/topic-tree.ts'

/** 0 = no limit. */
export interface PersistenceLimits {
  /** Topics with a retained message. One more is not retained; those that are there can still be replaced and cleared. */
  retainedMessages: number
  /** Messages in one session's queue, those on their way to a connected client included. One more is not queued. */
  offlineMessages: number
  /** Bytes of topics and payloads in one session's queue. What exceeds it is not queued. */
  offlineBytes: number
  /** Seconds after which the session of a client that is away ends. */
  sessionExpiry: number
}

export interface PersistenceCounters {
  retained: number
  retainedBytes: number
  sessions: number
  /** Those whose client is not here, and their subscriptions. */
  away: number
  awaySubscriptions: number
  /** Messages in queues, each once however many clients it waits for. */
  messages: number
  /** Messages in all queues. */
  offline: number
  offlineBytes: number
  /** Messages that a full queue did not take. A client that is connected got them once, if its connection held. */
  droppedOffline: number
  /** Messages that were not retained. */
  refusedRetained: number
  expiredSessions: number
}

export interface PersistenceOptions {
  /** Where to keep everything; undefined = in memory only. */
  folder: string | undefined
  limits: PersistenceLimits
  /** ms since 1970. */
  now?: () => number
  /** Told when the disk stops taking changes, and with undefined when it takes them again. Meanwhile publishers wait. */
  onFailure?: OnFailure
}

/** The parts of aedes and its clients that are used here. */
interface Aedes { id: string, counter: number }
interface Client { id: string, clean?: boolean, connecting?: boolean }

type Will = Content & { brokerId?: string, clientId?: string }
type Route = Subscription & { clientId: string }
type Retained = { packet: Packet, record: number | undefined }
type Received = { packet: Partial<Packet>, record: number | undefined }

/** What aedes takes as `persistence`, and what a broker needs beside it. */
export interface BrokerPersistence {
  setup (broker: Aedes): Promise<void>
  /** May be replaced; what is there already stays. */
  limits: PersistenceLimits
  readonly counters: Readonly<PersistenceCounters>
  /** Why the disk takes no changes now. */
  readonly failure: PlatziverseError | undefined
  /** A client connected, and is registered with aedes. A clean one ends the session that was. [MQTT-3.1.2-6] */
  clientCame (clientId: string, clean: boolean): void
  clientWent (clientId: string): void
  hasSession (clientId: string): boolean
  /** Put a message into the queue of a session; resolves after the commit. */
  outgoingEnqueue (session: { clientId: string }, packet: Packet): PromiseLike<void>
  /** Resolves, after the commit, to whether there was a retained message. */
  clearRetained (topic: string): Promise<boolean>
  /** Call it after `aedes.close`; everything is on the disk then. */
  close (): Promise<void>
}

/** What stands for the brokers of former runs. */
const formerBroker = 'former'
/** ms between looks for sessions to end. */
const longestSweep = 60_000

/**
 * A persistence for aedes: all in memory, and with a folder also on the disk, where it survives the end of the process
 * and of the power. What the broker promises somebody by an answer (PUBACK, PUBREC, PUBCOMP, PUBREL, SUBACK, CONNACK) is
 * on the disk before the operation resolves.
 * @throws {PlatziverseError} BROKER_FOLDER_DAMAGED, BROKER_FOLDER_IN_USE, BROKER_FOLDER_NEWER, BROKER_FOLDER_UNWRITABLE, STORE_DRIVER_MISSING
 */
export async function openPersistence ({ folder, limits, now = Date.now, onFailure }: PersistenceOptions): Promise<BrokerPersistence> {
  const persistence = new Persistence(limits, now)
  const tell: OnFailure = failure => {
    persistence.failure = failure
    onFailure?.(failure)
  }
  const restorer = new Restorer(persistence)
  persistence.start(folder === undefined ? openMemoryJournal() : await openDiskJournal(folder, tell, (id, record) => { restorer.restore(id, record) }))
  return persistence
}

class Persistence implements BrokerPersistence {
  readonly retained = new TopicTree<Retained>()
  readonly routes = new TopicTree<Map<string, Route>>()
  readonly sessions = new Map<string, Session>()
  /** QoS 2 messages that wait for their PUBREL, by client and message id. */
  readonly received = new Map<string, Map<number, Received>>()
  readonly wills = new Map<string, { will: Will, record: number }>()
  readonly totals = { retainedBytes: 0, messages: 0, offline: 0, offlineBytes: 0, droppedOffline: 0, refusedRetained: 0, expiredSessions: 0 }
  failure: PlatziverseError | undefined
  #limits: PersistenceLimits
  #journal: Journal = openMemoryJournal()
  #now: () => number
  #broker: Aedes | undefined
  #sweep: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  /** What was received as QoS 2 and is not yet in the queues, by its payload: the one thing that aedes passes on untouched. */
  #arriving = new WeakMap<object, { received: Received, client: string, messageId: number }>()
  /** Connections have numbers, so that a queue can know them and yet not keep them in memory. */
  #connections = new WeakMap<Client, number>()
  #lastConnection = 0

  constructor (limits: PersistenceLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  get limits (): PersistenceLimits { return this.#limits }

  set limits (limits: PersistenceLimits) {
    this.#limits = limits
    this.#watchSessions()
  }

  start (journal: Journal): void {
    this.#journal = journal
    // The clients that were here when the last run ended are away since now.
    for (const session of this.sessions.values()) if (session.away === undefined) this.#setAway(session, this.#now())
    this.#watchSessions()
  }

  #watchSessions (): void {
    clearInterval(this.#sweep)
    if (this.limits.sessionExpiry === 0 || this.#closing !== undefined) return
    this.#endExpired()
    this.#sweep = setInterval(() => { this.#endExpired() }, Math.min(longestSweep, this.limits.sessionExpiry * 500)).unref()
  }

  /** aedes wants an async function. */
  async setup (broker: Aedes): Promise<void> {
    this.#broker = broker
  }

  get broker (): Aedes | undefined { return this.#broker }

  hasSession (clientId: string): boolean { return this.sessions.has(clientId) }

  get counters (): PersistenceCounters {
    const away = [...this.sessions.values()].filter(({ here }) => here === 0)
    const awaySubscriptions = away.reduce((sum, { subscriptions }) => sum + subscriptions.size, 0)
    return { retained: this.retained.size, sessions: this.sessions.size, away: away.length, awaySubscriptions, ...this.totals }
  }

  close (): Promise<void> {
    this.#closing ??= (async () => {
      clearInterval(this.#sweep)
      // aedes does not wait for the wills that it publishes for the clients it cuts off.
      for (let turns = 0; turns < 3; turns++) {
        await nextTurn()
        await this.#journal.committed().catch(() => undefined)
      }
      await this.#journal.close()
    })()
    return this.#closing
  }

  destroy (): Promise<void> { return this.close() }

  // Sessions

  clientCame (clientId: string, clean: boolean): void {
    if (clean) {
      this.#end(this.sessions.get(clientId))
      return
    }
    const session = this.#session(clientId)
    session.here++
    if (session.away !== undefined) this.#setAway(session, undefined)
  }

  clientWent (clientId: string): void {
    const session = this.sessions.get(clientId)
    if (session === undefined || session.here === 0) return
    session.here--
    if (session.here === 0) this.#setAway(session, this.#now())
    this.#endEmpty(session)
  }

  #session (clientId: string): Session {
    let session = this.sessions.get(clientId)
    if (session === undefined) {
      session = new Session(clientId, this.#journal.next())
      this.sessions.set(clientId, session)
      this.#setAway(session, this.#now())
    }
    return session
  }

  #setAway (session: Session, away: number | undefined): void {
    session.away = away
    this.#journal.put(session.record, { kind: 'session', client: session.client, away: away ?? null })
  }

  #endExpired (): void {
    const before = this.#now() - this.limits.sessionExpiry * 1000
    for (const session of this.sessions.values()) {
      if (session.here > 0 || session.away === undefined || session.away > before) continue
      this.totals.expiredSessions++
      this.#end(session)
      this.#forgetReceived(session.client)
    }
  }

  /** A session that holds nothing need not be kept. */
  #endEmpty (session: Session | undefined): void {
    if (session?.isEmpty === true && !this.received.has(session.client)) this.#end(session)
  }

  #end (session: Session | undefined): void {
    if (session === undefined) return
    session.ended = true
    for (const topic of session.subscriptions.keys()) this.#unsubscribe(session, topic)
    for (const queued of session.queue.values()) this.#unqueue(session, queued)
    this.#journal.delete(session.record)
    this.sessions.delete(session.client)
  }

  // Retained messages

  /**
   * Waits for nothing: an answer to the publisher of QoS 1 and 2 waits for `outgoingEnqueueCombi`, which comes next, and one of
   * QoS 0 gets none. Were this one to wait, later messages of its topic would overtake it. [MQTT-4.6.0-6]
   */
  storeRetained (packet: Packet): PromiseLike<void> {
    this.#retain(packet)
    return { then: fulfilled => Promise.resolve(fulfilled?.() as never) }
  }

  #retain (packet: Packet): void {
    const previous = this.retained.get(packet.topic)
    if (packet.payload.length === 0) {
      this.#clear(packet.topic)
      return
    }
    // What a broker says of itself is true of this run only.
    const ofItself = packet.topic.startsWith('$SYS/')
    if (previous === undefined && !ofItself && this.retained.size >= orInfinite(this.limits.retainedMessages)) {
      this.totals.refusedRetained++
      return
    }
    const record = ofItself ? undefined : previous?.record ?? this.#journal.next()
    this.totals.retainedBytes += sizeOf(packet) - (previous === undefined ? 0 : sizeOf(previous.packet))
    this.retained.set(packet.topic, { packet: { ...packet }, record })
    if (record !== undefined) this.#journal.put(record, { kind: 'retained', content: contentOf(packet) })
  }

  async clearRetained (topic: string): Promise<boolean> {
    const existed = this.#clear(topic)
    await this.#journal.committed()
    return existed
  }

  #clear (topic: string): boolean {
    const retained = this.retained.get(topic)
    if (retained === undefined) return false
    this.retained.delete(topic)
    this.totals.retainedBytes -= sizeOf(retained.packet)
    if (retained.record !== undefined) this.#journal.delete(retained.record)
    return true
  }

  createRetainedStream (pattern: string): Readable {
    return this.createRetainedStreamCombi([pattern])
  }

  createRetainedStreamCombi (patterns: string[]): Readable {
    const { retained } = this
    return Readable.from((function * () {
      for (const pattern of patterns) for (const { packet } of retained.matchingTopics(pattern)) yield packet
    })())
  }

  // Subscriptions

  async addSubscriptions (client: Client, subscriptions: Subscription[]): Promise<void> {
    // aedes stores all subscriptions of a packet as soon as one is granted; in the same go `authorizeSubscribe` gives the others QoS 128.
    await undefined
    const session = this.#session(client.id)
    for (const { topic, qos, rh, rap, nl, subscriptionIdentifier } of subscriptions) {
      if (qos > 2) {
        this.#unsubscribe(session, topic)
        continue
      }
      const subscription = { topic, qos, rh, rap, nl, ...subscriptionIdentifier === undefined ? {} : { subscriptionIdentifier } }
      const previous = session.subscriptions.get(topic)
      const record = previous?.record ?? this.#journal.next()
      // aedes adds all subscriptions of a packet once for each of them.
      if (previous !== undefined && JSON.stringify(previous.subscription) === JSON.stringify(subscription)) continue
      session.subscriptions.set(topic, { subscription, record })
      this.route(client.id, subscription)
      this.#journal.put(record, { kind: 'subscription', client: client.id, subscription })
    }
    await this.#journal.committed()
  }

  async removeSubscriptions (client: Client, topics: string[]): Promise<void> {
    const session = this.sessions.get(client.id)
    if (session === undefined) return
    for (const topic of topics) this.#unsubscribe(session, topic)
    this.#endEmpty(session)
    await this.#journal.committed()
  }

  async cleanSubscriptions (client: Client): Promise<void> {
    await this.removeSubscriptions(client, [...this.sessions.get(client.id)?.subscriptions.keys() ?? []])
  }

  async subscriptionsByClient (client: Client): Promise<Subscription[]> {
    return [...this.sessions.get(client.id)?.subscriptions.values() ?? []].map(({ subscription }) => ({ ...subscription }))
  }

  /** Only those of QoS 1 and 2: nothing else is queued. */
  async subscriptionsByTopic (topic: string): Promise<Route[]> {
    return this.routes.matchingFilters(topic).flatMap(routes => [...routes.values()])
  }

  async countOffline (): Promise<{ subsCount: number, clientsCount: number }> {
    const counts = { subsCount: 0, clientsCount: 0 }
    for (const { subscriptions } of this.sessions.values()) {
      if (subscriptions.size > 0) counts.clientsCount++
      for (const { subscription } of subscriptions.values()) if (subscription.qos > 0) counts.subsCount++
    }
    return counts
  }

  getClientList (topic: string): Readable {
    return Readable.from([...this.sessions.values()].filter(({ subscriptions }) => subscriptions.has(topic)).map(({ client }) => client))
  }

  /** Let publications that match `subscription` be queued for the client, or no longer when it is of QoS 0. */
  route (clientId: string, subscription: Subscription): void {
    const routes = this.routes.get(subscription.topic) ?? new Map<string, Route>()
    if (subscription.qos > 0) routes.set(clientId, { clientId, ...subscription })
    else routes.delete(clientId)
    if (routes.size > 0) this.routes.set(subscription.topic, routes)
    else this.routes.delete(subscription.topic)
  }

  #unsubscribe (session: Session, topic: string): void {
    const stored = session.subscriptions.get(topic)
    if (stored === undefined) return
    session.subscriptions.delete(topic)
    this.route(session.client, { topic, qos: 0 })
    this.#journal.delete(stored.record)
  }

  // Queues

  outgoingEnqueue (subscription: { clientId: string, qos?: 0 | 1 | 2 }, packet: Packet): PromiseLike<void> {
    return this.outgoingEnqueueCombi([subscription], packet)
  }

  /**
   * Puts `packet` into the queues, and calls who waits for that in the same go. aedes numbers publications when they come and takes
   * one with a lower number than the last that a client got for a duplicate: it gets a new number just before aedes sends it on.
   */
  outgoingEnqueueCombi (subscriptions: Array<{ clientId: string, qos?: 0 | 1 | 2 }>, packet: Packet): PromiseLike<void> {
    this.#keepArrived(packet)
    const additions = this.#admit(subscriptions, packet)
    // Also when nothing is to be written: what came before must be sent on before.
    const committed = this.#journal.committed()
    return {
      then: (fulfilled, rejected) => committed.then(() => {
        this.#enter(additions.splice(0), packet)
        return fulfilled?.() as never
      }, rejected)
    }
  }

  #enter (additions: Array<[Session, Queued]>, packet: Packet): void {
    const broker = this.#broker
    if (broker !== undefined && packet.brokerCounter < broker.counter) packet.brokerCounter = ++broker.counter
    for (const [session, queued] of additions) {
      queued.packet = { ...queued.packet, brokerId: packet.brokerId, brokerCounter: packet.brokerCounter } as Packet
      if (session.ended) this.#unqueue(session, queued)
      else session.add(queued)
    }
  }

  /** Write `packet` for each session once, at its highest QoS, where there is room. It is in the queue after the commit. */
  #admit (subscriptions: Array<{ clientId: string, qos?: 0 | 1 | 2 }>, packet: Packet): Array<[Session, Queued]> {
    const qosOf = new Map<string, number>()
    for (const { clientId, qos = packet.qos } of subscriptions) qosOf.set(clientId, Math.max(qos, qosOf.get(clientId) ?? 0))
    const bytes = sizeOf(packet)
    const message = { record: 0, users: 0 }
    const additions: Array<[Session, Queued]> = []
    for (const [clientId, granted] of qosOf) {
      const session = this.#session(clientId)
      if (session.offline >= orInfinite(this.limits.offlineMessages) || session.bytes + bytes > orInfinite(this.limits.offlineBytes)) {
        this.totals.droppedOffline++
        this.#endEmpty(session)
        continue
      }
      if (message.users++ === 0) {
        this.totals.messages++
        message.record = this.#journal.next()
        // [MQTT-3.3.1-9] What comes from a queue is not flagged as retained.
        this.#journal.put(message.record, { kind: 'message', content: contentOf({ ...packet, retain: false }) })
      }
      // At most the QoS of the subscription. [MQTT-3.8.4-6]
      const qos = Math.min(packet.qos, granted) as 0 | 1 | 2
      const queued: Queued = { record: this.#journal.next(), packet: { ...copyOf(packet), qos, retain: false, dup: false }, message, bytes }
      this.count(session, 1, bytes)
      this.#write(session, queued)
      additions.push([session, queued])
    }
    return additions
  }

  /** Before aedes sends a message (then with its message id), and when PUBREC has come for one (then `packet` is the PUBREL). */
  async outgoingUpdate (client: Client, packet: Packet | Release): Promise<void> {
    const session = this.sessions.get(client.id)
    const queued = 'brokerCounter' in packet && packet.cmd !== 'pubrel' ? session?.find(packet) : session?.findSent(packet.messageId)
    // A retained message, or one that a full queue did not take: aedes sends those as well, and that is all.
    if (session === undefined || queued === undefined) return
    if (packet.cmd === 'pubrel') {
      if (queued.packet.cmd === 'pubrel') return
      this.#release(queued)
      this.count(session, 0, -queued.bytes)
      queued.bytes = 0
      session.released(queued)
    } else {
      session.sent(queued, packet.messageId, this.#connection(client))
    }
    this.#write(session, queued)
    // Without its message id a message of QoS 2 would come twice, one of QoS 1 may.
    if (packet.cmd === 'pubrel' || (packet as Packet).qos === 2) await this.#journal.committed()
  }

  /** PUBACK or PUBCOMP has come. Nobody waits for an answer to that. */
  async outgoingClearMessageId (client: Client, packet: Release | Packet): Promise<Packet | Release | undefined> {
    const session = this.sessions.get(client.id)
    if (session === undefined) return undefined
    if (packet.messageId === undefined) {
      this.#clearUnsent(session, packet as Packet)
      return undefined
    }
    const queued = session.findSent(packet.messageId)
    if (queued === undefined) return undefined
    this.#unqueue(session, queued)
    this.#endEmpty(session)
    return queued.packet
  }

  /** aedes will not send this message: delivery was denied, or another filter of the client matched and it is being sent. */
  #clearUnsent (session: Session, packet: Packet): void {
    const queued = session.find(packet)
    // If it is being sent, that has begun by the next turn.
    if (queued !== undefined) setImmediate(() => { if (queued.sentTo === undefined && !session.ended && session.has(queued)) this.#unqueue(session, queued) })
  }

  /** The queue of a client that has connected, in order. */
  outgoingStream (client: Client): Readable {
    const session = this.sessions.get(client.id)
    if (session === undefined) return Readable.from([])
    const connection = this.#connection(client)
    const all = [...session.queue.values()]
    return Readable.from((async function * () {
      // Subscriptions are restored before the queue is read. What came in between is being sent, and marked so in two turns.
      await nextTurn()
      await nextTurn()
      for (const queued of all) {
        const sentBefore = queued.sentTo !== undefined && queued.sentTo !== connection
        if (!session.has(queued) || (client.connecting === true && queued.sentTo === connection)) continue
        yield sentBefore && queued.packet.cmd === 'publish' ? { ...queued.packet, dup: true } : queued.packet // [MQTT-3.3.1-1]
      }
    })())
  }

  /** Count messages that came to or left a session's queue. */
  count (session: Session, messages: number, bytes: number): void {
    session.offline += messages
    session.bytes += bytes
    this.totals.offline += messages
    this.totals.offlineBytes += bytes
  }

  #unqueue (session: Session, queued: Queued): void {
    session.remove(queued)
    this.count(session, -1, -queued.bytes)
    this.#release(queued)
    this.#journal.delete(queued.record)
  }

  /** The last queue that lets go of a message removes it. */
  #release (queued: Queued): void {
    if (queued.message !== undefined && --queued.message.users === 0) {
      this.totals.messages--
      this.#journal.delete(queued.message.record)
    }
    queued.message = undefined
  }

  #write (session: Session, { record, message, packet }: Queued): void {
    this.#journal.put(record, {
      kind: 'queued',
      client: session.client,
      qos: 'qos' in packet ? packet.qos : 2,
      ...message === undefined ? {} : { message: message.record },
      ...packet.messageId === undefined ? {} : { messageId: packet.messageId }
    })
  }

  #connection (client: Client): number {
    const number = this.#connections.get(client) ?? ++this.#lastConnection
    this.#connections.set(client, number)
    return number
  }

  // QoS 2 messages on their way in

  /**
   * Remembers the message id. It is written together with the message in `outgoingEnqueueCombi`: were it written before,
   * a crash between the two would make the broker take the client's second attempt for a duplicate, and lose the message.
   */
  async incomingStorePacket (client: Client, packet: Packet): Promise<void> {
    const messageId = packet.messageId!
    const received: Received = { packet: { ...copyOf(packet), messageId }, record: undefined }
    this.#receivedOf(client.id).set(messageId, received)
    if (client.clean !== true && typeof packet.payload === 'object') this.#arriving.set(packet.payload, { received, client: client.id, messageId })
  }

  #keepArrived ({ payload }: Packet): void {
    const arriving = typeof payload === 'object' ? this.#arriving.get(payload) : undefined
    if (arriving === undefined || typeof payload !== 'object') return
    this.#arriving.delete(payload)
    const { received, client, messageId } = arriving
    if (this.received.get(client)?.get(messageId) !== received) return
    // That it came is all that is asked from here on.
    received.packet = { cmd: 'publish', messageId }
    received.record = this.#journal.next()
    this.#journal.put(received.record, { kind: 'received', client, messageId })
  }

  #receivedOf (clientId: string): Map<number, Received> {
    const ofClient = this.received.get(clientId) ?? new Map<number, Received>()
    this.received.set(clientId, ofClient)
    return ofClient
  }

  async incomingGetPacket (client: Client, { messageId }: { messageId: number }): Promise<Partial<Packet>> {
    const received = this.received.get(client.id)?.get(messageId)
    if (received === undefined) throw new Error('no such packet')
    return received.packet
  }

  /** Resolves after the commit: the client may use the message id anew once it has its PUBCOMP. */
  async incomingDelPacket (client: Client, { messageId }: { messageId: number }): Promise<void> {
    const ofClient = this.received.get(client.id)
    const received = ofClient?.get(messageId)
    if (ofClient === undefined || received === undefined) throw new Error('no such packet')
    ofClient.delete(messageId)
    if (ofClient.size === 0) this.received.delete(client.id)
    if (received.record === undefined) return
    this.#journal.delete(received.record)
    await this.#journal.committed()
  }

  async cleanIncoming (client: Client): Promise<void> {
    if (!this.#forgetReceived(client.id)) return
    await this.#journal.committed()
  }

  #forgetReceived (clientId: string): boolean {
    for (const { record } of this.received.get(clientId)?.values() ?? []) if (record !== undefined) this.#journal.delete(record)
    return this.received.delete(clientId)
  }

  // Wills

  async putWill (client: Client, will: Will): Promise<void> {
    const record = this.wills.get(client.id)?.record ?? this.#journal.next()
    will.brokerId = this.#broker!.id
    will.clientId = client.id
    this.wills.set(client.id, { will, record })
    this.#journal.put(record, { kind: 'will', client: client.id, content: contentOf(will) })
    await this.#journal.committed()
  }

  async getWill (client: Client): Promise<Will | undefined> {
    return this.wills.get(client.id)?.will
  }

  async delWill (client: Client): Promise<Will | undefined> {
    const stored = this.wills.get(client.id)
    if (stored === undefined) return undefined
    this.wills.delete(client.id)
    this.#journal.delete(stored.record)
    await this.#journal.committed()
    return stored.will
  }

  /** The wills of clients whose broker is not among `brokers`: after a restart, of all that have not come back. */
  streamWill (brokers: Record<string, unknown> = {}): Readable {
    return Readable.from([...this.wills.values()].map(({ will }) => will).filter(({ brokerId }) => brokers[brokerId!] === undefined))
  }
}

/** Puts the records of former runs back to where they were. */
class Restorer {
  #to: Persistence
  #messages = new Map<number, { content: Content, message: { record: number, users: number } }>()

  constructor (to: Persistence) {
    this.#to = to
  }

  restore (record: number, stored: StoredRecord): void {
    const to = this.#to
    switch (stored.kind) {
      case 'retained': {
        const packet = { cmd: 'publish', dup: false, brokerId: formerBroker, brokerCounter: record, ...stored.content }
        to.retained.set(packet.topic, { packet, record })
        to.totals.retainedBytes += sizeOf(packet)
        return
      }
      case 'will':
        to.wills.set(stored.client, { will: { ...stored.content, brokerId: formerBroker, clientId: stored.client }, record })
        return
      case 'message':
        this.#messages.set(record, { content: stored.content, message: { record, users: 0 } })
        return
      case 'queued':
        this.#queue(record, stored)
        return
      case 'received': {
        const ofClient = to.received.get(stored.client) ?? new Map<number, Received>()
        ofClient.set(stored.messageId, { packet: { cmd: 'publish', messageId: stored.messageId }, record })
        to.received.set(stored.client, ofClient)
        return
      }
      case 'session': {
        const session = new Session(stored.client, record)
        session.away = stored.away ?? undefined
        to.sessions.set(stored.client, session)
        return
      }
      case 'subscription':
        sessionOf(to, stored.client).subscriptions.set(stored.subscription.topic, { subscription: stored.subscription, record })
        to.route(stored.client, stored.subscription)
        return
      default:
        throw new Error('of an unknown kind')
    }
  }

  #queue (record: number, { client, message: id, qos, messageId }: StoredRecord & { kind: 'queued' }): void {
    const session = sessionOf(this.#to, client)
    const queued: Queued = { record, packet: { cmd: 'pubrel', messageId }, message: undefined, bytes: 0 }
    if (id !== undefined) {
      const { content, message } = this.#messages.get(id)!
      if (message.users++ === 0) this.#to.totals.messages++
      queued.message = message
      queued.bytes = sizeOf(content)
      queued.packet = { cmd: 'publish', dup: false, brokerId: formerBroker, brokerCounter: record, messageId, ...content, qos }
    }
    session.add(queued)
    if (messageId !== undefined) session.sent(queued, messageId, 0)
    this.#to.count(session, 1, queued.bytes)
  }
}

function orInfinite (limit: number): number {
  return limit === 0 ? Infinity : limit
}

function sessionOf (persistence: Persistence, client: string): Session {
  const session = persistence.sessions.get(client)
  if (session === undefined) throw new Error('of no session')
  return session
}

function contentOf ({ topic, payload, qos, retain }: Content): Content {
  return { topic, payload, qos, retain }
}

/** As aedes keeps packets; what is not a packet's own is left out. */
function copyOf ({ cmd, topic, payload, qos, retain = false, dup = false, brokerId, brokerCounter }: Packet): Packet {
  return { cmd, brokerId, brokerCounter, topic, payload, qos, retain, dup, messageId: undefined }
}
