import { randomBytes } from 'node:crypto'

/** One publish that agent-in took off the broker and that somebody must settle. Plain data: Node-RED clones messages. */
export interface Delivery {
  id: string
  clientId: string
  username: string | undefined
  qos: 0 | 1 | 2
  retain: boolean
  /** UTC ms. */
  receivedAt: number
}

/** A delivery that nobody settled yet. */
export interface Unsettled {
  readonly id: string
  /** When it was last given to somebody, in ms of `performance.now()`. */
  since: number
  /** How many stores have it in their hands. */
  holds: number
  /** Ends it: acknowledged, or not when there is an error. */
  end (error?: Error): void
}

/** A store's claim on a delivery; one of the two is to be called, once. */
export interface Hold {
  /** Say that the delivery is stored, or failed. It ends when each of its holders said so, or one said that it failed. */
  settle (error?: Error): void
  /** Give it back unstored: it is sent into the flow again. */
  release (): void
}

const prefix = randomBytes(6).toString('hex')
const unsettled = new Map<string, Unsettled>()
let counter = 0

/** An id that no other delivery has, of this process or another. */
export function nextDeliveryId (): string {
  return `${prefix}-${++counter}`
}

export function addUnsettled (entry: Unsettled): void {
  unsettled.set(entry.id, entry)
}

/** Claim a delivery; undefined when it is unknown or settled already. */
export function holdDelivery (id: unknown): Hold | undefined {
  const entry = typeof id === 'string' ? unsettled.get(id) : undefined
  if (entry === undefined) return undefined
  entry.holds++
  let used = false
  const once = (work: () => void) => () => {
    if (used) return
    used = true
    entry.holds--
    work()
  }
  return {
    settle: error => { once(() => { if (error !== undefined || entry.holds === 0) endDelivery(entry, error) })() },
    release: once(() => { entry.since = performance.now() })
  }
}

/** End a delivery that may have ended before: only the first time counts. */
export function endDelivery (entry: Unsettled, error?: Error): void {
  if (unsettled.delete(entry.id)) entry.end(error)
}
