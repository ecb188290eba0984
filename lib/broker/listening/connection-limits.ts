import type { Limits } from '../limits.ts'
import { networkOf } from '../network-address.ts'

/** The most addresses whose rate is remembered. Those of the current second are never forgotten to make room. */
const mostAddresses = 50_000

interface Address {
  open: number
  /** Connections in the second that began at `since` (ms). */
  recent: number
  since: number
}

/** Why a connection is not let in: the name of the limit. */
export type ConnectionRefusal = 'connections' | 'connectionsPerAddress' | 'connectionRate'

/**
 * Limits connections in all, per address and per second, as soon as there is a socket: before any byte is read or a handshake made. The
 * address of an IPv6 client is its whole /64.
 */
export class ConnectionLimits {
  limits: Limits
  #now: () => number
  #open = 0
  /** When it last looked for addresses to forget, which means looking at all of them. */
  #forgotAt = -Infinity
  #addresses = new Map<string, Address>()

  /** @param now ms */
  constructor (limits: Limits, now: () => number = () => performance.now()) {
    this.limits = limits
    this.#now = now
  }

  /** Connections that were let in and have not left. */
  get open (): number { return this.#open }

  /** Let a connection in, or say why not. One that was let in has to `leave`, once. */
  enter (address: string): ConnectionRefusal | undefined {
    const now = this.#now()
    const from = this.#find(networkOf(address), now)
    if (from === undefined) return 'connectionRate'
    if (now - from.since >= 1000) {
      from.since = now
      from.recent = 0
    }
    const { connections, connectionsPerAddress, connectionRate } = this.limits
    if (connectionRate > 0 && from.recent >= connectionRate) return 'connectionRate'
    from.recent++
    if (connections > 0 && this.#open >= connections) return 'connections'
    if (connectionsPerAddress > 0 && from.open >= connectionsPerAddress) return 'connectionsPerAddress'
    this.#open++
    from.open++
    return undefined
  }

  leave (address: string): void {
    this.#open--
    const network = networkOf(address)
    const from = this.#addresses.get(network)
    if (from !== undefined && --from.open === 0 && this.#now() - from.since >= 1000) this.#addresses.delete(network)
  }

  /** @returns undefined: more addresses came in this second than are remembered */
  #find (network: string, now: number): Address | undefined {
    let from = this.#addresses.get(network)
    if (from === undefined) {
      if (this.#addresses.size >= mostAddresses) this.#forget(now)
      if (this.#addresses.size >= mostAddresses + this.#open) return undefined
      from = { open: 0, recent: 0, since: now }
      this.#addresses.set(network, from)
    }
    return from
  }

  #forget (now: number): void {
    if (now - this.#forgotAt < 100) return
    this.#forgotAt = now
    for (const [network, { open, since }] of this.#addresses) if (open === 0 && now - since >= 1000) this.#addresses.delete(network)
  }
}
