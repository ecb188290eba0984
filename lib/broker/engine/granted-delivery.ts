import type { AedesPublishPacket, Client } from 'aedes'
import { matches, parseSubscription, type Filter } from '../../mqtt/topic-filters.ts'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import { internalsOf, type ClientInternals, type Deliver, type DeliveredPacket as Packet } from './aedes-internals.ts'
import { subscriptionsOf, type Decline, type RoutingAedes } from './routing-aedes.ts'

type Qos = 0 | 1 | 2
type Persistence = Pick<BrokerPersistence, 'outgoingEnqueue'>

/** What knows whether a client may and can receive now. */
interface Recipient {
  /** @param isLast whether no other client takes the message */
  declines (topic: string, isLast: boolean): Decline | undefined
}

/** How a client gets what is published on one topic. */
interface Grant {
  /** Highest QoS of the subscriptions that match; undefined: none does. */
  qos: Qos | undefined
  /** Whether a shared subscription alone is the reason: then the message is in nobody's queue yet. */
  shared: boolean
}

/** Topics of which a client's grant is remembered; publishers choose them, so long ones are not. */
const mostGrants = 1_000
const mostTopicLength = 128
/** Messages, and bytes of them, that wait until a session's queue was sent. */
const mostHeld = 10_000
const mostHeldBytes = 4 * 1024 * 1024

/**
 * Lets a client get each message once, at the highest QoS that its matching subscriptions grant [MQTT-3.3.5-1] and no higher
 * than that [MQTT-3.8.4-6], and after what waited in its session [MQTT-4.6.0-6]. By itself aedes delivers for whichever filter it finds first,
 * lowers the QoS only for a filter without wildcards, and mixes the session's queue with what comes in meanwhile.
 */
export class GrantedDelivery {
  #client: Client & ClientInternals
  #recipient: Recipient
  #aedes: RoutingAedes
  #persistence: Persistence
  // aedes' own; they are kept here because the client's are replaced.
  #deliver0: Deliver
  #deliverQoS: Deliver
  // Made when there is something to remember: most clients of a large broker only publish.
  #filters: Map<string, Filter | undefined> | undefined
  #grants: Map<string, Grant> | undefined
  /** Whether aedes has sent what waited in the session. */
  #caughtUp: boolean
  #held: Packet[] | undefined
  #heldBytes = 0
  #changes = -1

  constructor (client: Client, recipient: Recipient, aedes: RoutingAedes, persistence: Persistence) {
    this.#client = internalsOf(client)
    this.#recipient = recipient
    this.#aedes = aedes
    this.#persistence = persistence
    const { deliver0, deliverQoS } = this.#client
    this.#deliver0 = deliver0
    this.#deliverQoS = deliverQoS
    this.#client.deliver0 = this.#client.deliverQoS = (packet, done) => { this.#deliverOrHangUp(packet, done) }
    // A clean session has no queue.
    this.#caughtUp = client.clean
    if (client.clean) return
    client.once('connected', () => {
      this.#caughtUp = true
      const waiting = this.#held ?? []
      this.#held = undefined
      this.#heldBytes = 0
      for (const packet of waiting) this.#deliverOrHangUp(packet, () => undefined)
    })
  }

  /** Call it from authorizeForward: what the session's queue held does not come a second time. */
  sentFromQueue ({ brokerId, brokerCounter }: AedesPublishPacket): void {
    const { duplicates } = this.#client
    if (!this.#caughtUp && typeof brokerId === 'string') duplicates[brokerId] = Math.max(duplicates[brokerId] ?? 0, brokerCounter)
  }

  /** One client that cannot be given a message is no reason for the others not to get it. */
  #deliverOrHangUp (packet: Packet, done: () => void): void {
    try {
      this.#deliver(packet, done)
    } catch (error) {
      this.#hangUp(error, done)
    }
  }

