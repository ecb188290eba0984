import type { IPublishPacket } from 'mqtt-packet'
import { matches, parseSubscription, type Filter } from '../../mqtt/topic-filters.ts'
import { fromPacket } from '../../mqtt/link/packet-properties.ts'
import type { Delivered, Subscriber } from '../publication.ts'

interface Subscription { filter: Filter, subscriber: Subscriber }

/** Nodes of this process that receive what others publish at a broker elsewhere. */
export class LocalSubscribers {
  readonly #subscriptions = new Map<string, Set<Subscription>>()

  get filters (): string[] { return [...this.#subscriptions.keys()] }

  /**
   * @param changed called when the filter is the first of its text, and when the last of it ends
   * @returns ends the subscription
   */
  add (text: string, subscriber: Subscriber, changed: (isWanted: boolean) => void): () => void {
    const filter = parseSubscription(text)
    if (filter === undefined) return () => undefined
    const subscription = { filter, subscriber }
    const others = this.#subscriptions.get(text)
    if (others === undefined) {
      this.#subscriptions.set(text, new Set([subscription]))
      changed(true)
    } else others.add(subscription)
    return () => {
      const left = this.#subscriptions.get(text)
      if (left?.delete(subscription) !== true || left.size > 0) return
      this.#subscriptions.delete(text)
      changed(false)
    }
  }

  clear (): void {
    this.#subscriptions.clear()
  }

  /** Give a message to those who want it. @returns undefined: all are done with it; otherwise it resolves when they are */
  give ({ topic, payload, qos, retain, properties: given }: IPublishPacket): Promise<unknown> | undefined {
    const levels = topic.split('/')
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    const properties = fromPacket(given)
    const delivered: Delivered = { topic, payload: bytes, qos, retain, clientId: undefined, origin: undefined, ...properties && { properties } }
    const working: unknown[] = []
    for (const subscriptions of this.#subscriptions.values()) {
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
