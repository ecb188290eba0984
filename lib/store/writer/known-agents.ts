import type { Agent } from '../../messages/schema.ts'
import { isDescribed, type AgentDescription } from '../dialects/agent-columns.ts'

/** What the database is known to hold about an agent, so that a steady stream of metrics needs no query. */
export interface KnownAgent extends AgentDescription {
  id: number
  connected: boolean
  /** The process that has it, as written; undefined where that is not known. */
  instance?: string
  /** As written; UTC ms. */
  lastSeenAt: number
  /** The newest timestamp of its messages, as written; -1 where there is none. */
  spokeAt: number
  series: Map<string, KnownSeries>
}

export interface KnownSeries {
  id: number
  /** Whether its row has a newest metric. */
  hasValue: boolean
  /** The current hour when it was written to `dirty_hours`; UTC ms. */
  dirtyHour: number
}

const mostSeries = 200_000

/** Agents by uuid, and their series by type. Bounded: when it is full, it forgets everything. */
export class KnownAgents {
  #agents = new Map<string, KnownAgent>()
  #series = 0

  agent (uuid: string): KnownAgent | undefined {
    return this.#agents.get(uuid)
  }

  /** Remember what a transaction committed; the agent needs to have only the series that the transaction used. */
  learn (uuid: string, agent: KnownAgent): void {
    let series = this.#agents.get(uuid)?.series
    let added = 0
    for (const type of agent.series.keys()) if (series?.has(type) !== true) added++
    if (this.#series + added + this.#agents.size > mostSeries) {
      this.clear()
      series = undefined
      added = agent.series.size
    }
    this.#series += added
    if (series === undefined) return void this.#agents.set(uuid, agent)
    for (const [type, used] of agent.series) series.set(type, used)
    this.#agents.set(uuid, { ...agent, series })
  }

  forget (uuid: string): void {
    this.#series -= this.#agents.get(uuid)?.series.size ?? 0
    this.#agents.delete(uuid)
  }

  clear (): void {
    this.#agents.clear()
    this.#series = 0
  }
}

/** The series of an agent that a transaction uses, as copies, because it may fail; no others, because an agent may have a hundred thousand. */
export class UsedSeries extends Map<string, KnownSeries> {
  #known: ReadonlyMap<string, KnownSeries>

  constructor (known: ReadonlyMap<string, KnownSeries>) {
    super()
    this.#known = known
  }

  override get (type: string): KnownSeries | undefined {
    const used = super.get(type)
    const known = used === undefined ? this.#known.get(type) : undefined
    if (known === undefined) return used
    const copy = { ...known }
    this.set(type, copy)
    return copy
  }

  override has (type: string): boolean {
    return super.has(type) || this.#known.has(type)
  }
}

/** Whether the database has the agent as connected, with everything that the message says about it. */
export function isUpToDate (known: KnownAgent, agent: Agent): boolean {
  return known.connected && isDescribed(known, agent)
}
