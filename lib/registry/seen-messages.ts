import type { Delivered } from '../broker/publication.ts'
import type { BrokerSlot } from './broker-slot.ts'

type WatchedBroker = Pick<BrokerSlot, 'subscribe' | 'retained'>

/** Topics of which the last message is kept, and bytes that it may have. */
const mostTopics = 50
const mostBytes = 4_096
/** ms after the last look until nothing is kept any more. */
const watchedFor = 60_000
/** ms that the first look waits for retained messages. */
const patience = 1_000

/** The last message on a topic. */
export interface SeenMessage {
  topic: string
  /** Undefined: it is longer than what is kept. */
  payload: Buffer | undefined
  /** UTC ms. */
  seenAt: number
}

/** What a broker gave its subscribers last, while somebody looks: the last message of each of the last topics. Before that, nothing is kept, and it costs nothing. */
class Watch {
  readonly #messages = new Map<string, SeenMessage>()
  readonly #over: () => void
  readonly #unsubscribe: () => void
  readonly #retained: Promise<void>
  #timer: NodeJS.Timeout | undefined

  constructor (broker: WatchedBroker, over: () => void) {
    this.#over = over
    this.#unsubscribe = broker.subscribe('#', message => { this.#add(message) })
    this.#retained = this.#readRetained(broker)
  }

  /** Oldest first. */
  async look (): Promise<SeenMessage[]> {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => { this.close() }, watchedFor).unref()
    await this.#retained
    return [...this.#messages.values()]
  }

  close (): void {
    clearTimeout(this.#timer)
    this.#unsubscribe()
    this.#over()
  }

  async #readRetained (broker: WatchedBroker): Promise<void> {
    try {
      for await (const message of broker.retained(['#'], AbortSignal.timeout(patience))) {
        if (this.#messages.size >= mostTopics) return
        if (!this.#messages.has(message.topic)) this.#add(message)
      }
    } catch {
      // The broker is away: what is published later is seen all the same.
    }
  }

  #add ({ topic, payload }: Delivered): void {
    // What was published last comes last.
    this.#messages.delete(topic)
    // A copy, because a slice would keep all that was read with it.
    this.#messages.set(topic, { topic, payload: payload.length > mostBytes ? undefined : Buffer.from(payload), seenAt: Date.now() })
    for (const first of this.#messages.keys()) {
      if (this.#messages.size <= mostTopics) return
      this.#messages.delete(first)
    }
  }
}

const watches = new Map<string, Watch>()

/** What a broker saw last since somebody looks, oldest first; at the first look it is what it retained. It is kept for a minute after each look. */
export function seenMessages (brokerId: string, broker: WatchedBroker): Promise<SeenMessage[]> {
  let watch = watches.get(brokerId)
  if (watch === undefined) watches.set(brokerId, watch = new Watch(broker, () => { watches.delete(brokerId) }))
  return watch.look()
}

/** Look no more, at any broker. */
export function closeWatches (): void {
  for (const watch of watches.values()) watch.close()
}
