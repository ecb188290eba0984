import type { IPublishPacket } from 'mqtt-packet'
import { matches, parseSubscription, type Filter } from '../../mqtt/topic-filters.ts'
import { fromPacket } from '../../mqtt/link/packet-properties.ts'
import type { Delivered, Subscriber } from '../publication.ts'

interface Subscription { filter: Filter, subscriber: Subscriber }

/** Those with the same filter, by which the broker knows one subscription. */
interface Subscribed { id: number, subscriptions: Set<Subscription> }

/** The largest subscription identifier. */
const mostIds = 268_435_455

/** Nodes of this process that receive what others publish at a broker elsewhere. */
export class LocalSubscribers {
  readonly #subscribed = new Map<string, Subscribed>()
  #lastId = 0

  get filters (): string[] { return [...this.#subscribed.keys()] }

  /** The subscription identifier of a filter, from 1. */
  idOf (filter: string): number | undefined { return this.#subscribed.get(filter)?.id }

  /**
   * @param changed called when the filter is the first of its text, and when the last of it ends
   * @returns ends the subscription
   */
  add (text: string, subscriber: Subscriber, changed: (isWanted: boolean) => void): () => void {
    const filter = parseSubscription(text)
    if (filter === undefined) return () => undefined
    const subscription = { filter, subscriber }
    const others = this.#subscribed.get(text)
    if (others === undefined) {
      this.#lastId = this.#lastId % mostIds + 1
      this.#subscribed.set(text, { id: this.#lastId, subscriptions: new Set([subscription]) })
      changed(true)
    } else others.subscriptions.add(subscription)
    return () => {
      const left = this.#subscribed.get(text)?.subscriptions
      if (left?.delete(subscription) !== true || left.size > 0) return
      this.#subscribed.delete(text)
      changed(false)
    }
  }

  clear (): void {
    this.#subscribed.clear()
  }

  /**
   * Give a message to those who want it. Where several subscriptions match, the broker may give it once for each, and names in MQTT 5 those that a copy is for.
   * @returns undefined: all are done with it; otherwise it resolves when they are
   */
  give ({ topic, payload, qos, retain, properties: given }: IPublishPacket): Promise<unknown> | undefined {
    const levels = topic.split('/')
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    const properties = fromPacket(given)
    const delivered: Delivered = { topic, payload: bytes, qos, retain, clientId: undefined, origin: undefined, ...properties && { properties } }
    const ids = given?.subscriptionIdentifier === undefined ? undefined : [given.subscriptionIdentifier].flat()
    const working: unknown[] = []
    for (const { id, subscriptions } of this.#subscribed.values()) {
      if (ids?.includes(id) === false) continue
      for (const { filter, subscriber } of subscriptions) {
        try {
          const work: unknown = matches(filter, levels) ? subscriber(delivered) : undefined
          if (work !== undefined) working.push(work)
        } catch { /* the other subscribers must not pay for it */ }
      }
    }
    return working.length === 0 ? undefined : Promise.allSettled(working)
  }
}
