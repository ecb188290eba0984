import { crc32 } from 'node:zlib'
import type { Client, PublishPacket } from 'aedes'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { reasonCodes } from '../../mqtt/reason-codes.ts'
import { RecentMap } from '../../recent-map.ts'
import { internalsOf } from '../aedes/aedes-internals.ts'
import { markTaken, type RoutingAedes } from '../aedes/routing-aedes.ts'
import { beginLifetime, carriedBy, carry } from '../carried.ts'
import { propertiesOf } from '../carried-properties.ts'
import type { Speaker } from '../mqtt5/speaker.ts'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import { formerWill, type Will } from '../persistence/wills.ts'
import type { Publication, Publisher, Refusal, Settle, Taker } from '../publication.ts'
import type { Counters } from '../watching/counters.ts'
import type { ClientState } from './client-state.ts'
import type { Connections } from './connections.ts'
import type { Engine } from './engine.ts'
import type { LocalClient } from './local-client.ts'
import { Unacknowledged } from './unacknowledged.ts'

const nothing = Buffer.alloc(0)
const mostRouted = 10_000
const nobody = { code: reasonCodes.noMatchingSubscribers } as const
const unretained = 'not retained: the broker has no room for another retained message'

/** aedes' callback: acknowledges the publication, or hangs up on the client. */
type Done = (error?: Error | null) => void

/** Decides on every publication that comes in, wills included: dropped, given to the taker, or routed to subscribers. */
export class PublishHandler {
  #engine: Engine
  #local: LocalClient
  // Read for every message.
  #aedes: RoutingAedes
  #connections: Connections
  #counters: Counters
  #persistence: BrokerPersistence
  #taker: Taker
  /** Messages of QoS 2 that subscribers have, and that were not acknowledged because the taker failed. */
  readonly #routed = new RecentMap<true>(mostRouted)

  constructor (engine: Engine, local: LocalClient) {
    this.#engine = engine
    this.#local = local
    this.#aedes = engine.aedes
    this.#connections = engine.connections
    this.#counters = engine.counters
    this.#persistence = engine.persistence
    this.#taker = engine.taker
  }

