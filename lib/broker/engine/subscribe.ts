import type { AedesPublishPacket, Client, Subscription } from 'aedes'
import { reasonOf } from '../../errors.ts'
import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'
import { GrantedDelivery } from '../aedes/granted-delivery.ts'
import { hasExpired } from '../carried.ts'
import type { SubscriptionOptions } from '../persistence/broker-persistence.ts'
import type { Counters } from '../watching/counters.ts'
import { unreadBeforeDropping, type ClientState } from './client-state.ts'
import type { Connections } from './connections.ts'
import type { Engine } from './engine.ts'
import { GrantedFilters } from './granted-filters.ts'
import { isFrom } from './local-client.ts'

/** The QoS of a subscription that failed, in SUBACK. [MQTT-3.9.3-2] */
export const subackFailure = 128

/** Let a client receive. Most clients of a large broker only publish, so it is not done before a client has a session or subscribes. */
export function prepareDelivery ({ aedes, persistence }: Engine, client: Client, state: ClientState): void {
  state.delivery ??= new GrantedDelivery(client, state, aedes, persistence)
}

/** Grants subscriptions, and decides on every message that is about to be sent to a client. */
export class SubscribeHandler {
  #engine: Engine
  // Read for every message.
  #connections: Connections
  #counters: Counters

  constructor (engine: Engine) {
    this.#engine = engine
    this.#connections = engine.connections
    this.#counters = engine.counters
  }

  /** aedes' hook for each filter of a SUBSCRIBE. `done` is called with null if SUBACK has to say that it failed. */
  authorize (client: Client, subscription: Subscription, done: (error: Error | null, subscription?: Subscription | null) => void): void {
    let granted
    try {
      granted = this.#grant(client, subscription)
    } catch (error) {
      return done(error as Error)
    }
    done(null, granted)
  }

  /** aedes' hook for each message to a client. @returns null: the client does not get it */
  forward (client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    try {
      return this.#forward(client, packet)
    } catch (error) {
      this.#connections.hangUp(client, reasonOf(error))
      // Nothing is sent any more; null would take the packet out of the session's queue.
      return packet
    }
  }

  #grant (client: Client, subscription: Subscription): Subscription | null {
    const engine = this.#engine
    const state = this.#connections.stateOf(client)
    if (state === undefined) return subscription
    const { topic } = subscription
    state.filters ??= new GrantedFilters(client.clean ? state.kept : undefined)
    const refusal = state.filters.refusal(topic, engine.options.limits.subscriptionsPerClient)
    let code: ReasonCode = reasonCodes.quotaExceeded
    if (engine.aedes.isTooDeep(topic)) {
      this.#counters.refusedBy('topicLevels')
      code = reasonCodes.topicFilterInvalid
    } else if (refusal !== undefined) this.#counters.refusedBy(refusal)
    else if (state.rights?.maySubscribe(topic) === false) {
      this.#counters.refusedBy('rules')
      code = reasonCodes.notAuthorized
    } else if (!client.clean && !engine.persistence.takeRoom(client.id, topic)) this.#counters.refusedBy('stateBytes')
    else {
      // Before aedes reads from the client the functions by which it delivers.
      prepareDelivery(engine, client, state)
      state.delivery?.grants.setOptions(topic, (subscription as { options?: SubscriptionOptions }).options)
      state.filters.add(topic)
      return subscription
    }
    state.speaker?.filters.refuse(topic, code)
    // aedes stores every filter of the packet in the session, this one too; the persistence leaves out those that failed.
    ;(subscription as { qos: number }).qos = subackFailure
    return null
  }

  #forward (client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const state = this.#connections.stateOf(client)
    state?.delivery?.sentFromQueue(packet)
    if (state?.isBridge === true && isFrom(client.id, packet)) return null
    // aedes' messages to itself name every client.
    if (packet.topic.startsWith('$SYS/') && packet.topic.startsWith(this.#engine.aedes.id, 5)) return null
    if (state?.rights?.mayReceive(packet.topic) === false) {
      this.#counters.dropped('rules')
      return null
    }
    // It may have waited for the session's queue; a speaker looks itself. What the client may have had before is brought to its end. [MQTT-3.3.2-5] [MQTT-4.3.3-7]
    if (state?.speaker === undefined && !packet.dup && hasExpired(packet.payload)) {
      this.#counters.dropped('expired')
      return null
    }
    if (packet.qos === 0 && (state?.unread ?? 0) > unreadBeforeDropping) {
      this.#counters.dropped('slowReader')
      return null
    }
    this.#counters.publishSent(packet.payload.length)
    return packet
  }
}
