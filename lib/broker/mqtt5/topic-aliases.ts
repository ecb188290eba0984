import { textBytes, type StateShare } from '../state-bytes.ts'

/** Longer topics get no alias: each would be remembered for every client. */
const longestTopic = 1_024
/** About the bytes that one takes beside its topic. */
const bytesOfAlias = 64

/** The topics that a client has given numbers, for as long as it is connected. [MQTT 5, 3.3.2.3.4] */
export class IncomingAliases {
  readonly #most: number
  #topics: Array<string | undefined> | undefined

  /** @param most of them, that CONNACK allowed */
  constructor (most: number) {
    this.#most = most
  }

  /** Bytes that it takes more to remember a topic for an alias; none if the topic is empty. */
  bytesFor (topic: string, alias: number): number {
    return topic === '' || alias > this.#most ? 0 : textBytes(topic) - textBytes(this.#topics?.[alias])
  }

  /** @returns the topic that a PUBLISH with an alias is about; undefined: the alias is above the most, or means no topic yet */
  resolve (topic: string, alias: number): string | undefined {
    if (alias < 1 || alias > this.#most) return undefined
    if (topic === '') return this.#topics?.[alias]
    return (this.#topics ??= [])[alias] = topic
  }
}

/** Gives numbers to the first topics that are sent to a client. None is taken back: a topic that comes once would cost more than it saves. */
export class OutgoingAliases {
  readonly #most: number
  readonly #kept: () => StateShare | undefined
  #numbers: Map<string, number> | undefined

  /**
   * @param most of them, that the client understands and this broker remembers
   * @param kept counts their bytes, where strangers choose them; it is asked for when there is one to count
   */
  constructor (most: number, kept: () => StateShare | undefined = () => undefined) {
    this.#most = most
    this.#kept = kept
  }

  /** @returns the alias, and whether the client was told of it; undefined: the topic has none */
  of (topic: string): { alias: number, known: boolean } | undefined {
    const alias = this.#numbers?.get(topic)
    if (alias !== undefined) return { alias, known: true }
    const next = (this.#numbers?.size ?? 0) + 1
    if (next > this.#most || topic.length > longestTopic || this.#kept()?.hasRoomFor(bytesOf(topic)) === false) return undefined
    return { alias: next, known: false }
  }

  /** A message tells the client of the alias that `of` just gave. */
  told (topic: string, alias: number): void {
    (this.#numbers ??= new Map()).set(topic, alias)
    this.#kept()?.add(bytesOf(topic))
  }
}

function bytesOf (topic: string): number {
  return textBytes(topic) + bytesOfAlias
}