  /** For a message that came in without a connection of its own: see `Broker.bring`. */
  async bring (publication: Publication, origin?: string): Promise<void> {
    const { topic, payload, connection } = publication
    this.#counters.publishReceived(payload.length)
    const rights = this.#engine.rules.for({ username: connection?.verified === true ? connection.username : undefined, clientId: connection?.clientId ?? '' })
    if (topic.startsWith('$SYS/') || rights?.mayPublish(topic) === false) {
      this.#counters.dropped('rules')
      throw new PlatziverseError('PUBLISH_FORBIDDEN', `The topic ${JSON.stringify(topic)} may not be published to.`)
    }
    // Taken for news, an old metric would get the time of receipt, and an agent that is long gone would be connected. Published where nothing
    // takes it, it would be news to the next broker.
    if (publication.replayed === true) return
    if (this.#taker.takes(topic)) return await settled(settle => { this.#taker.take(publication, settle) })
    if (this.#taker.reads?.(topic) !== true) return await this.#local.publish(publication, origin)
    // Subscribers do not wait for the database, and do not get it again at each attempt.
    const routed = publication.routed === true ? undefined : this.#local.publish(publication, origin).then(() => { publication.routed = true })
    const outcomes = await Promise.allSettled([routed, settled(settle => { this.#taker.read!(publication, settle) })])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** aedes' hook. @param client null: the packet is a will that was found after a restart */
  authorize (client: Client | null, packet: PublishPacket, done: Done): void {
    const will = formerWill(packet)
    // For such a will aedes gives the client that has its id now, or null.
    if (will !== undefined || client === null) return this.#publishFormerWill(will ?? packet as Will, done)
    const state = this.#connections.stateOf(client)
    try {
      this.#authorize(client, state, packet, done)
    } catch (error) {
      // Even after the client's end.
      done(error as Error)
    }
  }

  #authorize (client: Client, state: ClientState | undefined, packet: PublishPacket, done: Done): void {
    const { topic, qos } = packet
    this.#counters.publishReceived(packet.payload.length)
    // The check of `$SYS/` is aedes' own, which this hook replaces. A forbidden publication is acknowledged and goes nowhere. [MQTT-3.3.5-2]
    if (topic.startsWith('$SYS/') || state?.rights?.mayPublish(topic) === false) {
      this.#counters.dropped('rules')
      markTaken(packet)
      if (qos > 0) state?.speaker?.acknowledge(packet.messageId, { code: reasonCodes.notAuthorized, text: 'the rules forbid publishing on this topic' })
      return done(null)
    }
    // aedes publishes a will only after it has closed the client.
    const will = client.closed
    if (this.#aedes.isTooDeep(topic)) return this.#refuseDeep(client, state, packet, done)
    if (will && this.#isDelayed(client, state, packet)) {
      markTaken(packet)
      return done(null)
    }
    if (will) beginLifetime(packet.payload)
    const finished = (error?: Error | null): void => {
      if (qos === 1) state?.unacknowledged?.ended(packet, error)
      // There is nobody left to acknowledge to, and aedes would report the failed write.
      if (!will && client.closed) return
      // With a PUBACK that says so, a client of MQTT 5 would never send it again. [MQTT-4.4.0-2]
      if (error) state?.endsFor(`not acknowledged: ${error.message}`, reasonCodes.serverBusy)
      try {
        if (qos === 1 && !will && !error && state?.speaker !== undefined) acknowledge(client, state.speaker, packet, done)
        else done(error ?? null)
      } catch (fault) {
        // The taker may be settling other clients' publications in the same loop.
        client.emit('error', fault as Error)
      }
    }
    // A client that left before it was let in may have a will, but has no connection.
    const publisher = state?.connection ?? (state && { clientId: client.id, username: state.username, verified: state.verified })
    if (qos === 1 && !will && state !== undefined && (state.unacknowledged ??= new Unacknowledged()).isCopy(packet, finished)) return markTaken(packet)
    if (qos !== 2 || will) return this.#pass(client, state, packet, will, finished, publisher)
    const settle = this.#persistence.receive(client, packet, finished)
    if (settle === undefined) markTaken(packet)
    else this.#pass(client, state, packet, will, settle, publisher)
  }

  /** MQTT 3.1.1 can only be told by the end of the connection. [MQTT-3.3.5-2] */
  #refuseDeep (client: Client, state: ClientState | undefined, packet: PublishPacket, done: Done): void {
    this.#counters.dropped('topicLevels')
    if (state?.speaker === undefined && !client.closed) return done(new Error('topic has too many levels'))
    markTaken(packet)
    if (packet.qos > 0) state?.speaker?.acknowledge(packet.messageId, { code: reasonCodes.topicNameInvalid, text: `the topic has more than ${this.#aedes.topicLevels} levels` })
    done(null)
  }

  /** Whether a last will is held back for a time, or is not published at all because its client has come back to the session. [MQTT-3.1.3-9] */
  #isDelayed (client: Client, state: ClientState | undefined, will: Will): boolean {
    if (will.delay === undefined || will.delay === 0) return false
    if (state?.isResumed !== true) this.#persistence.delayWill(client, Date.now() + will.delay * 1000)
    return true
  }

  /** The time of a last will that was held back has come. */
  publishDueWill (will: Will): void {
    this.#publishFormerWill(will, () => {
      this.#aedes.publish(will as PublishPacket, () => {
        this.#persistence.willPublished(will).catch(() => { this.#counters.dropped('persistence') })
      })
    })
  }

  #publishFormerWill (will: Will, done: Done): void {
    const { clientId = '', owner, topic } = will
    const publisher: Publisher = { clientId, username: owner ?? undefined, verified: typeof owner === 'string' }
    this.#counters.publishReceived(will.payload.length)
    // A will without a known owner was checked when it was stored.
    const isForbidden = topic.startsWith('$SYS/') || (owner !== undefined && !this.#engine.rules.for(publisher).mayPublish(topic))
    if (isForbidden) this.#counters.dropped('rules')
    beginLifetime(will.payload)
    // Its client may have come back since aedes looked for wills.
    if (!isForbidden && this.#persistence.isToPublish(will)) return this.#pass(null, undefined, will as PublishPacket, true, done, publisher)
    markTaken(will as PublishPacket)
    done(null)
  }

  /** Give a publication to the taker or to the subscribers. */
  #pass (client: Client | null, state: ClientState | undefined, packet: PublishPacket, will: boolean, settle: (error?: Error) => void, publisher: Publisher | undefined): void {
    const { topic, qos } = packet
    if (this.#taker.takes(topic)) {
      markTaken(packet)
      const speaker = qos > 0 && !will ? state?.speaker : undefined
      return this.#taker.take(publicationOf(packet, will, state, publisher), speaker === undefined ? settle : (error, refusal) => {
        if (refusal !== undefined) speaker.acknowledge(packet.messageId, refusal)
        settle(error)
      })
    }
    if (this.#taker.reads?.(topic) === true) return this.#share(client, state, packet, will, settle, publisher)
    this.#taker.passes?.(topic, publisher?.clientId ?? '')
    keepRetain(packet)
    // aedes publishes it after this.
    if (qos === 0 || will) settle()
    else this.#route(client, state, packet, false, settle)
  }

