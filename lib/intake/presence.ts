import type { Connection, Publisher } from '../broker/publication.ts'
import { RecentMap } from '../recent-map.ts'

/** Disconnected agents that are remembered of one user, or of all anonymous clients, so that a second goodbye is recognised. */
const mostRemembered = 10_000

/**
 * Which agents are connected, and through which connection. An agent is connected from its first message or `agent/connected`
 * until it says goodbye, its last will does, or its connection ends: whichever is first, and only that one counts.
 */
export class Presence {
  #owner = new Map<string, Connection>()
  #agents = new Map<Connection, Set<string>>()
  /** Of the anonymous connections that have agents: how many they are, and their agents. */
  #anonymous = { connections: 0, agents: 0 }
  /** Disconnected agents, by the user whose connection it was, so that no user pushes out another's. */
  #left = new Map<string | undefined, RecentMap<true>>()

  /** How many agents are connected. */
  get size (): number { return this.#owner.size }

  /**
   * Whether an anonymous connection may have one more agent. All such connections together have `most`; beyond that each has its share,
   * so that none takes the places of the others.
   * @param most 0: any number
   */
  hasRoomFor (uuid: string, connection: Connection, most: number): boolean {
    const { connections, agents } = this.#anonymous
    if (most === 0 || agents < most || connection.verified || this.#owner.has(uuid)) return true
    const own = this.#agents.get(connection)?.size ?? 0
    return own === 0 || own < most / connections
  }

  /** An agent spoke. If that was through a connection that is gone meanwhile, the agent stays with its current one. @returns whether it was not connected before */
  spoke (uuid: string, connection: Connection): boolean {
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

  /**
   * Somebody says that an agent is gone.
   * @param publisher who, where there is no connection: a last will may be published after its own
   * @returns whether that is news
   */
  saysGoodbye (uuid: string, connection: Connection | undefined, will: boolean, publisher: Publisher | undefined = connection): boolean {
    const owner = this.#owner.get(uuid)
    // An agent that came back through another connection is not gone because the will of the old one says so, or a late message of it.
    if (will && owner !== connection) return false
    if (owner !== undefined && owner !== connection && connection?.gone === true) return false
    if (owner === undefined && this.#left.get(userOf(publisher))?.get(uuid) === true) return false
    if (owner !== undefined) this.#disown(uuid, owner)
    this.#owner.delete(uuid)
    this.#remember(uuid, connection)
    return true
  }

  /** Whether agents are connected through a connection. */
  speaksFor (connection: Connection): boolean { return this.#agents.has(connection) }

  /** A connection ended. @returns the agents that are gone with it */
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
    if (left === undefined) this.#left.set(user, left = new RecentMap(mostRemembered))
    left.set(uuid, true)
  }
}

function userOf (connection: Publisher | undefined): string | undefined {
  return connection?.verified === true ? connection.username : undefined
}
