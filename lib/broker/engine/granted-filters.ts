import type { Client } from 'aedes'
import { subscriptionsOf } from '../aedes/routing-aedes.ts'
import { filterBytes, type StateShare } from '../state-bytes.ts'

/** Bytes of a filter that count as one subscription; a longer filter counts as several. */
const bytesPerFilter = 256

/**
 * The filters that a client was granted, from the moment it asks: aedes knows a session's filters only after the commit, when all
 * others of the packet have been asked for, too.
 */
export class GrantedFilters {
  /** As how many subscriptions each filter counts. */
  #costs = new Map<string, number>()
  #sum = 0
  readonly #kept: StateShare | undefined

  /** @param kept counts the filters' bytes; undefined: they count with the session */
  constructor (kept: StateShare | undefined) {
    this.#kept = kept
  }

  /** @param most subscriptions; 0: no limit */
  refusal (filter: string, most: number): 'subscriptionsPerClient' | 'stateBytes' | undefined {
    if (this.#costs.has(filter)) return undefined
    if (most > 0 && this.#sum + costOf(filter) > most) return 'subscriptionsPerClient'
    return this.#kept?.hasRoomFor(filterBytes(filter)) === false ? 'stateBytes' : undefined
  }

  add (filter: string): void {
    if (this.#costs.has(filter)) return
    const cost = costOf(filter)
    this.#costs.set(filter, cost)
    this.#sum += cost
    this.#kept?.add(filterBytes(filter))
  }

  /** The client unsubscribed from filters, some of which it may have subscribed to again since. */
  left (client: Client, filters: string[]): void {
    const still = subscriptionsOf(client)
    for (const filter of filters) {
      const cost = this.#costs.get(filter)
      if (still[filter] !== undefined || cost === undefined) continue
      this.#sum -= cost
      this.#costs.delete(filter)
      this.#kept?.add(-filterBytes(filter))
    }
  }
}

function costOf (filter: string): number {
  return Math.ceil(Buffer.byteLength(filter) / bytesPerFilter)
}
