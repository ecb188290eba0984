import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes'
import { parseFilter, matches, sharedFilter } from '../../mqtt/topic-filters.ts'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import { internalsOf, type AedesInternals, type ClientInternals } from './aedes-internals.ts'
import { flatten } from './flat-emitter.ts'

/** Marks a packet that goes no further: the taker has it, or a rule forbids it. */
const taken = Symbol('taken')

export function markTaken (packet: PublishPacket): void {
  (packet as PublishPacket & { [taken]?: boolean })[taken] = true
}

/** Topics that are remembered, and how long each may be: publishers choose them. */
const mostTopics = 1_000
const mostTopicLength = 128

const nothing = Buffer.alloc(0)

type Done = (error?: Error) => void
type Handler = Parameters<Aedes['subscribe']>[1]
type RoutedPacket = Parameters<Handler>[0]

/** Why a member of a shared subscription declines a message: the name under which that is counted. */
export type Decline = 'rules' | 'slowReader'

/** A message of a shared subscription, while one of its members is asked to take it. */
export interface Offer {
  /** No other member takes it: one that reads slowly has to. */
  isLast: boolean
  declined: Decline | undefined
}

/**
 * The members of `$share/group/filter`. They get the messages in turn, except for those that may not or cannot receive now; what nobody can take
 * waits in a session of one that is away.
 */
class Share {
  readonly members: Handler[] = []
  /** Whether a session has the subscription, so that messages wait while no member is here. */
  isKept = false
  #aedes: RoutingAedes
  #text: string
  #next = 0

  constructor (aedes: RoutingAedes, text: string) {
    this.#aedes = aedes
    this.#text = text
    groupHandlers.add(this.handle)
  }

