import type { Maintenance } from './rules/maintenance.ts'

/** Nothing is announced of an agent, or of one of its types, until a time. */
export interface Silence {
  /** Absent: of all agents. */
  uuid?: string
  /** Absent: of all types. */
  type?: string
  /** UTC ms. */
  until: number
}

/** When nothing is announced: silences that somebody asked for, and maintenance. */
export class Quiet {
  readonly #maintenance: readonly Maintenance[]
  readonly #silences = new Map<string, Silence>()

  constructor (maintenance: readonly Maintenance[]) {
    this.#maintenance = maintenance
  }

  /** Those that are not over. */
  silences (now: number): Silence[] {
    for (const [key, { until }] of this.#silences) if (until <= now) this.#silences.delete(key)
    return [...this.#silences.values()]
  }

  /** In place of one of the same agent and type; over already: it ends that. @returns whether that is news */
  silence (silence: Silence, now: number): boolean {
    const key = `${silence.uuid ?? ''}\0${silence.type ?? ''}`
    const known = this.#silences.get(key)?.until ?? now
    this.#silences.set(key, silence)
    return Math.max(known, now) !== Math.max(silence.until, now)
  }

  isQuiet (agent: { uuid: string, name: string | null }, type: string, now: number): boolean {
    for (const { uuid, type: only, until } of this.#silences.values()) {
      if (until > now && (uuid === undefined || uuid === agent.uuid) && (only === undefined || only === type)) return true
    }
    return this.#maintenance.some(maintenance => (maintenance.agents?.(agent.uuid) ?? true) || (agent.name !== null && maintenance.agents?.(agent.name) === true)
      ? maintenance.isOn(now)
      : false)
  }

  /** When something is over next, or begins; UTC ms, Infinity: never. */
  next (now: number): number {
    let next = Infinity
    for (const { until } of this.silences(now)) next = Math.min(next, until)
    for (const maintenance of this.#maintenance) next = Math.min(next, maintenance.until(now))
    return next
  }
}
