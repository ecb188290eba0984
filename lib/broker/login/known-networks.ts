/** Networks that are remembered of all users together, as long as that is more than `leastPerUser` for each. */
const mostNetworks = 10_000
/** Networks that are remembered of one user, however many users there are. */
const leastPerUser = 16

/** From which networks each user got in, and a value for each. Each user has a share of its own, so that none pushes out another's. */
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
    for (const first of networks.keys()) {
      if (networks.size <= most) break
      networks.delete(first)
    }
  }

  delete (username: string, network: string): void {
    this.#byUser.get(username)?.delete(network)
  }

  /** The user does not exist any more. */
  forget (username: string): void {
    this.#byUser.delete(username)
  }
}
