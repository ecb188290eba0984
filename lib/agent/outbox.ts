import type { MessagePayload } from '../messages/schema.ts'

/** A message that the broker has not acknowledged yet. `settled` rejects when it is dropped. */
export interface Pending {
  readonly payload: MessagePayload
  readonly settled: Promise<void>
  settle (error?: Error): void
}

/**
 * Messages that the broker has not acknowledged, in their order and bounded.
 * The first `flying` of them were sent on the current connection.
 */
export class Outbox {
  readonly #capacity: number
  readonly #window: number
  #entries: Pending[] = []
  #flying = 0
  /** How many of the first were sent before, on this connection or an earlier one: the broker may have stored them. */
  #tried = 0
  /** How many are sent one at a time, because the broker hung up and one of them may be why. */
  #careful = 0

  /**
   * @param capacity the most messages that are kept
   * @param window the most messages that are sent and not acknowledged
   */
  constructor (capacity: number, window: number) {
    this.#capacity = capacity
    this.#window = window
  }

  get size (): number {
    return this.#entries.length
  }

  /** Whether the next one may be what the broker hangs up on. */
  get isCareful (): boolean {
    return this.#careful > 0
  }

  /** The oldest that is on its way. */
  get oldest (): Pending | undefined {
    return this.#flying > 0 ? this.#entries[0] : undefined
  }

  get full (): boolean {
    return this.#entries.length >= this.#capacity
  }

  /** Keep a message. Beyond the capacity the oldest that was never sent is taken out, and returned for the caller to settle. */
  add (payload: MessagePayload): { added: Pending, dropped?: Pending } {
    const added = pending(payload)
    this.#entries.push(added)
    if (this.#entries.length <= this.#capacity) return { added }
    const [dropped] = this.#entries.splice(this.#tried, 1)
    return { added, dropped: dropped! }
  }

  /** The next message to send; undefined when none waits or enough are on their way. */
  next (): Pending | undefined {
    if (this.#flying >= (this.#careful > 0 ? 1 : this.#window) || this.#flying >= this.#entries.length) return undefined
    const entry = this.#entries[this.#flying++]
    this.#tried = Math.max(this.#tried, this.#flying)
    return entry
  }

  /** Take out a message that the broker acknowledged or, with an error, refused. */
  acknowledge (entry: Pending, error?: Error): void {
    const index = this.#entries.indexOf(entry)
    if (index < 0) return
    this.#entries.splice(index, 1)
    if (index < this.#flying) this.#flying--
    if (index < this.#tried) this.#tried--
    if (this.#careful > 0) this.#careful--
    entry.settle(error)
  }

  /**
   * The connection is gone: whatever was on its way is to be sent again, before what waits.
   * @param isBlamed whether the broker may have ended it over one of them: each then goes alone
   */
  rewind (isBlamed = false): void {
    if (isBlamed) this.#careful = Math.max(this.#careful, this.#flying)
    this.#flying = 0
  }

  /** Resolves when each message that is here now is acknowledged or dropped. */
  async drained (): Promise<void> {
    await Promise.allSettled(this.#entries.map(entry => entry.settled))
  }

  /** Take everything out, for the caller to settle. */
  clear (): Pending[] {
    const left = this.#entries
    this.#entries = []
    this.#flying = this.#tried = this.#careful = 0
    return left
  }
}

function pending (payload: MessagePayload): Pending {
  let settle!: Pending['settle']
  const settled = new Promise<void>((resolve, reject) => {
    settle = error => { if (error) reject(error); else resolve() }
  })
  // Perhaps nobody waits, and a drop is reported in another way.
  settled.catch(() => {})
  return { payload, settled, settle }
}
