import type { PublishPacket } from 'aedes'

/** Called with the outcome of a message: it is where it belongs, or an error. */
type Ended = (error?: Error | null) => void

/**
 * The messages of QoS 1 of one connection that are on their way in. Some devices, such as those with Espressif's library, send a message
 * each second until it is acknowledged, over the same connection: those are no further messages.
 */
export class Unacknowledged {
  /** As they came. They usually end in this order, so that each is found at once: every message that is stored comes by here. */
  readonly #open: PublishPacket[] = []
  #copies: Map<PublishPacket, Ended[]> | undefined

  /**
   * A message came, for the first time or again.
   * @param ended is called with the outcome of the first one if this is a copy
   * @returns whether it is a copy of one that is still on its way
   */
  isCopy (packet: PublishPacket, ended: Ended): boolean {
    const first = packet.dup ? this.#firstOf(packet) : undefined
    if (first === undefined) {
      this.#open.push(packet)
      return false
    }
    this.#copies ??= new Map()
    const copies = this.#copies.get(first)
    if (copies === undefined) this.#copies.set(first, [ended])
    else copies.push(ended)
    return true
  }

  /** A message is where it belongs, or failed. */
  ended (packet: PublishPacket, error?: Error | null): void {
    const at = this.#open.indexOf(packet)
    if (at === 0) this.#open.shift()
    else if (at > 0) this.#open.splice(at, 1)
    const copies = this.#copies?.get(packet)
    if (copies === undefined) return
    this.#copies?.delete(packet)
    for (const copy of copies) copy(error)
  }

  /** A device may use an id again, for another message, before it has the acknowledgement of the first. */
  #firstOf ({ messageId, payload }: PublishPacket): PublishPacket | undefined {
    const last = this.#open.findLast(other => other.messageId === messageId)
    return last !== undefined && Buffer.from(last.payload).equals(Buffer.from(payload)) ? last : undefined
  }
}
