import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes'
import { internalsOf, type AedesInternals, type ClientInternals } from './aedes-internals.ts'
import { flatten } from './flat-emitter.ts'

/** Marks a packet that goes no further: agent-in took it, or a rule forbids it. */
const taken = Symbol('taken')

export function markTaken (packet: PublishPacket): void {
  (packet as PublishPacket & { [taken]?: boolean })[taken] = true
}

type Done = (error?: Error) => void
type Hear = Parameters<Aedes['subscribe']>[1]
type HeardPacket = Parameters<Hear>[0]

/** Why a member of a shared subscription does not take a message: the name under which that is counted. */
export type Decline = 'rules' | 'slowReader'

/** A message of a shared subscription, while one of its members is asked whether it takes it. */
export interface Offer {
  /** Nobody else takes it: a member that reads slowly has to. */
  isLast: boolean
  declined: Decline | undefined
}

/** The members of `$share/group/filter`, which get the messages in turn, but for those that may not or cannot receive now. */
class Share {
  readonly members: Hear[] = []
  #aedes: RoutingAedes
  #next = 0

  constructor (aedes: RoutingAedes) {
    this.#aedes = aedes
  }

  readonly hear = (packet: HeardPacket, done: () => void): void => {
    const offer: Offer = { isLast: false, declined: undefined }
    if (this.#isTaken(offer, packet, done)) return
    if (packet.qos > 0 && offer.declined === 'slowReader') {
      offer.isLast = true
      if (this.#isTaken(offer, packet, done)) return
    }
    if (offer.declined !== undefined) this.#aedes.declined?.(offer.declined)
    done()
  }

  #isTaken (offer: Offer, packet: HeardPacket, done: () => void): boolean {
    const { members } = this
    let declined: Decline | undefined
    for (let i = members.length; i > 0; i--) {
      const member = members[this.#next++ % members.length] as Hear
      offer.declined = undefined
      this.#aedes.offer = offer
      try {
        member(packet, done)
      } finally {
        this.#aedes.offer = undefined
      }
      if (offer.declined === undefined) return true
      // A slow one may take it yet.
      if (declined !== 'slowReader') declined = offer.declined
    }
    offer.declined = declined
    return false
  }
}

/** What aedes does when a client comes and goes. */
const registry = internalsOf(Aedes.prototype)

/** aedes, except that a publication which was taken is routed to nobody, and that it knows shared subscriptions. */
export class RoutingAedes extends Aedes {
  /** Subscriptions of the clients that are here, and of this process. */
  subscriptions = 0
  /** Rises with every change of somebody's subscriptions. */
  changes = 0
  /** For the client that delivers next: it has the choice. */
  offer: Offer | undefined
  /** Called for a message that no member of a shared subscription takes. */
  declined: ((reason: Decline) => void) | undefined
  declare connectTimeout: AedesInternals['connectTimeout']
  declare maxTopicLevels: AedesInternals['maxTopicLevels']
  declare clients: AedesInternals['clients']
  declare mq: AedesInternals['mq']
  #registered = new WeakSet<Client>()
  #shares = new Map<string, Share>()

  constructor (options: AedesOptions) {
    super(options)
    flatten(this.mq)
  }

  override publish (packet: PublishPacket, ...rest: unknown[]): void {
    const done = (rest.length > 1 ? rest[1] : rest[0]) as Done | undefined
    if ((packet as PublishPacket & { [taken]?: boolean })[taken] === true) return done?.()
    // [MQTT-3.3.1-3] DUP is between the publisher and the broker.
    packet.dup = false
    super.publish.call(this, packet, ...rest as [Done])
  }

  override subscribe (filter: string, hear: Hear, done: () => void): void {
    this.subscriptions++
    this.changes++
    const shared = sharedFilter(filter)
    if (shared === undefined) return super.subscribe(filter, hear, done)
    let share = this.#shares.get(filter)
    if (share === undefined) {
      share = new Share(this)
      this.#shares.set(filter, share)
      super.subscribe(shared, share.hear, done)
    } else {
      setImmediate(done)
    }
    share.members.push(hear)
  }

  /**
   * aedes forgets the subscription in `done`, so that is called at once: were it called later, a SUBSCRIBE that comes in between would be
   * forgotten with it, and be delivered to for ever. And what was subscribed to ends whatever the limit of levels is by now.
   */
  override unsubscribe (filter: string, hear: Hear, done?: () => void): void {
    this.subscriptions--
    const shared = sharedFilter(filter)
    if (shared === undefined) this.mq.removeListener(filter, hear)
    else this.#leaveShare(filter, shared, hear)
    done?.()
    this.changes++
  }

  #leaveShare (filter: string, shared: string, hear: Hear): void {
    const share = this.#shares.get(filter)
    const at = share?.members.indexOf(hear) ?? -1
    if (share === undefined || at < 0) return
    share.members.splice(at, 1)
    if (share.members.length > 0) return
    this.#shares.delete(filter)
    this.mq.removeListener(shared, share.hear)
  }

  /** A connected client. */
  client (id: string): Client | undefined {
    return this.clients[id]
  }

  /** aedes would also register a client that went on its way in, while its last will was written, and never let go of it. */
  registerClient (client: Client): void {
    if (!client.closed) registry.registerClient.call(this, client)
  }

  /** Comes after the end of another client with its id. */
  _finishRegisterClient (client: Client): void {
    if (client.closed) return
    this.#registered.add(client)
    registry._finishRegisterClient.call(this, client)
  }

  /** aedes would let a client that goes take the entry of another one with its id along. */
  unregisterClient (client: Client): void {
    if (!this.#registered.delete(client)) return
    const entry = this.client(client.id)
    registry.unregisterClient.call(this, client)
    if (entry !== undefined && entry !== client) this.clients[client.id] = entry
  }
}

/** The filter in `$share/group/filter`; undefined: it is another one. */
export function sharedFilter (filter: string): string | undefined {
  return filter.startsWith('$share/') ? filter.slice(filter.indexOf('/', 7) + 1) : undefined
}

/** What a client subscribed to, by filter. */
export function subscriptionsOf (client: Client | undefined): ClientInternals['subscriptions'] {
  return client === undefined ? {} : internalsOf(client).subscriptions
}