  readonly handle = (packet: RoutedPacket, done: () => void): void => {
    const offer: Offer = { isLast: false, declined: undefined }
    if (this.#isTaken(offer, packet, done)) return
    if (packet.qos > 0 && offer.declined === 'slowReader') {
      offer.isLast = true
      if (this.#isTaken(offer, packet, done)) return
    }
    if (packet.qos > 0 && this.isKept && offer.declined !== 'rules' && this.#matches(packet.topic)) {
      const queued = this.#aedes.queueShared?.(this.#text, packet)
      if (queued !== undefined) return void queued.then(done, () => { done() })
    }
    if (offer.declined !== undefined) this.#aedes.declined?.(offer.declined)
    done()
  }

  /** The emitter gives a filter that begins with a wildcard also the topics that begin with `$`. [MQTT-4.7.2-1] */
  #matches (topic: string): boolean {
    const filter = topic.startsWith('$') ? parseFilter(sharedFilter(this.#text)!) : undefined
    return filter === undefined || matches(filter, topic.split('/'))
  }

  #isTaken (offer: Offer, packet: RoutedPacket, done: () => void): boolean {
    const { members } = this
    let declined: Decline | undefined
    for (let i = members.length; i > 0; i--) {
      const member = members[this.#next++ % members.length] as Handler
      offer.declined = undefined
      this.#aedes.offer = offer
      try {
        member(packet, done)
      } finally {
        this.#aedes.offer = undefined
      }
      if (offer.declined === undefined) return true
      // A slow member may take it yet.
      if (declined !== 'slowReader') declined = offer.declined
    }
    offer.declined = declined
    return false
  }
}

/** What a `Share` handles messages with. */
const groupHandlers = new WeakSet<object>()

function isOfGroup (handler: unknown): boolean {
  return groupHandlers.has(handler as object)
}

/** aedes' own way to register and unregister a client. */
const registry = internalsOf(Aedes.prototype)

/** aedes, with shared subscriptions, and without routing for a publication that was taken. */
export class RoutingAedes extends Aedes {
  /** Subscriptions of connected clients and of this process. */
  subscriptions = 0
  /** Rises with every change of anybody's subscriptions. */
  changes = 0
  /** For the client that delivers next, which may decline it. */
  offer: Offer | undefined
  /** Called when no member of a shared subscription takes a message. */
  declined: ((reason: Decline) => void) | undefined
  /** Levels that a topic or filter may have. */
  topicLevels = 100
  declare connectTimeout: AedesInternals['connectTimeout']
  declare maxTopicLevels: AedesInternals['maxTopicLevels']
  declare clients: AedesInternals['clients']
  declare mq: AedesInternals['mq']
  #registered = new WeakSet<Client>()
  declare counter: AedesInternals['counter']
  #persistence: BrokerPersistence | undefined
  #shares = new Map<string, Share>()
  /** Whether anybody has subscribed, by topic, as long as no subscription changes. */
  #read = new Map<string, boolean>()
  #readChanges = 0
  /** Queues a message for one of the sessions that share a subscription. */
  readonly queueShared: ((text: string, packet: RoutedPacket) => Promise<void> | undefined) | undefined

  constructor (options: AedesOptions) {
    super(options)
    // aedes would end the connection of a client whose filter has too many, instead of refusing the filter.
    this.maxTopicLevels = Infinity
    const persistence = options.persistence as BrokerPersistence | undefined
    if (persistence !== undefined) this.#enterQueuesOf(persistence)
    flatten(this.mq)
    this.#askGroupsFirst()
    this.#persistence = persistence
    if (persistence === undefined) return
    this.queueShared = (text, packet) => persistence.queueShared(text, packet as Parameters<BrokerPersistence['queueShared']>[1])
    persistence.onShared = (text, isKept) => { this.#keepShare(text, isKept) }
  }

  /** Whether a topic or filter has more levels than it may. */
  isTooDeep (topic: string): boolean {
    return topic.length >= this.topicLevels && levelsOf(topic) > this.topicLevels
  }

  /** What is for a group and for other sessions enters all their queues in one turn, and goes on after the commit. */
  #enterQueuesOf (persistence: BrokerPersistence): void {
    const { mq } = this
    const route = mq._do
    mq._do = (message, done: Done) => {
      const ended = persistence.routing(message as Parameters<BrokerPersistence['routing']>[0])
      if (ended === undefined) return route.call(mq, message, done)
      const handled = new Promise<void>(resolve => { route.call(mq, message, resolve) })
      Promise.all([handled, ended()]).then(() => { done() }, done)
      return mq
    }
  }

  /** Who also has a topic's messages alone gets each once, and has to know by then whether it is its turn in a group. */
  #askGroupsFirst (): void {
    const matcher = this.mq._matcher
    const match = matcher.match.bind(matcher)
    matcher.match = topic => {
      const found = match(topic)
      if (this.#shares.size === 0 || !found.some(isOfGroup)) return found
      return [...found.filter(isOfGroup), ...found.filter(handler => !isOfGroup(handler))]
    }
  }

  override publish (packet: PublishPacket, ...rest: unknown[]): void {
    const done = (rest.length > 1 ? rest[1] : rest[0]) as Done | undefined
    if ((packet as PublishPacket & { [taken]?: boolean })[taken] === true) return done?.()
    // More than a hundred would throw.
    if (this.isTooDeep(packet.topic)) return done?.(tooDeep())
    // [MQTT-3.3.1-3] DUP is between the publisher and the broker.
    packet.dup = false
    if (packet.retain === true || this.#persistence?.isPassing(packet.topic, packet.qos) !== true) {
      return super.publish.call(this, packet, ...rest as [Done])
    }
    const { topic, payload, qos } = packet
    if (!this.closed && !this.hasReaders(topic)) return done?.()
    const client = rest.length > 1 ? rest[0] as Client | null : null
    const clientId = client?.id ?? (packet as { clientId?: string }).clientId
    // What is left of aedes' steps where nobody keeps it.
    this.mq.emit({ cmd: 'publish', brokerId: this.id, brokerCounter: ++this.counter, topic, payload: payload || nothing, qos, retain: false, dup: false, clientId, messageId: undefined }, error => { done?.(error) })
  }

  override subscribe (filter: string, handler: Handler, done: Done): void {
    if (this.isTooDeep(filter)) return done(tooDeep())
    this.subscriptions++
    this.changes++
    const shared = sharedFilter(filter)
    if (shared === undefined) return super.subscribe(filter, handler, done)
    const share = this.#shares.get(filter)
    if (share !== undefined) setImmediate(done)
    ;(share ?? this.#openShare(filter, shared, done)).members.push(handler)
  }

  /**
   * `done` is called at once, because in it aedes forgets the subscription. Any later, a SUBSCRIBE in between would be forgotten, too, and
   * would be delivered to for ever. Levels are not checked: fewer may be allowed now than at the SUBSCRIBE.
   */
  override unsubscribe (filter: string, handler: Handler, done?: () => void): void {
    this.subscriptions--
    const shared = sharedFilter(filter)
    if (shared === undefined) this.#removeListener(filter, handler)
    else this.#leaveShare(filter, shared, handler)
    done?.()
    this.changes++
  }

  /** The emitter does it a turn of the event loop later: only then is it a change for what was read meanwhile. */
  #removeListener (filter: string, handler: Handler): void {
    this.mq.removeListener(filter, handler, () => { this.changes++ })
  }

  #leaveShare (filter: string, shared: string, handler: Handler): void {
    const share = this.#shares.get(filter)
    const at = share?.members.indexOf(handler) ?? -1
    if (share === undefined || at < 0) return
    share.members.splice(at, 1)
    this.#closeShare(filter, shared, share)
  }

  #keepShare (text: string, isKept: boolean): void {
    const shared = sharedFilter(text)!
    const share = this.#shares.get(text) ?? (isKept ? this.#openShare(text, shared, () => undefined) : undefined)
    if (share === undefined) return
    share.isKept = isKept
    this.#closeShare(text, shared, share)
  }

  #openShare (text: string, shared: string, done: () => void): Share {
    const share = new Share(this, text)
    this.#shares.set(text, share)
    super.subscribe(shared, share.handle, done)
    return share
  }

