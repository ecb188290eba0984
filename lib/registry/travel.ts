/** ms after which a message is no longer waited for: most likely the flow keeps or drops it. */
const longest = 5_000
/** The least ms that a late message counts: on a busy machine the next one may be late as well. */
const least = 10
/** ms between two messages that are watched. */
const watchEvery = 100

/** A message that is watched on its way. */
export interface Watched {
  readonly travel: Travel
  readonly sentAt: number
  /** It had not arrived when its turns were over. */
  late: boolean
  /** ms until it arrived, the last time if several times; 0 when it was not late; undefined: it has not arrived. */
  took: number | undefined
}

const watched = new Map<string, Watched>()

/** How long messages of an outbox take to an agent-out. Only a few messages are watched: watching all of them would cost throughput. */
export class Travel {
  #ms = 0
  #next = 0

  /** 0: no longer than a few turns of the event loop. */
  get ms (): number { return this.#ms }

  /** A message was sent. @returns it, when it is one that is watched */
  sent (id: unknown): Watched | undefined {
    const now = performance.now()
    if (now < this.#next || typeof id !== 'string') return undefined
    this.#next = now + watchEvery
    for (const [id, message] of watched) {
      if (message.sentAt > now - longest) break
      watched.delete(id)
      message.travel.#judge(message)
    }
    const message: Watched = { travel: this, sentAt: now, late: false, took: undefined }
    watched.set(id, message)
    return message
  }

  arrived (message: Watched): void {
    const took = message.late ? Math.max(performance.now() - message.sentAt, least) : 0
    if (took > longest) return
    message.took = took
    if (took > this.#ms) this.#ms = took
  }

  /** What is on its way will not arrive, or will arrive later than usual. */
  interrupt (): void {
    for (const [id, { travel }] of watched) if (travel === this) watched.delete(id)
  }

  /** Faster messages bring the time down, slowly. */
  #judge ({ took = this.#ms }: Watched): void {
    if (took >= this.#ms) return
    const ms = (this.#ms + took) / 2
    this.#ms = ms < 1 ? 0 : ms
  }
}

/** A message is at an agent-out. */
export function messageArrived (id: unknown): void {
  const message = watched.get(id as string)
  if (message !== undefined) message.travel.arrived(message)
}
