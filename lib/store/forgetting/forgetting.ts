import { setTimeout as pause } from 'node:timers/promises'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { kindOf } from '../dialects/database-kind.ts'
import { Pace } from '../slices/pace.ts'
import type { Store } from '../store.ts'
import { deleteSeries, deleteStrays } from './delete-series.ts'

/** ms until what an earlier process left is looked for, and between two such looks. */
const usual = { first: 20_000, between: 3_600_000 }
/** ms after which series that another process had locked are tried again. */
const lockPatience = 60_000
/** Series that are looked up at once, and locked. */
const mostLooked = 500
const mostLocked = 50

export interface ForgettingStatistics {
  /** Agents forgotten here. */
  agents: number
  /** Series deleted, and metrics. */
  series: number
  metrics: number
  /** ms of the longest slice: with SQLite the writer waits for it. */
  longest: number
}

/**
 * Deletes agents with everything that they reported. The agent itself goes at once, in one short transaction. Its series, which then
 * belong to nobody, are deleted in slices. What a process that ended left is found by any process that opens the database: nothing
 * else is written down, and an agent's id never comes back.
 */
export class Forgetting {
  readonly #store: Store
  readonly #timing: typeof usual
  readonly #ending = new AbortController()
  readonly #pace: Pace
  readonly #counters: ForgettingStatistics = { agents: 0, series: 0, metrics: 0, longest: 0 }
  #timer: NodeJS.Timeout | undefined
  #sweeping: Promise<void> | undefined
  /** Whether an agent was forgotten since the last look began. */
  #again = false

  /** @param timing ms until the first look for what others left, and between two */
  constructor (store: Store, timing = usual) {
    this.#store = store
    this.#timing = timing
    const took = (ms: number): void => { this.#counters.longest = Math.max(this.#counters.longest, ms) }
    this.#pace = new Pace({ store, signal: this.#ending.signal, took }, { first: 2_000, least: 500, most: 3_000 })
  }

  statistics (): ForgettingStatistics {
    return { ...this.#counters }
  }

  /**
   * Begin to look for series that belong to nobody.
   * @param tell called with the reason why a look ended early; the next one goes on
   */
  start (tell: (problem: PlatziverseError) => void): void {
    this.#schedule(this.#timing.first, tell)
  }

  /**
   * Forget an agent: from the moment this resolves queries do not know it, and its next message makes a new agent of it. Its metrics are
   * deleted after that: see `swept`.
   * @returns whether the agent was there
   * @throws PlatziverseError STORE_CLOSED, or the reason why there is no database now
   */
  async forget (uuid: string): Promise<boolean> {
    const isKnown = await this.#store.removeAgent(uuid)
    if (!isKnown) return false
    this.#counters.agents++
    // What fails now is found by the next look.
    void this.swept().catch(() => undefined)
    return true
  }

  /**
   * Resolves when no series without an agent is left, but for those that another process has locked.
   * @throws PlatziverseError as the store does; what was deleted stays deleted
   */
  swept (): Promise<void> {
    this.#again = true
    return this.#sweeping ??= this.#sweepAll()
  }

  /** End after the slice that is under way. May be called twice; does not start again. */
  async stop (): Promise<void> {
    this.#ending.abort()
    clearTimeout(this.#timer)
    await this.#sweeping?.catch(() => undefined)
  }

  #schedule (delay: number, tell: (problem: PlatziverseError) => void): void {
    if (this.#ending.signal.aborted) return
    this.#timer = setTimeout(() => { void this.#tick(tell) }, delay).unref()
  }

  async #tick (tell: (problem: PlatziverseError) => void): Promise<void> {
    try {
      // A store without a database would keep the slice waiting; it reports that itself.
      if (this.#store.state.state === 'ready') await this.swept()
    } catch (error) {
      if (this.#ending.signal.aborted) return
      tell(error instanceof PlatziverseError ? error : new PlatziverseError('STORE_UNAVAILABLE', `${reasonOf(error)}.`, { cause: error }))
    }
    this.#schedule(this.#timing.between, tell)
  }

  async #sweepAll (): Promise<void> {
    try {
      while (this.#again) {
        this.#again = false
        const isDone = await this.#sweep()
        if (isDone) continue
        this.#again = true
        await pause(lockPatience, undefined, { signal: this.#ending.signal, ref: false })
      }
    } finally {
      // At once, so that nobody relies on a look that has ended.
      this.#sweeping = undefined
    }
  }

  /** @returns false when another process had some of the series locked */
  async #sweep (): Promise<boolean> {
    let isDone = true
    const emptied = new Set<number>()
    for (let after = 0; ;) {
      const ownerless = await this.#ownerless(after)
      const ids = ownerless.map(({ id }) => id)
      const last = ids.at(-1)
      if (last === undefined) return isDone
      after = last
      for (const { agentId } of ownerless) {
        if (!emptied.has(agentId)) await this.#deleteUnsettled(agentId)
        emptied.add(agentId)
      }
      for (let left = ids; left.length > 0;) {
        const some = left.slice(0, mostLocked)
        const { done, locked, metrics } = await this.#pace.transaction((db, hasTime) => deleteSeries(db, some, this.#pace.size, hasTime))
        this.#counters.series += done - locked
        this.#counters.metrics += metrics
        if (locked > 0) isDone = false
        left = left.slice(done)
      }
      if (isDone) await this.#pace.transaction(db => deleteStrays(db, ids))
    }
  }

  /** The next series whose agent is not there. */
  async #ownerless (after: number): Promise<Array<{ id: number, agentId: number }>> {
    this.#ending.signal.throwIfAborted()
    const knex = await this.#store.read('metrics')
    const rows = await knex('series').leftJoin('agents', 'agents.id', 'series.agent_id').whereNull('agents.id').where('series.id', '>', after)
      .orderBy('series.id').limit(mostLooked).select({ id: 'series.id', agentId: 'series.agent_id' }) as Array<Record<'id' | 'agentId', number | string>>
    return rows.map(({ id, agentId }) => ({ id: Number(id), agentId: Number(agentId) }))
  }

  /** At once for all of its series: otherwise each of them would look through them. */
  async #deleteUnsettled (agentId: number): Promise<void> {
    for (let isDone = false; !isDone;) {
      isDone = await this.#pace.transaction(async db => {
        const step = await kindOf(db).deleteUnsettled?.(db, agentId, this.#pace.size)
        this.#counters.metrics += step?.deleted ?? 0
        return step?.isDone ?? true
      })
    }
  }
}
