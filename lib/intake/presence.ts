import type { Connection } from '../broker/broker.ts'
import { Recent } from '../recent.ts'

/** Agents said to be disconnected that are remembered of one user, or of all anonymous clients, so that a second goodbye is known as one. */
const mostRemembered = 10_000

/**
 * Which agents are connected, and through which connection. An agent is from its first message or `agent/connected`
 * until it says goodbye, its last will does, or its connection goes: whichever is first, and only that one counts.
 */
export class Presence {
  #owner = new Map<string, Connection>()
  #agents = new Map<Connection, Set<string>>()
  /** Of the anonymous connections that have agents: how many they are, and their agents. */
  #anonymous = { connections: 0, agents: 0 }
  /** By the user whose connection it was, so that none pushes out another's. */
  #left = new Map<string | undefined, Recent<true>>()

  /** How many agents are connected. */
  get size (): number { return this.#owner.size }

  /**
   * Whether an agent may be one more of an anonymous connection's. All of them together have `most`; beyond, each has its share of that,
   * so that none takes the others' places. @param most 0: any number
   */
  hasRoomFor (uuid: string, connection: Connection, most: number): boolean {
    const { connections, agents } = this.#anonymous
    if (most === 0 || agents < most || connection.verified || this.#owner.has(uuid)) return true
    const own = this.#agents.get(connection)?.size ?? 0
    return own === 0 || own < most / connections
  }

  /** An agent spoke. What it said through a connection that went meanwhile takes it from no other. @returns whether it was not known to be here */
  heard (uuid: string, connection: Connection): boolean {
    const owner = this.#owner.get(uuid)
    if (owner === connection || (owner !== undefined && connection.gone)) return false
    if (owner !== undefined) this.#disown(uuid, owner)
    this.#left.get(userOf(connection))?.delete(uuid)
    this.#owner.set(uuid, connection)
    const agents = this.#agents.get(connection)
    if (agents === undefined) this.#agents.set(connection, new Set([uuid]))
    else agents.add(uuid)
    this.#count(connection, agents === undefined ? 1 : 0, 1)
    return owner === undefined
  }

  /** Somebody says that an agent went. @returns whether that is news */
  saysGoodbye (uuid: string, connection: Connection | undefined, will: boolean): boolean {
    const owner = this.#owner.get(uuid)
    // An agent that came back through another connection is not gone because the old one's will says so, or what still came of the old one.
    if (will && owner !== connection) return false
    if (owner !== undefined && owner !== connection && connection?.gone === true) return false
    if (owner === undefined && this.#left.get(userOf(connection))?.get(uuid) === true) return false
    if (owner !== undefined) this.#disown(uuid, owner)
    this.#owner.delete(uuid)
    this.#remember(uuid, connection)
    return true
  }

  /** A connection went. @returns the agents that went with it */
  gone (connection: Connection): string[] {
    const agents = [...this.#agents.get(connection) ?? []]
    if (this.#agents.delete(connection)) this.#count(connection, -1, -agents.length)
    for (const uuid of agents) {
      this.#owner.delete(uuid)
      this.#remember(uuid, connection)
    }
    return agents
  }

  #disown (uuid: string, owner: Connection): void {
    const agents = this.#agents.get(owner)
    if (agents?.delete(uuid) !== true) return
    if (agents.size === 0) this.#agents.delete(owner)
    this.#count(owner, agents.size === 0 ? -1 : 0, -1)
  }

  #count ({ verified }: Connection, connections: number, agents: number): void {
    if (verified) return
    this.#anonymous.connections += connections
    this.#anonymous.agents += agents
  }

  #remember (uuid: string, connection: Connection | undefined): void {
    const user = userOf(connection)
    let left = this.#left.get(user)
    if (left === undefined) this.#left.set(user, left = new Recent(mostRemembered))
    left.set(uuid, true)
  }
}

function userOf (connection: Connection | undefined): string | undefined {
  return connection?.verified === true ? connection.username : undefined
}
