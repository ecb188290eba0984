import { weightOf } from '../../../mqtt/link/packet-properties.ts'
import type { Publication } from '../../publication.ts'

/** A message that the broker gave, until it is acknowledged. */
export interface Entry {
  readonly publication: Publication
  /** 0: there is nothing to acknowledge. Another one when the message is given again on another connection: RabbitMQ counts from 1. */
  packetId: number
  settled: boolean
}

/** Bytes that a message takes beside its payload and its topic. */
const overhead = 500

/** Bytes of memory that a message takes, about. */
export function bytesOf ({ publication }: Entry): number {
  const { payload, topic, properties } = publication
  return payload.length + topic.length + (properties === undefined ? 0 : weightOf(properties)) + overhead
}

/**
 * Messages of one connection in the order of their receipt, which is the order in which they have to be acknowledged [MQTT-4.6.0-2]. A plain
 * array with a moving beginning: there are as many of them as messages, and nothing is looked for but what comes a second time.
 */
export class InFlight {
  /** What is over leaves its place at once: it may have megabytes. */
  #entries: Array<Entry | undefined> = []
  #first = 0
  #bytes = 0

  /** How many are not acknowledged yet. */
  get size (): number { return this.#entries.length - this.#first }
  get bytes (): number { return this.#bytes }

  add (entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += bytesOf(entry)
  }

  /** Let go of what is settled, as far as nothing before it is not. @param acknowledge called with the packet id of each message of QoS 1 */
  takeSettled (acknowledge: (packetId: number) => void): void {
    while (this.#entries[this.#first]?.settled === true) {
      const { packetId } = this.#shift()
      if (packetId > 0) acknowledge(packetId)
    }
    // The part that is over is cut off now and then: cutting off one at a time would move all the others each time.
    if (this.#first < 1_000 || this.#first * 2 < this.#entries.length) return
    this.#entries.splice(0, this.#first)
    this.#first = 0
  }

  /** Whether a message of this packet id is in flight: a broker such as NATS gives it again where it is not acknowledged soon. */
  has (packetId: number): boolean {
    for (let i = this.#first; i < this.#entries.length; i++) if (this.#entries[i]?.packetId === packetId) return true
    return false
  }

  /**
   * Take over what a connection left that may be acknowledged on the next one.
   * @param most how many are kept in all: what a broker gives up, such as because it expired, never comes again
   */
  absorb (other: InFlight, most: number): void {
    for (let i = other.#first; i < other.#entries.length; i++) {
      const entry = other.#entries[i] as Entry
      if (entry.packetId > 0) this.add(entry)
    }
    while (this.size > most) this.#shift()
  }

  /** Take out the message that is given again on the next connection, under whatever packet id. @returns undefined: it is not here */
  take (topic: string, payload: Buffer): Entry | undefined {
    for (let i = this.#first; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      const { publication } = entry
      if (publication.topic !== topic || !publication.payload.equals(payload)) continue
      // Messages come in the order in which they came before, so this is most often the first.
      if (i === this.#first) return this.#shift()
      this.#bytes -= bytesOf(entry)
      this.#entries.splice(i, 1)
      return entry
    }
    return undefined
  }

  /** Take out the first one. */
  #shift (): Entry {
    const entry = this.#entries[this.#first] as Entry
    this.#entries[this.#first++] = undefined
    this.#bytes -= bytesOf(entry)
    return entry
  }
}
