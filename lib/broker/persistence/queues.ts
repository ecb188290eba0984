import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { orInfinite, type Client, type Context, type OnFulfilled, type OnRejected } from './context.ts'
import type { ReceivedMessages } from './received.ts'
import { Expiring } from './expiring.ts'
import { contentOf, copyOf, expiryOf, ownPayload, sizeOf, type Packet, type Release } from './journal/records.ts'
import type { Queued, Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** About the bytes that a place in a queue takes. */
const bytesOfPlace = 512

/** The client that a message is queued for, and the highest QoS at which it gets it; absent: the message's own. */
export interface Recipient { clientId: string, qos?: 0 | 1 | 2 }

/** The queues of the sessions. A message stays in a queue until the client has acknowledged it. */
export class Queues {
  /** Messages in queues, each counted once however many clients it waits for. */
  messages = 0
  /** Messages in all queues. */
  offline = 0
  offlineBytes = 0
  /** Bytes in memory, each message's counted once however many queues it is in. */
  #kept = 0
  /** Messages that a full queue did not take. */
  dropped = 0
  /** Those that were not sent yet: what was sent does not expire. [MQTT-4.3.3-7] */
  readonly expiring: Expiring<Queued>
  #context: Context
  #sessions: Sessions
  #received: ReceivedMessages
  /** Connections have numbers, so that a queue can name one without keeping it in memory. */
  #connections = new WeakMap<Client, number>()
  #lastConnection = 0
  /** Messages that enter the queues of these sessions once they are routed. */
  #unrouted = new Map<Packet, Array<{ recipient: Recipient, session: Session | undefined }>>()

  constructor (context: Context, sessions: Sessions, received: ReceivedMessages) {
    this.#context = context
    this.#sessions = sessions
    this.#received = received
    this.expiring = new Expiring(context.now, queued => { this.#unqueueExpired(queued) })
  }

  restore (session: Session, queued: Queued): void {
    const { message, bytes, packet: { messageId } } = queued
    if (message !== undefined && message.users++ === 0) this.#keep(bytes)
    session.add(queued)
    if (messageId !== undefined) session.sent(queued, messageId, 0)
    else if ('payload' in queued.packet) this.expiring.set(queued, expiryOf(queued.packet))
    this.#count(session, 1, bytes)
  }

  /**
   * Put `packet` into the queues, and call back synchronously as it enters them, which a promise would not do. aedes numbers publications
   * as they come, and takes one with a lower number than the last that a client got for a duplicate. So it gets a new number just before
   * aedes sends it on.
   */
  enqueue (recipients: Recipient[], packet: Packet): PromiseLike<void> {
    this.#received.keepArrived(packet)
    return this.#enqueue(recipients, packet, false)
  }

  /**
   * The same for a message that a group may get, too: it enters the queues once it is routed, so that one commit is for these, the queue of the group's member, and its
   * id. After a crash between two commits the next copy would be taken for a duplicate and be lost for the group, or enter these queues twice.
   */
  enqueueWhenRouted (recipients: Recipient[], packet: Packet): PromiseLike<void> {
    this.#unrouted.set(packet, recipients.map(recipient => ({ recipient, session: this.#sessions.get(recipient.clientId) })))
    return this.#context.journal.committed()
  }

  /** A message is being routed. @returns ends that, in the same turn, and resolves after the commit; undefined: it is in its queues already */
  routing (packet: Packet): (() => Promise<void>) | undefined {
    const unrouted = this.#unrouted.size === 0 ? undefined : this.#unrouted.get(packet)
    if (unrouted === undefined) return undefined
    this.#unrouted.delete(packet)
    // A session may have ended meanwhile.
    const recipients = unrouted.filter(({ recipient, session }) => session !== undefined && this.#sessions.get(recipient.clientId) === session)
    this.#enter(this.#admit(recipients.map(({ recipient }) => recipient), packet, false), packet)
    return () => {
      this.#received.keepArrived(packet)
      return this.#context.journal.committed()
    }
  }

  /**
   * Put a retained message that a SUBSCRIBE brings into a queue, so that it is sent again if the connection breaks before the client
   * acknowledges it. [MQTT-4.4.0-1] It takes room only in the first half of the queue: unlike others, it is not lost.
   */
  enqueueRetained (clientId: string, packet: Packet): PromiseLike<void> {
    return this.#enqueue([{ clientId }], packet, true)
  }

  /**
   * Put a message that nobody who is here takes into the first queue that has room for it, at once: its client may be coming. The commit follows.
   * @returns whose it is; undefined: nobody's
   */
  enqueueFirst (recipients: Iterable<Recipient>, packet: Packet): string | undefined {
    let isFull = false
    for (const recipient of recipients) {
      const { clientId } = recipient
      const session = this.#sessions.get(clientId)
      if (session === undefined) continue
      // Another filter of the client brought it.
      if (session.find(packet) !== undefined) return clientId
      isFull = !this.#hasRoom(session, sizeOf(packet), true, 1)
      if (isFull) continue
      this.#received.keepArrived(packet)
      for (const [, queued] of this.#admit([recipient], packet, false)) this.#add(session, queued)
      return clientId
    }
    if (isFull) this.dropped++
    return undefined
  }

  #enqueue (recipients: Recipient[], packet: Packet, isRetained: boolean): PromiseLike<void> {
    const additions = this.#admit(recipients, packet, isRetained)
    // Even when there is nothing to write: what came before must be sent on before.
    const committed = this.#context.journal.committed()
    return {
      then: <A, B>(fulfilled?: OnFulfilled<A>, rejected?: OnRejected<B>) => committed.then(() => {
        this.#enter(additions.splice(0), packet)
        return fulfilled?.() as A
      }, rejected)
    }
  }

  /** Called before aedes sends a message (then with its message id), and when PUBREC has come for one (then `packet` is the PUBREL). */
  async update (client: Client, packet: Packet | Release): Promise<void> {
    const session = this.#sessions.get(client.id)
    const queued = 'brokerCounter' in packet && packet.cmd !== 'pubrel' ? session?.find(packet) : session?.findSent(packet.messageId)
    // A retained message, or one that a full queue did not take: aedes sends those, too, and there is nothing to do.
    if (session === undefined || queued === undefined) return
    if (packet.cmd === 'pubrel') {
      if (queued.packet.cmd === 'pubrel') return
      this.#release(queued)
      this.#count(session, 0, -queued.bytes)
      queued.bytes = 0
      session.released(queued)
    } else {
      this.expiring.delete(queued)
      session.sent(queued, packet.messageId, this.#connection(client))
    }
    this.#write(session, queued)
    // Without its message id a message of QoS 2 would come twice; one of QoS 1 may.
    if (packet.cmd === 'pubrel' || (packet as Packet).qos === 2) await this.#context.journal.committed()
  }

  /** PUBACK or PUBCOMP has come. It needs no answer, so nothing waits for the commit. */
  async clear (client: Client, packet: Release | Packet): Promise<Packet | Release | undefined> {
    const session = this.#sessions.get(client.id)
    if (session === undefined) return undefined
    if (packet.messageId === undefined) {
      this.#clearUnsent(session, packet as Packet)
      return undefined
    }
    const queued = session.findSent(packet.messageId)
    if (queued === undefined) return undefined
    this.#unqueue(session, queued)
    this.#sessions.endEmpty(session)
    return queued.packet
  }

  /** The queue of a client that has connected, in order. */
  stream (client: Client): Readable {
    const session = this.#sessions.get(client.id)
    if (session === undefined) return Readable.from([])
    const connection = this.#connection(client)
    const { expiring } = this
    const all = [...session.queue.values()]
    return Readable.from((async function * () {
      // aedes restores subscriptions before it reads the queue. What came in between is being sent, and is marked as sent within two turns.
      await nextTurn()
      await nextTurn()
      for (const queued of all) {
        const sentBefore = queued.sentTo !== undefined && queued.sentTo !== connection
        if (!session.has(queued) || (client.connecting === true && queued.sentTo === connection) || expiring.ends(queued)) continue
        yield sentBefore && queued.packet.cmd === 'publish' ? { ...queued.packet, dup: true } : queued.packet // [MQTT-3.3.1-1]
      }
    })())
  }

  /** Remove the messages of a session that ends. */
  empty (session: Session): void {
    for (const queued of session.queue.values()) this.#unqueue(session, queued)
  }

  /** Write `packet` once for each session that has room, at its highest QoS. It enters the queue after the commit. */
  #admit (recipients: Recipient[], packet: Packet, isRetained: boolean): Array<[Session, Queued]> {
    if (recipients.length === 0) return []
    const { journal } = this.#context
    const qosOf = new Map<string, number>()
    for (const { clientId, qos = packet.qos } of recipients) qosOf.set(clientId, Math.max(qos, qosOf.get(clientId) ?? 0))
    const bytes = sizeOf(packet)
    const share = isRetained ? 0.5 : 1
    const message = { record: 0, users: 0 }
    let payload: Buffer | string = ''
    const additions: Array<[Session, Queued]> = []
    for (const [clientId, granted] of qosOf) {
      const session = this.#sessions.open(clientId)
      if (!this.#hasRoom(session, bytes, message.users === 0, share)) {
        if (!isRetained) this.dropped++
        this.#sessions.endEmpty(session)
        continue
      }
      if (message.users++ === 0) {
        this.#keep(bytes)
        message.record = journal.next()
        payload = ownPayload(packet.payload)
        // What was published to a subscriber is not flagged as retained, what its SUBSCRIBE brought is. [MQTT-3.3.1-8] [MQTT-3.3.1-9]
        journal.put(message.record, { kind: 'message', content: contentOf({ ...packet, payload, retain: isRetained }) })
      }
      // At most the QoS of the subscription. [MQTT-3.8.4-6]
      const qos = Math.min(packet.qos, granted) as 0 | 1 | 2
      const queued: Queued = { client: clientId, record: journal.next(), packet: { ...copyOf(packet), payload, qos, retain: isRetained, dup: false }, message, bytes }
      this.#count(session, 1, bytes)
      this.#write(session, queued)
      additions.push([session, queued])
    }
    return additions
  }

  /** @param isNew whether no other queue has the message @param share of the limits that may be used */
  #hasRoom (session: Session, bytes: number, isNew: boolean, share: number): boolean {
    if (this.#fits(session, bytes, isNew, share)) return true
    this.expiring.makeRoom()
    return this.#fits(session, bytes, isNew, share)
  }

  #fits (session: Session, bytes: number, isNew: boolean, share: number): boolean {
    const { limits } = this.#context
    if (session.offline >= orInfinite(limits.offlineMessages) * share || session.bytes + bytes > orInfinite(limits.offlineBytes) * share) return false
    const most = orInfinite(limits.offlineTotalBytes) * share
    if (this.#kept + (isNew ? bytes : 0) + bytesOfPlace <= most) return true
    // A few clients that fill all the room do not take the others' share of it. Shares end at twice the room, or many clients coming one by one would take several times of it.
    const ofSession = session.bytes + bytes + (session.offline + 1) * bytesOfPlace
    return ofSession <= most / this.#sessions.size && this.#kept + bytes + bytesOfPlace <= 2 * most
  }

  #enter (additions: Array<[Session, Queued]>, packet: Packet): void {
    const { broker } = this.#context
    if (broker !== undefined && packet.brokerCounter < broker.counter) packet.brokerCounter = ++broker.counter
    for (const [session, queued] of additions) {
      queued.packet = { ...queued.packet, brokerId: packet.brokerId, brokerCounter: packet.brokerCounter } as Packet
      if (session.ended) this.#unqueue(session, queued)
      else this.#add(session, queued)
    }
  }

  #add (session: Session, queued: Queued): void {
    session.add(queued)
    this.expiring.set(queued, expiryOf(queued.packet as Packet))
  }

  /** aedes will not send this message: delivery was denied, or it is being sent because another filter of the client matched. */
  #clearUnsent (session: Session, packet: Packet): void {
    const queued = session.find(packet)
    // If it is being sent, that starts by the next turn.
    if (queued !== undefined) setImmediate(() => { if (queued.sentTo === undefined && !session.ended && session.has(queued)) this.#unqueue(session, queued) })
  }

  #unqueueExpired (queued: Queued): void {
    const session = this.#sessions.get(queued.client)
    if (session?.has(queued) !== true) return
    this.#unqueue(session, queued)
    this.#sessions.endEmpty(session)
  }

  #unqueue (session: Session, queued: Queued): void {
    session.remove(queued)
    this.expiring.delete(queued)
    this.#count(session, -1, -queued.bytes)
    this.#release(queued)
    this.#context.journal.delete(queued.record)
  }

  /** A queue lets go of a message; the last one removes it. */
  #release (queued: Queued): void {
    if (queued.message !== undefined && --queued.message.users === 0) {
      this.messages--
      this.#kept -= queued.bytes
      this.#context.journal.delete(queued.message.record)
    }
    queued.message = undefined
  }

  #keep (bytes: number): void {
    this.messages++
    this.#kept += bytes
  }

  /** Count messages that entered or left a session's queue. */
  #count (session: Session, messages: number, bytes: number): void {
    session.offline += messages
    session.bytes += bytes
    this.offline += messages
    this.#kept += messages * bytesOfPlace
    this.offlineBytes += bytes
  }

  #write (session: Session, { record, message, packet }: Queued): void {
    this.#context.journal.put(record, {
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
}
