import { randomBytes } from 'node:crypto'
import { clientOrigin } from '../broker/origin.ts'
import type { Metric } from '../messages/schema.ts'
import type { MessageProperties } from '../mqtt/message-properties.ts'
import { RecentMap } from '../recent-map.ts'
import { SlotTable, type Slotted } from './slot-table.ts'

/** One publish that agent-in took off the broker and that somebody has to settle. Plain data: Node-RED clones messages. */
export interface Delivery {
  id: string
  clientId: string
  username: string | undefined
  qos: 0 | 1 | 2
  retain: boolean
  /** UTC ms. */
  receivedAt: number
  /** Names the bridge over which it came. */
  origin?: string
  /** It came from a broker that runs elsewhere, which does not say who published it. */
  elsewhere?: true
  /** That broker said so of its client, to each of its workers: it is news for one of them. */
  observed?: true
  /** Stands for `seq` when the sender gives none: a hash of the payload as it came, or a new number where that carries no timestamp. */
  fingerprint?: number
  /** What its publisher said of it in MQTT 5; absent: nothing. */
  properties?: MessageProperties
}

/** A delivery that nobody settled yet. It has an id of its own: a flow may change the one in `delivery`. */
export interface Unsettled extends Slotted {
  readonly delivery: Delivery
  /** What took it off the broker. */
  readonly owner: object
  /** When it was last sent into the flow, in ms of `performance.now()`. */
  since: number
  /** Bytes of memory that it takes. */
  readonly bytes?: number
  /** How many claims on it are open. */
  claims: number
  /** When a store asked for the first time since when stores have it; UTC ms. */
  takenAt?: number
  /** The last claim on it since it was last sent into the flow. */
  last?: Claim | undefined
  /** Ends it: acknowledged, or not when there is an error. */
  end (error?: Error): void
}

const unsettled = new SlotTable<Unsettled>(randomBytes(6).toString('hex'))

/** An id that no other delivery has, of this process or another: for one that needs no settling. */
export function nextDeliveryId (): string {
  return unsettled.nextId()
}

/** Remember a delivery until it is settled, under an id that it gets here. */
export function addUnsettled (entry: Unsettled): void {
  entry.delivery.id = unsettled.add(entry)
}

/** The deliveries that `owner` took and nobody settled, in the order in which they came. */
export function unsettledOf (owner: object): Unsettled[] {
  return unsettled.filter(entry => entry.owner === owner)
}

/** End a delivery that may have ended before: only the first time counts. */
export function endDelivery (entry: Unsettled, error?: Error): void {
  if (unsettled.delete(entry)) entry.end(error)
}

/** A store's claim on a delivery; one of its methods is to be called, once. */
export class Claim {
  readonly delivery: Delivery
  /** The claim before: a flow may make several messages of one. */
  readonly #before: Claim | undefined
  #store = ''
  #metrics: Metric[] = []
  #entry: Unsettled | undefined

  constructor (entry: Unsettled) {
    this.delivery = entry.delivery
    this.#before = entry.last
    entry.last = this
    this.#entry = entry
    entry.claims++
  }

  /** Bytes of memory that the delivery takes; undefined once the claim is closed. */
  get bytes (): number | undefined { return this.#entry?.bytes }

  /** Since when stores have the delivery, UTC ms by the clock of then: now, if none asked before, in this claim or an earlier one. */
  get takenAt (): number {
    if (this.#entry === undefined) return Date.now()
    return this.#entry.takenAt ??= Date.now()
  }

  /**
   * Say which metrics the claim is for; once for each claim.
   * @returns how many messages of this delivery the store had before that have a metric of the same type
   */
  countSame (store: string, metrics: Metric[]): number {
    this.#store = store
    this.#metrics = metrics
    let count = 0
    for (let other = this.#before; other !== undefined; other = other.#before) {
      if (other.#store === store && other.#metrics.some(({ type }) => metrics.some(metric => metric.type === type))) count++
    }
    return count
  }

  /** The delivery is stored, or failed. It ends when all claims on it are settled, or one of them failed. */
  settle (error?: Error): void {
    const entry = this.#close()
    if (entry !== undefined && (error !== undefined || entry.claims === 0)) endDelivery(entry, error)
  }

  /** Give the delivery back unstored: it is sent into the flow again. */
  release (): void {
    const entry = this.#close()
    if (entry !== undefined) entry.since = performance.now()
  }

  #close (): Unsettled | undefined {
    const entry = this.#entry
    this.#entry = undefined
    if (entry !== undefined) entry.claims--
    return entry
  }
}

/** Claim a delivery; undefined when it is unknown or settled already. */
export function claimDelivery (id: unknown): Claim | undefined {
  const entry = find(id)
  return entry && new Claim(entry)
}

/** By agent, when the last message was stored that belonged to no delivery any more, in ms of `performance.now()`. */
const strays = new RecentMap<number>(1_000)

/** A message was stored that names no delivery as its own. */
export function strayStored (uuid: string): void {
  strays.set(uuid, performance.now())
}

/** Whether a message of the agent was stored since then that belonged to no delivery. */
export function hasStrayed (uuid: string, since: number): boolean {
  return (strays.get(uuid) ?? Number.NEGATIVE_INFINITY) >= since
}

/**
 * The origin that subscribers in this process receive with a message: the bridge that brought it, or its client.
 * @param carried what the message says of its delivery, which may be settled already; absent: known by its id while it is not
 */
export function originOf (carried: Partial<Delivery> | undefined, id: unknown): string | undefined {
  const { origin, clientId } = carried ?? find(id)?.delivery ?? {}
  return origin ?? (clientId === undefined ? undefined : clientOrigin(clientId))
}

function find (id: unknown): Unsettled | undefined {
  return typeof id === 'string' ? unsettled.get(id) : undefined
}
