import type { AedesPublishPacket, Client } from 'aedes'
import { carriedBy, withIds } from '../carried.ts'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import { internalsOf, type ClientInternals, type DeliveredPacket as Packet } from './aedes-internals.ts'
import { DirectDelivery, type PublishWriter } from './direct-delivery.ts'
import { Grants, type Qos } from './grants.ts'
import type { Decline, RoutingAedes } from './routing-aedes.ts'

type Persistence = Pick<BrokerPersistence, 'outgoingClearMessageId' | 'outgoingEnqueue' | 'outgoingUpdate' | 'queueRetained' | 'retainedMessage'>

/** Knows whether a client may and can receive now. */
interface Receiver extends PublishWriter {
  /** @param isLast whether no other client takes the message */
  declines (topic: string, isLast: boolean): Decline | undefined
  /** Call `then` once it has read what was written, or is gone. */
  whenRead (then: () => void): void
  /** Less waits than before. */
  goOn (): void
}

/** Stands for the broker of retained messages in a session's queue, which have no number of a publication. */
const retainedOnes = 'retained'
/** Message ids are 1 to 65,535. */
const mostMessageIds = 65_535
/** Messages that may wait until a session's queue was sent, and their bytes. */
const mostHeld = 10_000
const mostHeldBytes = 4 * 1024 * 1024
/** Bytes of retained messages that may be on their way to a client's session, and about what each takes beside its payload. */
const mostKeptBytes = 65_536
const bytesOfRetained = 512

/** Messages of shared subscriptions that were put into a session's queue and wait until what was there before was sent. Each client has its own copy. */
const queuedOnes = new WeakSet<Packet>()

/**
 * Delivers each message once to a client, at the highest QoS that its matching subscriptions grant [MQTT-3.3.5-1] and no higher
 * [MQTT-3.8.4-6], after everything that waited in its session [MQTT-4.6.0-6]; and retained messages as fast as it reads. aedes would deliver
 * for whichever filter it finds first, lower the QoS only for a filter without wildcards, mix the session's queue with what comes in
 * meanwhile, and write all retained messages at once.
 */
export class GrantedDelivery {
  readonly grants: Grants
  #client: Client & ClientInternals
  #receiver: Receiver
  #aedes: RoutingAedes
  #persistence: Persistence
  #direct: DirectDelivery
  /** Whether aedes has sent what waited in the session. */
  #caughtUp: boolean
  #held: Packet[] | undefined
  #heldBytes = 0
  #keptBytes = 0
  /** Retained messages that wait until the session's queue was sent, one of each SUBSCRIBE: aedes brings the next one after it. */
  #later: Array<() => void> | undefined

