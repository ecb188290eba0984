import { randomBytes } from 'node:crypto'
import { clientOrigin } from '../broker/origin.ts'
import type { Metric } from '../messages/schema.ts'

/** One publish that agent-in took off the broker and that somebody must settle. Plain data: Node-RED clones messages. */
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
  /** Stands for `seq` when the sender gives none: of the payload as it came, or a number of its own where that carries no timestamp. */
  fingerprint?: number
}

/** A delivery that nobody settled yet. */
export interface Unsettled {
  readonly delivery: Delivery
  /** Who took it off the broker. */
  readonly owner: object
  /** When it was last given to somebody, in ms of `performance.now()`. */
  since: number
  /** Memory that it takes. */
  readonly bytes?: number
  /** How many stores have it in their hands. */
  holds: number
  /** The last claim on it, since it was last given to somebody. */
  last?: Claim | undefined
  /** Ends it: acknowledged, or not when there is an error. */
  end (error?: Error): void
}

const prefix = randomBytes(6).toString('hex')
let counter = 0

// Plain arrays whose places are used again. A Map for what comes and goes thousands of times a second outgrows its
// storage every few hundred entries, and each storage left behind keeps young objects alive until the next full
// garbage collection: measured, twice the memory.
const places: Array<Unsettled | undefined> = []
const free: number[] = []

/** An id that no other delivery has, of this process or another: for one that needs no settling. */
export function nextDeliveryId (): string {
  return `${prefix}-${++counter}`
}

/** Remember a delivery until it is settled, under an id that it gets here. */
export function addUnsettled (entry: Unsettled): void {
  const place = free.pop() ?? places.push(undefined) - 1
  entry.delivery.id = `${prefix}-${++counter}-${place}`
  places[place] = entry
}

/** The deliveries that `owner` took and nobody settled, in the order in which they came. */
export function unsettledOf (owner: object): Unsettled[] {
  const numberOf = ({ delivery }: Unsettled): number => Number(delivery.id.split('-')[1])
  return places.filter(entry => entry?.owner === owner).sort((a, b) => numberOf(a as Unsettled) - numberOf(b as Unsettled)) as Unsettled[]
}

/** End a delivery that may have ended before: only the first time counts. */
export function endDelivery (entry: Unsettled, error?: Error): void {
  const place = placeOf(entry.delivery.id)
  if (places[place] !== entry) return
  places[place] = undefined
  free.push(place)
  entry.end(error)
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
    entry.holds++
  }

  /** Memory that the delivery takes. */
  get bytes (): number | undefined { return this.#entry?.bytes }

  /**
   * Say what it is for. Once for each claim.
   * @returns how many messages the store had of the delivery before that have a metric of the same type
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

  /** Say that the delivery is stored, or failed. It ends when each of its holders said so, or one said that it failed. */
  settle (error?: Error): void {
    const entry = this.#letGo()
    if (entry !== undefined && (error !== undefined || entry.holds === 0)) endDelivery(entry, error)
  }

  /** Give it back unstored: it is sent into the flow again. */
  release (): void {
    const entry = this.#letGo()
    if (entry !== undefined) entry.since = performance.now()
  }

  #letGo (): Unsettled | undefined {
    const entry = this.#entry
    this.#entry = undefined
    if (entry !== undefined) entry.holds--
    return entry
  }
}

/** Claim a delivery; undefined when it is unknown or settled already. */
export function claimDelivery (id: unknown): Claim | undefined {
  const entry = find(id)
  return entry && new Claim(entry)
}

/** Agents of whom a message was stored that was no delivery any more, and when in ms of `performance.now()`. */
const strays = new Map<string, number>()
const mostStrays = 1_000

/** A message was stored that says of no delivery that it is its. */
export function strayStored (uuid: string): void {
  if (strays.size >= mostStrays) strays.clear()
  strays.set(uuid, performance.now())
}

/** Whether one of the agent's messages was stored as no delivery since then. */
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
  const entry = typeof id === 'string' ? places[placeOf(id)] : undefined
  return entry?.delivery.id === id ? entry : undefined
}

function placeOf (id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1))
}
