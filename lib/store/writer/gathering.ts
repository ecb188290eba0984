/** A message that may wait for others to share its commit. */
export interface Gathered {
  /** The memory that it takes. */
  bytes: number
  /** Of whom it came; empty: of no client. */
  clientId: string
  /** When it has waited long enough, in ms of `performance.now()`. */
  dueAt: number
}

/** Messages that are enough to end a wait: of one client as many as careful ones have under way, so that none stands still; and bytes of memory. */
const enoughOfClient = 10
const enoughBytes = 1_000_000

/** Says for how long messages wait so that others share their commit. */
export class Gathering {
  /** ms that a message waits at the most; 0: none does. */
  readonly most: number
  #ofClient = new Map<string, number>()
  #messages = 0
  #bytes = 0
  #isEnough = false

  constructor (most: number) {
    this.most = most
  }

  /** A message came. @param batch most messages in the next commit */
  add ({ clientId, bytes }: Gathered, batch: number): void {
    if (this.most === 0) return
    const count = (this.#ofClient.get(clientId) ?? 0) + 1
    this.#ofClient.set(clientId, count)
    this.#messages++
    this.#bytes += bytes
    this.#isEnough ||= count >= enoughOfClient || this.#messages >= batch || this.#bytes >= enoughBytes
  }

  /** Some were committed, or went another way. */
  clear (): void {
    this.#ofClient.clear()
    this.#messages = 0
    this.#bytes = 0
    this.#isEnough = false
  }

  /** ms that a message, the oldest, may still wait. */
  rest ({ dueAt }: Gathered): number {
    return this.most === 0 || this.#isEnough ? 0 : Math.max(0, dueAt - performance.now())
  }
}
