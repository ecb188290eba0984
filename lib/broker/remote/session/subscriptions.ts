import type { ISubackPacket } from 'mqtt-packet'
import type { Wire } from '../../../mqtt/link/wire.ts'
import { TopicTree } from '../../../mqtt/topic-tree.ts'
import type { RememberedFilters } from './remembered-filters.ts'

/** Filters of one SUBSCRIBE: AWS IoT Core takes no more. */
const perPacket = 8

/** What a consumer subscribes to, in a session that the broker keeps. */
export class Subscriptions {
  #wanted: readonly string[]
  /** Retain handling of MQTT 5: 0 sends what is retained, 1 to a new subscription only, 2 never. */
  readonly #retainHandling: 0 | 1 | 2
  readonly #remembered: RememberedFilters
  /** What the session has, as far as this process knows; undefined: it did not subscribe to anything yet. */
  #known: Set<string> | undefined
  /** What was asked for on this connection, until it is answered. */
  readonly #asked = new Map<number, readonly string[]>()
  /** What was left on this connection, until that is answered. */
  readonly #leaving = new Map<number, readonly string[]>()
  #lastId = 0
  #refused: string[] = []
  #lossy: string[] = []
  /** What this connection subscribed to that the session did not have before. */
  #fresh = new TopicTree<true>()

  constructor (wanted: readonly string[], retainHandling: 0 | 1 | 2, remembered: RememberedFilters) {
    this.#wanted = wanted
    this.#retainHandling = retainHandling
    this.#remembered = remembered
  }

  get wanted (): readonly string[] { return this.#wanted }

  /** What the broker refused on this connection. */
  get refused (): readonly string[] { return this.#refused }

  /** What it gives with QoS 0 only on this connection: it keeps nothing of that while this process is away, nor what is not stored yet. */
  get lossy (): readonly string[] { return this.#lossy }

  /** What it did not answer yet. */
  get unanswered (): string[] { return [...this.#asked.values()].flat() }

  /** Subscribe on a new connection. */
  begin (wire: Wire, version: 4 | 5, hasSession: boolean): void {
    this.#asked.clear()
    this.#leaving.clear()
    this.#refused = []
    this.#lossy = []
    const known = this.#known = hasSession ? this.#known ?? new Set(this.#remembered.read() ?? this.#wanted) : new Set()
    this.#fresh = new TopicTree()
    for (const filter of this.#wanted) if (!known.has(filter)) this.#fresh.set(filter, true)
    this.#remember()
    this.#ask(wire, version, this.#wanted)
    this.#unsubscribe(wire, version, [...known].filter(filter => !this.#wanted.includes(filter)))
  }

  /** Subscribe to others. @param wire absent: on the next connection */
  change (wanted: readonly string[], wire: Wire | undefined, version: 4 | 5): void {
    const [added, left] = [wanted.filter(filter => !this.#wanted.includes(filter)), this.#wanted.filter(filter => !wanted.includes(filter))]
    this.#wanted = wanted
    this.#refused = this.#refused.filter(filter => wanted.includes(filter))
    this.#lossy = this.#lossy.filter(filter => wanted.includes(filter))
    if (wire === undefined) return
    for (const filter of added) this.#fresh.set(filter, true)
    this.#remember()
    // The new ones first: what one of them has in common with an old one is rather given twice than not at all.
    this.#ask(wire, version, added)
    this.#unsubscribe(wire, version, left)
  }

  /** End all of them that are among `filters`. */
  end (filters: readonly string[], wire: Wire, version: 4 | 5): void {
    this.#unsubscribe(wire, version, filters)
    // Nobody waits for the answer.
    for (const filter of filters) this.#known?.delete(filter)
    if (this.#known !== undefined) this.#remembered.write(this.#known)
  }

  /** The broker ended subscriptions. Until then they are known: whoever is cut off before ends them on the next connection. */
  left (messageId = 0): void {
    for (const filter of this.#leaving.get(messageId) ?? []) this.#known?.delete(filter)
    this.#leaving.delete(messageId)
    this.#remember()
  }

  /** @returns false: nobody asked for that */
  answered ({ messageId = 0, granted }: ISubackPacket): boolean {
    const filters = this.#asked.get(messageId)
    if (filters?.length !== granted.length) return false
    this.#asked.delete(messageId)
    filters.forEach((filter, i) => {
      if (granted[i] === 0) this.#lossy.push(filter)
      else if (Number(granted[i]) >= 0x80) this.#refused.push(filter)
      else this.#known?.add(filter)
    })
    return true
  }

  /** Whether a topic is of a subscription that the session did not have before this connection, and that is not shared. */
  isFresh (topic: string): boolean {
    return this.#fresh.matchingFilters(topic).length > 0
  }

  /** Before it is asked for: rather one too many than one that nobody ends. */
  #remember (): void {
    this.#remembered.write(new Set([...this.#known ?? [], ...this.#wanted]))
  }

  #ask (wire: Wire, version: 4 | 5, filters: readonly string[]): void {
    for (let i = 0; i < filters.length; i += perPacket) {
      const some = filters.slice(i, i + perPacket)
      const messageId = this.#nextId()
      this.#asked.set(messageId, some)
      const options = version === 5 ? { rh: this.#retainHandling } : {}
      wire.send({ cmd: 'subscribe', messageId, subscriptions: some.map(topic => ({ topic, qos: 1, ...options })), ...version === 5 ? { properties: {} } : {} })
    }
  }

  #unsubscribe (wire: Wire, version: 4 | 5, filters: readonly string[]): void {
    for (let i = 0; i < filters.length; i += perPacket) {
      const unsubscriptions = filters.slice(i, i + perPacket)
      const messageId = this.#nextId()
      this.#leaving.set(messageId, unsubscriptions)
      wire.send({ cmd: 'unsubscribe', messageId, unsubscriptions, ...version === 5 ? { properties: {} } : {} })
    }
  }

  #nextId (): number {
    this.#lastId = this.#lastId % 65_535 + 1
    return this.#lastId
  }
}