  /**
   * Give a publication to the subscribers, who do not wait for the database, and let the taker read along. A publisher that is not acknowledged sends it again,
   * and with QoS 2 the subscribers do not get it again. [MQTT-4.3.3-2]
   */
  #share (client: Client | null, state: ClientState | undefined, packet: PublishPacket, will: boolean, settle: (error?: Error) => void, publisher: Publisher | undefined): void {
    const publication = publicationOf(packet, will, state, publisher)
    const key = packet.qos === 2 && !will ? keyOf(packet, publication) : undefined
    let isRouted = key !== undefined && packet.dup && this.#routed.get(key) === true
    let open = 2
    let failure: Error | undefined
    const done = (error?: Error): void => {
      failure ??= error
      if (--open > 0) return
      if (key !== undefined && failure !== undefined && isRouted) this.#routed.set(key, true)
      else if (key !== undefined) this.#routed.delete(key)
      settle(failure)
    }
    keepRetain(packet)
    if (isRouted) {
      markTaken(packet)
      done()
    } else {
      this.#route(client, state, packet, true, error => {
        isRouted = error === undefined
        done(error)
      })
    }
    // What could not be read is for the flow to know: the publication itself was accepted.
    this.#taker.read!(publication, error => { done(error) })
  }

  /** Give a publication to the subscribers now, instead of leaving that to aedes. */
  #route (client: Client | null, state: ClientState | undefined, packet: PublishPacket, isRead: boolean, settle: (error?: Error) => void): void {
    const { topic, qos } = packet
    const speaker = qos > 0 && client?.closed !== true ? state?.speaker : undefined
    const isAlone = !isRead && speaker !== undefined && !this.#aedes.hasReaders(topic) && !this.#persistence.hasQueues(topic)
    // aedes acknowledges QoS 1 before it publishes, and a repeated QoS 2 while it publishes. Published here, so that PUBACK and PUBREC mean that every queue has it.
    this.#aedes.publish(packet, client, (error?: Error | null) => {
      markTaken(packet)
      // Only now: it is taken up by the PUBACK or PUBREC that follows.
      const outcome = speaker && outcomeOf(packet, isAlone)
      if (outcome !== undefined) speaker!.acknowledge(packet.messageId, outcome)
      settle(error ?? undefined)
    })
  }
}

/** Ends with what a taker settles. @throws PlatziverseError DELIVERY_UNSETTLED */
function settled (take: (settle: Settle) => void): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    take(error => {
      if (error === undefined) resolve()
      else reject(new PlatziverseError('DELIVERY_UNSETTLED', `${reasonOf(error)}.`, { cause: error }))
    })
  })
}

/** What a taker gets of a packet. */
function publicationOf (packet: PublishPacket, will: boolean, state: ClientState | undefined, publisher: Publisher | undefined): Publication {
  const { topic, qos, retain } = packet
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
  const publication: Publication = { topic, payload, qos, retain, will, connection: state?.connection, publisher }
  const properties = propertiesOf(payload)
  if (properties !== undefined) publication.properties = properties
  return publication
}

/** Subscribers that ask for the flag get it as it was set. */
function keepRetain ({ payload, retain }: PublishPacket): void {
  if (retain && carriedBy(payload) === undefined && typeof payload !== 'string') carry(payload, { properties: nothing, retain })
}

/** Tells a message of QoS 2 that is sent again from another one with its id. */
function keyOf ({ messageId, topic }: PublishPacket, { payload, publisher }: Publication): string {
  return [publisher?.clientId, messageId, crc32(payload, crc32(topic))].join('\0')
}

/** A message of QoS 1 is done with. aedes would have mqtt-packet write a PUBACK of 3.1.1 for the speaker to read: for QoS 0 it writes none. */
function acknowledge (client: Client, speaker: Speaker, packet: PublishPacket, done: Done): void {
  packet.qos = 0
  if (speaker.puback(packet.messageId!)) done(null)
  else internalsOf(client).waitForDrain(() => { done(null) })
}

/**
 * What is said of a message that was passed on, beyond success. An error tells the publisher that the broker has not taken it [MQTT-4.4.0-2], which is true of one
 * that could not be retained only where nobody subscribed to it.
 */
function outcomeOf ({ retain, payload }: PublishPacket, isAlone: boolean): Refusal | typeof nobody | undefined {
  if (!retain) return isAlone ? nobody : undefined
  if (carriedBy(payload)?.isUnretained !== true) return undefined
  return { code: isAlone ? reasonCodes.quotaExceeded : reasonCodes.success, text: unretained }
}