  #closeShare (text: string, shared: string, { members, isKept, handle }: Share): void {
    if (members.length > 0 || isKept) return
    this.#shares.delete(text)
    this.#removeListener(shared, handle)
  }

  /** Whether anybody who is connected, or this process, has subscribed to a topic. */
  hasReaders (topic: string): boolean {
    if (this.#readChanges !== this.changes || this.#read.size >= mostTopics) this.#read.clear()
    this.#readChanges = this.changes
    let read = this.#read.get(topic)
    if (read === undefined) {
      read = this.mq._matcher.match(topic).length > 0
      if (topic.length <= mostTopicLength) this.#read.set(topic, read)
    }
    return read
  }

  /** A connected client. */
  client (id: string): Client | undefined {
    return this.clients[id]
  }

  /** aedes would also register a client that left on its way in, while its last will was being written, and never let go of it. */
  registerClient (client: Client): void {
    if (!client.closed) registry.registerClient.call(this, client)
  }

  /** Called after the end of another client with the same id. */
  _finishRegisterClient (client: Client): void {
    if (client.closed) return
    this.#registered.add(client)
    registry._finishRegisterClient.call(this, client)
  }

  /** In aedes, a client that leaves would take along the entry of another one with its id. */
  unregisterClient (client: Client): void {
    if (!this.#registered.delete(client)) return
    const entry = this.client(client.id)
    registry.unregisterClient.call(this, client)
    if (entry !== undefined && entry !== client) this.clients[client.id] = entry
  }
}

function tooDeep (): Error {
  return new Error('topic has too many levels')
}

function levelsOf (topic: string): number {
  let levels = 1
  for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) levels++
  return levels
}

/** A client's subscriptions, by filter. */
export function subscriptionsOf (client: Client | undefined): ClientInternals['subscriptions'] {
  return client === undefined ? {} : internalsOf(client).subscriptions
}
