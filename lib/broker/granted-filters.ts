import type { Client } from 'aedes'
import { subscriptionsOf } from './taking-aedes.ts'

/** Bytes of a filter that count as one subscription; a longer one counts as several. */
const bytesPerFilter = 256

/**
 * The filters that a client was granted, from the moment at which it asks: aedes knows those of a session only after the commit,
 * when all others of the packet were asked for as well.
 */
export class GrantedFilters {
  /** With what they count. */
  #costs = new Map<string, number>()
  #sum = 0

  /** @param most 0: no limit */
  hasRoomFor (filter: string, most: number): boolean {
    return most === 0 || this.#costs.has(filter) || this.#sum + costOf(filter) <= most
  }

  add (filter: string): void {
    if (this.#costs.has(filter)) return
    const cost = costOf(filter)
    this.#costs.set(filter, cost)
    this.#sum += cost
  }

  /** The client unsubscribed from filters, some of which it may have subscribed to again since. */
  left (client: Client, filters: string[]): void {
    const still = subscriptionsOf(client)
    for (const filter of filters) {
      if (still[filter] !== undefined) continue
      this.#sum -= this.#costs.get(filter) ?? 0
      this.#costs.delete(filter)
    }
  }
}

function costOf (filter: string): number {
  return Math.ceil(Buffer.byteLength(filter) / bytesPerFilter)
}
