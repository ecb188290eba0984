import type { MessageProperties } from '../mqtt/message-properties.ts'
import { weightOf } from '../mqtt/link/packet-properties.ts'

/** A message that the other broker has not acknowledged yet. */
export interface Unsent {
  /** As the other broker is to get it. */
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  retain: boolean
  /** Without the expiry. */
  properties?: MessageProperties
  /** When it is no longer worth sending, in UTC ms; absent: never. */
  expiresAt?: number
}

/** Messages for the other broker in their order, bounded in number and bytes. The first few of them are on their way. */
export class BridgeBuffer {
  readonly #limits: { messages: number, bytes: number }
  #window: number
  readonly #flying = new Set<Unsent>()
  #waiting: Array<Unsent | undefined> = []
  /** Where `#waiting` begins: taking from the front of a long array would move all of it. */
  #head = 0
  #bytes = 0

  /** @param window the most messages that are on their way */
  constructor (limits: { messages: number, bytes: number }, window: number) {
    this.#limits = limits
    this.#window = window
  }

  /** The most messages that are on their way from now on. */
  set window (window: number) {
    this.#window = window
  }

  get size (): number {
    return this.#flying.size + this.#waiting.length - this.#head
  }

  get bytes (): number {
    return this.#bytes
  }

  /** @returns false: it is full, and the message was not taken */
  add (message: Unsent): boolean {
    const bytes = this.#bytes + sizeOf(message)
    if (this.size >= this.#limits.messages || bytes > this.#limits.bytes) return false
    this.#bytes = bytes
    this.#waiting.push(message)
    return true
  }

  /** The next message to send; undefined when none waits or enough are on their way. */
  take (): Unsent | undefined {
    if (this.#flying.size >= this.#window) return undefined
    const message = this.#waiting[this.#head]
    if (message === undefined) return undefined
    this.#waiting[this.#head++] = undefined
    if (this.#head === this.#waiting.length || this.#head === 1024) {
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
    this.#flying.add(message)
    return message
  }

  /** The other broker acknowledged it, or it is not to be sent again. */
  remove (message: Unsent): void {
    if (this.#flying.delete(message)) this.#bytes -= sizeOf(message)
  }

  /** It could not be sent: it is the next to be sent. */
  putBack (message: Unsent): void {
    if (!this.#flying.delete(message)) return
    this.#waiting.splice(this.#head, 0, message)
  }

  /** Put what another buffer held before everything that waits, even beyond the limits: it was accepted once. */
  prepend (messages: Unsent[]): void {
    this.#waiting = [...messages, ...this.#waiting.slice(this.#head)]
    this.#head = 0
    for (const message of messages) this.#bytes += sizeOf(message)
  }

  /** Everything, in its order. */
  all (): Unsent[] {
    return [...this.#flying, ...this.#waiting.slice(this.#head) as Unsent[]]
  }
}

function sizeOf ({ topic, payload, properties }: Unsent): number {
  return topic.length + payload.length + (properties === undefined ? 0 : weightOf(properties))
}
