/** Agents whose user is remembered at most; beyond that the one remembered longest is forgotten. */
const mostAgents = 100_000

/** Which user an agent belongs to: the first that proved its name and spoke for the agent. */
export class Owners {
  #owner = new Map<string, string>()

  /**
   * @param uuid of the agent that is spoken for
   * @param username of who speaks, proved
   * @returns whether the agent is that user's
   */
  claim (uuid: string, username: string): boolean {
    const owner = this.#owner.get(uuid)
    if (owner !== undefined) return owner === username
    if (this.#owner.size >= mostAgents) {
      for (const oldest of this.#owner.keys()) {
        this.#owner.delete(oldest)
        break
      }
    }
    this.#owner.set(uuid, username)
    return true
  }
}
