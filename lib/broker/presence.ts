import type { Connection } from './broker.ts'

/** Agents said to be disconnected that are remembered of one user, or of all anonymous clients, so that a second goodbye is known as one. */
const mostRemembered = 10_000

/**
 * Which agents are connected, and through which connection. An agent is from its first message or `agent/connected`
 * until it says goodbye, its last will does, or its connection goes: whichever is first, and only that one counts.
 */
export class Presence {
  #owner = new Map<string, Connection>()
  #agents = new Map<Connection, Set<string>>()
  /** By the user whose connection it was, so that none pushes out another's. */
  #left = new Map<string | undefined, Set<string>>()

  /** How many agents are connected. */
  get size (): number { return this.#owner.size }

  /** An agent spoke. What it said through a connection that went meanwhile takes it from no other. */
  heard (uuid: string, connection: Connection): void {
    const owner = this.#owner.get(uuid)
    if (owner === connection || (owner !== undefined && connection.gone)) return
    if (owner !== undefined) this.#disown(uuid, owner)
    this.#left.get(userOf(connection))?.delete(uuid)
    this.#owner.set(uuid, connection)
    const agents = this.#agents.get(connection)
    if (agents === undefined) this.#agents.set(connection, new Set([uuid]))
    else agents.add(uuid)
  }

  /** Somebody says that an agent went. @returns whether that is news */
  saysGoodbye (uuid: string, connection: Connection | undefined, will: boolean): boolean {
    const owner = this.#owner.get(uuid)
    // An agent that came back through another connection is not gone because the old one's will says so, or what still came of the old one.
    if (will && owner !== connection) return false
    if (owner !== undefined && owner !== connection && connection?.gone === true) return false
    if (owner === undefined && this.#left.get(userOf(connection))?.has(uuid) === true) return false
    if (owner !== undefined) this.#disown(uuid, owner)
    this.#owner.delete(uuid)
    this.#remember(uuid, connection)
    return true
  }

  /** A connection went. @returns the agents that went with it */
  gone (connection: Connection): string[] {
    const agents = [...this.#agents.get(connection) ?? []]
    this.#agents.delete(connection)
    for (const uuid of agents) {
      this.#owner.delete(uuid)
      this.#remember(uuid, connection)
    }
    return agents
  }

  #disown (uuid: string, owner: Connection): void {
    const agents = this.#agents.get(owner)
    agents?.delete(uuid)
    if (agents?.size === 0) this.#agents.delete(owner)
  }

  #remember (uuid: string, connection: Connection | undefined): void {
    const user = userOf(connection)
    let left = this.#left.get(user)
    if (left === undefined) this.#left.set(user, left = new Set())
    left.add(uuid)
    if (left.size <= mostRemembered) return
    for (const oldest of left) {
      left.delete(oldest)
      return
    }
  }
}

function userOf (connection: Connection | undefined): string | undefined {
  return connection?.verified === true ? connection.username : undefined
}
