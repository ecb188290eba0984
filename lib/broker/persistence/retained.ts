import { Readable } from 'node:stream'
import { TopicTree } from '../../mqtt/topic-tree.ts'
import { carriedBy, withIds } from '../carried.ts'
import { orInfinite, type Context, type OnFulfilled } from './context.ts'
import { Expiring } from './expiring.ts'
import { contentOf, expiryOf, ownPayload, sizeOf, type Packet } from './journal/records.ts'

/** Retained messages up to which `count` counts one by one. */
const mostCounted = 10_000

/** The retained message of each topic. */
export class RetainedMessages {
  bytes = 0
  /** Messages that were not retained. */
  refused = 0
  /** How often a message was stored, replaced or cleared, but for what the broker says about itself. */
  changes = 0
  /** By topic. */
  readonly expiring: Expiring<string>
  #context: Context
  #byTopic = new TopicTree<{ packet: Packet, record: number | undefined }>()

  constructor (context: Context) {
    this.#context = context
    this.expiring = new Expiring(context.now, topic => { this.#clear(topic) })
  }

  get size (): number { return this.#byTopic.size }

  get (topic: string): Packet | undefined { return this.expiring.ends(topic) ? undefined : this.#byTopic.get(topic)?.packet }

  restore (packet: Packet, record: number): void {
    this.#byTopic.set(packet.topic, { packet, record })
    this.bytes += sizeOf(packet)
    this.expiring.set(packet.topic, expiryOf(packet))
  }

  /**
   * Waits for nothing, not even for a promise's turn, or later messages of the topic would overtake this one. [MQTT-4.6.0-6] The answer
   * to a publisher of QoS 1 or 2 waits for `outgoingEnqueueCombi`, which comes next; QoS 0 gets none.
   */
  store (packet: Packet): PromiseLike<void> {
    this.#retain(packet)
    return { then: <A>(fulfilled?: OnFulfilled<A>) => Promise.resolve(fulfilled?.() as A) }
  }

  /** Resolves, after the commit, to whether there was one. */
  async clear (topic: string): Promise<boolean> {
    const existed = this.#clear(topic)
    await this.#context.journal.committed()
    return existed
  }

  /** About how many messages match filters. Beyond `mostCounted` it is estimated from the filters looked at so far. */
  count (filters: string[]): number {
    let count = 0
    let counted = 0
    for (const filter of filters) {
      counted++
      for (const _ of this.#byTopic.matchingTopics(filter)) if (++count >= mostCounted) return count * filters.length / counted
    }
    return count
  }

  /** @param ids of the subscriptions that bring them; undefined: nobody asks */
  stream (patterns: string[], ids?: readonly number[]): Readable {
    const byTopic = this.#byTopic
    const { expiring } = this
    return Readable.from((function * () {
      for (const pattern of patterns) for (const { packet } of byTopic.matchingTopics(pattern)) {
        if (!expiring.ends(packet.topic)) yield ids === undefined ? packet : { ...packet, payload: withIds(packet.payload, ids) }
      }
    })())
  }

  #retain (packet: Packet): void {
    const { journal } = this.#context
    if (packet.payload.length === 0) {
      this.#clear(packet.topic)
      return
    }
    const ofItself = isOfItself(packet.topic)
    if (!ofItself && !this.#hasRoomFor(packet)) {
      this.refused++
      const carried = carriedBy(packet.payload)
      if (carried !== undefined) carried.isUnretained = true
      // An outdated message is worse than none. [MQTT-3.3.1-7]
      this.#clear(packet.topic)
      return
    }
    const previous = this.#byTopic.get(packet.topic)
    const added = sizeOf(packet) - (previous === undefined ? 0 : sizeOf(previous.packet))
    const record = ofItself ? undefined : previous?.record ?? journal.next()
    this.bytes += added
    this.#byTopic.set(packet.topic, { packet: { ...packet, payload: ownPayload(packet.payload) }, record })
    this.expiring.set(packet.topic, expiryOf(packet))
    if (!ofItself) this.changes++
    if (record !== undefined) journal.put(record, { kind: 'retained', content: contentOf(packet) })
  }

  #hasRoomFor (packet: Packet): boolean {
    if (this.#fits(packet)) return true
    this.expiring.makeRoom()
    return this.#fits(packet)
  }

  #fits (packet: Packet): boolean {
    const { limits } = this.#context
    const previous = this.#byTopic.get(packet.topic)
    if (previous === undefined && this.size >= orInfinite(limits.retainedMessages)) return false
    const added = sizeOf(packet) - (previous === undefined ? 0 : sizeOf(previous.packet))
    return added <= 0 || this.bytes + this.#byTopic.overhead + added <= orInfinite(limits.retainedBytes)
  }

  #clear (topic: string): boolean {
    const retained = this.#byTopic.get(topic)
    if (retained === undefined) return false
    this.#byTopic.delete(topic)
    this.expiring.delete(topic)
    this.bytes -= sizeOf(retained.packet)
    if (!isOfItself(topic)) this.changes++
    if (retained.record !== undefined) this.#context.journal.delete(retained.record)
    return true
  }
}

/** What a broker says about itself is true in this run alone. */
function isOfItself (topic: string): boolean {
  return topic.startsWith('$SYS/')
}
