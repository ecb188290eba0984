import type { Publication } from '../publication.ts'

/** A message that the broker gave, until it is acknowledged. */
export interface Entry {
  readonly publication: Publication
  /** 0: there is nothing to acknowledge. */
  readonly packetId: number
  settled: boolean
}

/** Bytes that a message takes beside its payload. */
const overhead = 500

/**
 * Messages of one connection in the order of their receipt, which is the order in which they have to be acknowledged [MQTT-4.6.0-2]. A plain
 * array with a moving beginning: there are as many of them as messages, and nothing is looked for but what comes a second time.
 */
export class InFlight {
  #entries: Entry[] = []
  #first = 0
  #bytes = 0

  /** How many are not acknowledged yet. */
  get size (): number { return this.#entries.length - this.#first }
  get bytes (): number { return this.#bytes }

  add (entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += entry.publication.payload.length + overhead
  }

  /** Let go of what is settled, as far as nothing before it is not. @param acknowledge called with the packet id of each message of QoS 1 */
  takeSettled (acknowledge: (packetId: number) => void): void {
    while (this.#entries[this.#first]?.settled === true) {
      const { packetId, publication } = this.#entries[this.#first++] as Entry
      this.#bytes -= publication.payload.length + overhead
      if (packetId > 0) acknowledge(packetId)
    }
    // The part that is over is cut off now and then: cutting off one at a time would move all the others each time.
    if (this.#first < 1_000 || this.#first * 2 < this.#entries.length) return
    this.#entries.splice(0, this.#first)
    this.#first = 0
  }

  /** Take over what another connection of the session left, where there is nothing newer of the same packet id. */
  absorb (other: InFlight): void {
    const newer = new Set(other.#entries.map(({ packetId }) => packetId))
    this.#entries = [...this.#entries.filter(({ packetId }) => !newer.has(packetId)), ...other.#entries.slice(other.#first)].filter(({ packetId }) => packetId > 0)
    this.#first = 0
    this.#bytes = this.#entries.reduce((bytes, { publication }) => bytes + publication.payload.length + overhead, 0)
  }

  /** Take out the message that is given again on a new connection of the same session. @returns undefined: it is not here */
  take (packetId: number, topic: string, payload: Buffer): Entry | undefined {
    for (let i = this.#first; i < this.#entries.length; i++) {
      const { packetId: id, publication } = this.#entries[i] as Entry
      if (id !== packetId || publication.topic !== topic || !publication.payload.equals(payload)) continue
      this.#bytes -= payload.length + overhead
      return this.#entries.splice(i, 1)[0]
    }
    return undefined
  }
}
