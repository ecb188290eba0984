import type { Connection, Publisher } from '../broker/publication.ts'
import { RecentMap } from '../recent-map.ts'

/** Disconnected agents that are remembered of one user, or of all anonymous clients, so that a second goodbye is recognised. */
const mostRemembered = 10_000
/** Connections of one user, or of all anonymous clients, that have ended and are awaited. */
const mostAwaited = 10_000

/** Connections that have agents, and how many agents they have. */
interface Tally { connections: number, agents: number }

/**
 * Which agents are connected, and through which connection. An agent is connected from its first message or `agent/connected`
 * until it says goodbye, its last will does, or its connection ends: whichever is first, and only that one counts.
 */
export class Presence {
  #owner = new Map<string, Connection>()
  #agents = new Map<Connection, Set<string>>()
  /** Of the anonymous connections that are here. */
  #anonymous: Tally = { connections: 0, agents: 0 }
  /** Connections that have ended and whose agents may be back in time, each with the tally of all such connections of its user. */
  #awaited = new Map<Connection, Tally>()
  #awaitedOf = new Map<string | undefined, Tally>()
  readonly #released: (connection: Connection) => void
  /** Disconnected agents, by the user whose connection it was, so that no user pushes out another's. */
  #left = new Map<string | undefined, RecentMap<true>>()

  /** @param released is called when all agents of a connection that is awaited are elsewhere: then it is not awaited any more */
  constructor (released: (connection: Connection) => void = () => undefined) {
    this.#released = released
  }

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

  /**
   * A connection ended, and its agents stay connected until `gone`, because its client may be back in time. A client says itself how long that is, and
   * may come and go as often as it likes: so they take none of the room of those that are here, and are bounded themselves.
   * @param most agents of one user, or of all anonymous clients together, that are awaited; 0: any number
   * @returns false: it has none, or they would be too many
   */
  awaits (connection: Connection, most: number): boolean {
    const agents = this.#agents.get(connection)?.size ?? 0
    const tally = this.#awaitedOf.get(userOf(connection)) ?? { connections: 0, agents: 0 }
    if (agents === 0 || tally.connections >= mostAwaited || (most > 0 && tally.agents + agents > most)) return false
    this.#count(connection, -1, -agents)
    this.#awaitedOf.set(userOf(connection), tally)
    this.#awaited.set(connection, tally)
    this.#count(connection, 1, agents)
    return true
  }

  /** A connection ended. @returns the agents that are gone with it */
  gone (connection: Connection): string[] {
    const agents = [...this.#agents.get(connection) ?? []]
    if (this.#agents.delete(connection)) this.#count(connection, -1, -agents.length)
    this.#forgetAwaited(connection)
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
    if (agents.size === 0 && this.#forgetAwaited(owner)) this.#released(owner)
  }

  #forgetAwaited (connection: Connection): boolean {
    if (this.#awaited.get(connection)?.connections === 0) this.#awaitedOf.delete(userOf(connection))
    return this.#awaited.delete(connection)
  }

  #count (connection: Connection, connections: number, agents: number): void {
    const tally = this.#awaited.get(connection) ?? (connection.verified ? undefined : this.#anonymous)
    if (tally === undefined) return
    tally.connections += connections
    tally.agents += agents
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
