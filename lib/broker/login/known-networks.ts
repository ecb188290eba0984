/** Networks remembered for all users together, as long as that leaves each user more than `leastPerUser`. */
const mostNetworks = 10_000
/** Networks remembered for one user, however many users there are. */
const leastPerUser = 16

/** The networks from which each user got in, with a value for each. Each user has a share of its own, so that none pushes out another's. */
export class KnownNetworks<Value> {
  /** The latest network last. */
  #byUser = new Map<string, Map<string, Value>>()

  /** Whether the user got in from anywhere. */
  knows (username: string): boolean {
    return this.#byUser.has(username)
  }

  get (username: string, network: string): Value | undefined {
    return this.#byUser.get(username)?.get(network)
  }

  set (username: string, network: string, value: Value): void {
    let networks = this.#byUser.get(username)
    if (networks === undefined) this.#byUser.set(username, networks = new Map())
    networks.delete(network)
    networks.set(network, value)
    const most = Math.max(leastPerUser, Math.floor(mostNetworks / this.#byUser.size))
    if (networks.size > most) forgetOldest(networks, Math.max(leastPerUser, Math.floor(most * 7 / 8)))
  }

  delete (username: string, network: string): void {
    this.#byUser.get(username)?.delete(network)
  }

  /** The user does not exist any more. */
  forget (username: string): void {
    this.#byUser.delete(username)
  }
}

/** Many at a time, because a Map passes over everything deleted before on its way to the oldest entry. */
function forgetOldest (networks: Map<string, unknown>, most: number): void {
  for (const network of networks.keys()) {
    if (networks.size <= most) return
    networks.delete(network)
  }
}