  constructor (client: Client, receiver: Receiver, aedes: RoutingAedes, persistence: Persistence) {
    this.#client = internalsOf(client)
    this.#receiver = receiver
    this.#aedes = aedes
    this.#persistence = persistence
    this.grants = new Grants(client, aedes)
    this.#direct = new DirectDelivery(this.#client, receiver, aedes, persistence)
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
      const later = this.#later ?? []
      this.#later = undefined
      for (const deliver of later) deliver()
      this.#receiver.goOn()
    })
  }

  get isCatchingUp (): boolean { return !this.#caughtUp }

  /** How many retained messages wait until the session's queue was sent. */
  get waiting (): number { return this.#later?.length ?? 0 }

  /** Call it from authorizeForward, so that what the session's queue held does not come a second time. */
  sentFromQueue ({ brokerId, brokerCounter }: AedesPublishPacket): void {
    const { duplicates } = this.#client
    if (!this.#caughtUp && typeof brokerId === 'string') duplicates[brokerId] = Math.max(duplicates[brokerId] ?? 0, brokerCounter)
  }

  /** A fault with one client must not keep a message from the others. */
  #deliverOrHangUp (packet: Packet, done: () => void): void {
    try {
      this.#deliver(packet, done)
    } catch (error) {
      this.#hangUp(error, done)
    }
  }

  /** Later, because aedes does not expect to lose the client while it delivers; and `done` gets no error, because aedes would throw it. */
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
    if (packet.brokerId === null) return this.#deliverRetained(packet, done)
    if (this.grants.useIds) this.#tellGroupsApart(packet, offer !== undefined)
    if (!client.clean && !this.#caughtUp) return this.#wait(packet, done)
    // Another filter of the client brought it already. aedes would notice, but then drop it from the queue. `done` is called at once,
    // because a thousand filters may bring a message.
    if (typeof packet.brokerId === 'string' && (client.duplicates[packet.brokerId] ?? 0) >= packet.brokerCounter) return done()
    const { qos, own, shared } = this.grants.of(packet.topic)
    const granted = qos === own || !isFrom(client, packet) ? qos : own
    if (qos === undefined) return void setImmediate(done)
    if (granted === undefined) return this.#leave(packet, done)
    packet.qos = Math.min(packet.qos, granted) as Qos
    if (shared && packet.qos > 0 && !client.clean && !queuedOnes.has(packet)) this.#queue(packet, done, () => { this.#direct.deliver(packet, done) })
    else this.#direct.deliver(packet, done)
  }

  /**
   * A client may have a topic's messages alone, and take its turn in a group for them. It gets each once, and sees by the ids whether the turn was its own:
   * groups are asked first.
   */
  #tellGroupsApart (packet: Packet, isTurn: boolean): void {
    const grant = this.grants.of(packet.topic)
    if (grant.alone === undefined || carriedBy(packet.payload)?.ids !== undefined) return
    const { ids, ownIds } = isTurn ? grant : grant.alone
    packet.payload = withIds(packet.payload, isFrom(this.#client, packet) ? ownIds : ids)
  }

  /** Deliver a message once the session's queue was sent. It is in that queue, too: the client gets it when it connects again. */
  #wait (packet: Packet, done: () => void): void {
    if (this.#holdsEnough) {
      this.#client.close()
      return void setImmediate(done)
    }
    const { qos = 0, shared } = this.grants.of(packet.topic)
    if (!shared || qos === 0 || packet.qos === 0) {
      this.#hold(packet)
      return void setImmediate(done)
    }
    packet.qos = Math.min(packet.qos, qos) as Qos
    this.#queue(packet, done, () => {
      queuedOnes.add(packet)
      if (this.#caughtUp) return this.#deliverOrHangUp(packet, done)
      this.#hold(packet)
      done()
    })
  }

  /** Put a message that only a shared subscription brings into the session's queue. @param then is called as it enters the queue */
  #queue (packet: Packet, done: () => void, then: () => void): void {
    const queued = this.#persistence.outgoingEnqueue({ clientId: this.#client.id }, packet).then(then)
    queued.then(undefined, (error: unknown) => { this.#hangUp(error, done) })
  }

  /** The client wants none of its own messages, and this is one. It may be in its session's queue. [MQTT-3.8.3-3] */
  #leave (packet: Packet, done: () => void): void {
    if (!this.#client.clean && packet.qos > 0) this.#persistence.outgoingClearMessageId(this.#client, packet).catch(() => undefined)
    setImmediate(done)
  }

  /**
   * What a SUBSCRIBE brings, which has no number of aedes'. The client may have had a newer message of the topic since aedes looked, so it
   * gets the one that is retained when it can read it.
   */
  #deliverRetained (packet: Packet, done: () => void): void {
    if (!this.#caughtUp) return void (this.#later ??= []).push(() => { this.#deliverOrHangUp(packet, done) })
    this.#receiver.whenRead(() => {
      try {
        const current = this.#client.closed ? undefined : this.#persistence.retainedMessage(packet.topic)
        // aedes finds retained messages of `$` topics for `#`, too. [MQTT-4.7.2-1]
        const { qos: granted } = this.grants.of(packet.topic)
        if (current === undefined || granted === undefined) return void setImmediate(done)
        const ids = carriedBy(packet.payload)?.ids
        packet.payload = ids === undefined ? current.payload : withIds(current.payload, ids)
        packet.qos = Math.min(current.qos, granted) as Qos
        if (packet.qos === 0 || this.#client.clean) this.#direct.deliver(packet, done)
        else this.#keepAndSend(packet, current, done)
      } catch (error) {
        this.#hangUp(error, done)
      }
    })
  }

  /**
   * Send a retained message to a client with a session, which gets it again if it does not acknowledge it. aedes would not keep it. The next
   * ones go on meanwhile, so that one commit is for many of them.
   */
  #keepAndSend (packet: Packet, current: object, done: () => void): void {
    const bytes = bytesOfRetained + packet.payload.length
    this.#keptBytes += bytes
    const waits = this.#keptBytes > mostKeptBytes
    const sent = (): void => {
      this.#keptBytes -= bytes
      if (waits) done()
    }
    this.#keep(packet, current, sent).catch((error: unknown) => { this.#hangUp(error, sent) })
    if (!waits) setImmediate(done)
  }

  async #keep (packet: Packet, current: object, done: () => void): Promise<void> {
    const client = this.#client
    const kept = { ...packet, brokerId: retainedOnes }
    await this.#persistence.queueRetained(client, kept)
    if (this.#persistence.retainedMessage(packet.topic) !== current) {
      await this.#persistence.outgoingClearMessageId(client, kept)
      return this.#deliverRetained(packet, done)
    }
    const messageId = packet.messageId = client._nextId
    client._nextId = messageId % mostMessageIds + 1
    await this.#persistence.outgoingUpdate(client, { ...kept, messageId })
    this.#direct.deliver(packet, done)
  }

  get #holdsEnough (): boolean {
    return this.#held !== undefined && (this.#held.length >= mostHeld || this.#heldBytes >= mostHeldBytes)
  }

  #hold (packet: Packet): void {
    (this.#held ??= []).push(packet)
    this.#heldBytes += packet.payload.length
  }

  /** Why another member of a shared subscription should get a message instead. */
  #declines (topic: string, isLast: boolean): Decline | undefined {
    const { closed } = this.#client
    if (closed || this.#holdsEnough) return 'slowReader'
    return this.#receiver.declines(topic, isLast)
  }
}

function isFrom ({ id }: Client, packet: Packet): boolean {
  return (packet as { clientId?: string }).clientId === id
}
