import type { Agent } from '../messages/schema.ts'

/** What the database is known to hold of an agent, so that a steady stream of metrics asks it nothing. */
export interface KnownAgent {
  id: number
  username: string | null
  name: string | null
  hostname: string | null
  pid: number | null
  connected: boolean
  /** As written; UTC ms. */
  lastSeenAt: number
  series: Map<string, KnownSeries>
}

export interface KnownSeries {
  id: number
  /** Of its newest metric; UTC ms. */
  lastTs: number
  /** The current hour when it was written to `dirty_hours`; UTC ms. */
  dirtyHour: number
}

const mostSeries = 200_000

/** Agents and series by their names. Bounded: when it is full it starts anew. */
export class Known {
  #agents = new Map<string, KnownAgent>()
  #series = 0

  agent (uuid: string): KnownAgent | undefined {
    return this.#agents.get(uuid)
  }

  /** Learn what a transaction committed. */
  learn (uuid: string, agent: KnownAgent): void {
    this.#series += agent.series.size - (this.#agents.get(uuid)?.series.size ?? 0)
    if (this.#series + this.#agents.size > mostSeries) this.clear()
    this.#agents.set(uuid, agent)
  }

  clear (): void {
    this.#agents.clear()
    this.#series = 0
  }
}

/** Whether the database has the agent as connected, and with all that the message says of it. */
export function isUpToDate (known: KnownAgent, { username, name, hostname, pid }: Agent): boolean {
  return known.connected &&
    (username === undefined || username === known.username) &&
    (name === undefined || name === known.name) &&
    (hostname === undefined || hostname === known.hostname) &&
    (pid === undefined || pid === known.pid)
}