  /** aedes does not expect to lose the client while it delivers, and would throw an error that `done` is given. */
  #hangUp (error: unknown, done: () => void): void {
    setImmediate(() => {
      this.#client.emit('error', error)
      done()
    })
  }

  #deliver (packet: Packet, done: () => void): void {
    const client = this.#client
    const { offer } = this.#aedes
    if (offer !== undefined) {
      offer.declined = this.#declines(packet.topic, offer.isLast)
      if (offer.declined !== undefined) return
    }
    if (!client.clean && !this.#caughtUp) {
      // It is in the session's queue as well: the client gets it when it comes again.
      if (this.#holdsEnough) client.close()
      else this.#hold(packet)
      return void setImmediate(done)
    }
    // Another of its filters brought it. aedes would see that too, but then forgets the queued one. At once: a thousand filters may bring it.
    if (typeof packet.brokerId === 'string' && (client.duplicates[packet.brokerId] ?? 0) >= packet.brokerCounter) return done()
    const { qos: granted, shared } = this.#grantOf(packet.topic)
    // [MQTT-4.7.2-1] Retained messages of `$` topics, which aedes finds for `#` too.
    if (granted === undefined) return void setImmediate(done)
    packet.qos = Math.min(packet.qos, granted) as Qos
    if (packet.qos === 0) return this.#deliver0(packet, done)
    if (shared && !client.clean && !packet.retain) {
      const queued = this.#persistence.outgoingEnqueue({ clientId: client.id }, packet).then(() => { this.#send(packet, done) })
      queued.then(undefined, (error: unknown) => { this.#hangUp(error, done) })
      return
    }
    this.#send(packet, done)
  }

  get #holdsEnough (): boolean {
    return this.#held !== undefined && (this.#held.length >= mostHeld || this.#heldBytes >= mostHeldBytes)
  }

  #hold (packet: Packet): void {
    (this.#held ??= []).push(packet)
    this.#heldBytes += packet.payload.length
  }

  /** Why another member of a shared subscription is to get a message. */
  #declines (topic: string, isLast: boolean): Decline | undefined {
    const { closed } = this.#client
    if (closed || this.#holdsEnough) return 'slowReader'
    return this.#recipient.declines(topic, isLast)
  }

  #send (packet: Packet, done: () => void): void {
    // aedes lowers the QoS to that of the filter which is the topic itself, when its immediate runs.
    const exact = subscriptionsOf(this.#client)[packet.topic] as { qos: number } | undefined
    if (exact === undefined || exact.qos >= packet.qos) return this.#deliverQoS(packet, done)
    const { qos } = exact
    setImmediate(() => { exact.qos = packet.qos })
    this.#deliverQoS(packet, done)
    setImmediate(() => { exact.qos = qos })
  }

  #grantOf (topic: string): Grant {
    if (this.#changes !== this.#aedes.changes) this.#filters = this.#grants = undefined
    else if (this.#grants !== undefined && this.#grants.size >= mostGrants) this.#grants = undefined
    this.#changes = this.#aedes.changes
    let grant = this.#grants?.get(topic)
    if (grant !== undefined) return grant
    grant = this.#find(topic)
    if (topic.length <= mostTopicLength) (this.#grants ??= new Map()).set(topic, grant)
    return grant
  }

  #find (topic: string): Grant {
    const grant: Grant = { qos: undefined, shared: true }
    const levels = topic.split('/')
    const subscriptions = subscriptionsOf(this.#client)
    for (const text in subscriptions) {
      let filter = this.#filters?.get(text)
      if (filter === undefined) (this.#filters ??= new Map()).set(text, filter = parseSubscription(text))
      if (filter === undefined || !matches(filter, levels)) continue
      const { qos } = subscriptions[text]!
      if (grant.qos === undefined || qos > grant.qos) grant.qos = qos
      if (qos > 0 && !text.startsWith('$share/')) grant.shared = false
    }
    return grant
  }
}
