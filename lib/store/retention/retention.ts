import { PlatziverseError, reasonOf } from '../../errors.ts'
import { floor, hour } from '../../time.ts'
import { Rollup } from '../rollup/rollup.ts'
import { SettlingLoop } from '../settling/settling.ts'
import { Pace } from '../slices/pace.ts'
import type { Store } from '../store.ts'
import { ChunkDeletion } from './chunk-deletion.ts'
import { Deletion } from './deletion.ts'
import { checkRetention, limitsAt, newestRawLimitAt, rawLimitAt, type RetentionOptions } from './policy.ts'
import { vacuum, withDeletionSettings } from './vacuum.ts'

export { checkRetention, type RetentionOptions } from './policy.ts'

const usual = { first: 10_000, between: 60_000 }

export interface RetentionStatistics {
  /** Hours rolled up from all their metrics. */
  hours: number
  /** Hours that got metrics after their own had been deleted. */
  late: number
  /** Rows deleted. */
  deleted: { metrics: number, hours: number, days: number }
  /** Chunks of TimescaleDB that were dropped with all their metrics; those are not counted. */
  chunks: number
  /** Pages that SQLite gave back to the disk. */
  pages: number
  /** ms of the longest slice: with SQLite the writer waits for it. */
  longest: number
  /** Why the last pass ended early; the next one goes on. */
  error: PlatziverseError | null
}

/**
 * Rolls metrics up by hour and by day, and deletes what was kept for long enough: every minute, in slices so short that
 * senders do not feel them. Several processes may do so with one database.
 */
export class Retention {
  #store: Store
  #options: RetentionOptions
  #timing: typeof usual
  #ending = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #rollup: Rollup
  #chunks: ChunkDeletion
  #deletion: Deletion
  #settling: SettlingLoop
  #rows: Pace
  #pages: Pace
  /** The hour of the last pass that deleted everything too old: what is too old changes with the hour. */
  #deletedIn: number | undefined
  #given = 0
  #longest = 0
  #error: PlatziverseError | null = null
  #tell: ((problem: PlatziverseError) => void) | undefined

  /**
   * @param timing ms until the first pass, and between two
   * @throws PlatziverseError STORE_RETENTION_INVALID
   */
  constructor (store: Store, options: RetentionOptions, timing = usual) {
    checkRetention(options)
    this.#store = store
    this.#options = options
    this.#timing = timing
    const took = (ms: number): void => { this.#longest = Math.max(this.#longest, ms) }
    const pacing = { store, signal: this.#ending.signal, took }
    this.#rollup = new Rollup(store, new Pace(pacing, { first: 50, least: 5, most: 200 }))
    this.#rows = new Pace(pacing, { first: 2_000, least: 500, most: 3_000 })
    this.#chunks = new ChunkDeletion(store, new Pace(pacing, { first: 1, least: 1, most: 1 }))
    this.#deletion = new Deletion(store, this.#rows)
    this.#settling = new SettlingLoop(store)
    this.#pages = new Pace(pacing, { first: 100, least: 10, most: 1_000 })
  }

  statistics (): RetentionStatistics {
    return { ...this.#rollup.counters, deleted: { ...this.#deletion.counters }, chunks: this.#chunks.dropped, pages: this.#given, longest: this.#longest, error: this.#error }
  }

  /**
   * Begin with the passes.
   * @param tell called with the reason why a pass ended early, once for as long as it stays the same
   */
  start (tell?: (problem: PlatziverseError) => void): void {
    this.#tell = tell
    if (this.#timer === undefined && !this.#ending.signal.aborted) this.#schedule(this.#timing.first)
  }

  /**
   * End after the slice that is under way; a slice that waits for a database that is away ends with the store. May be called
   * twice; does not start again.
   */
  async stop (): Promise<void> {
    this.#ending.abort()
    clearTimeout(this.#timer)
    await this.#settling.stop()
    await this.#running?.catch(() => undefined)
  }

  /**
   * One pass.
   * @param now UTC ms
   * @throws PlatziverseError as the store does; what was done stays done
   */
  runOnce (now: number): Promise<void> {
    return this.#running ??= this.#pass(now).finally(() => { this.#running = undefined })
  }

  #schedule (delay: number): void {
    this.#timer = setTimeout(() => { void this.#tick() }, delay)
    this.#timer.unref()
  }

  async #tick (): Promise<void> {
    try {
      // A store without a database would keep the slice waiting; it reports that itself.
      if (this.#store.state.state === 'ready') await this.runOnce(Date.now())
      this.#error = null
    } catch (error) {
      if (this.#ending.signal.aborted) return
      const problem = error instanceof PlatziverseError ? error : new PlatziverseError('STORE_UNAVAILABLE', `${reasonOf(error)}.`, { cause: error })
      if (problem.code !== this.#error?.code) this.#tell?.(problem)
      this.#error = problem
    }
    if (!this.#ending.signal.aborted) this.#schedule(this.#timing.between)
  }

  async #pass (now: number): Promise<void> {
    const dueTo = await this.#rollup.dueTo(now)
    // What is not settled of a series is looked for among all that its block holds.
    if (dueTo !== undefined) await this.#settling.settleBefore(dueTo)
    await this.#rollup.run(now, () => this.#rows.size)
    if (this.#deletedIn !== floor(now, hour)) await withDeletionSettings(this.#store, () => this.#delete(now))
  }

  async #delete (now: number): Promise<void> {
    const keptOfNone = rawLimitAt(this.#options, now)
    const { isDone, waitingFrom, hasChunks } = await this.#chunks.run(keptOfNone)
    const limitsOf = limitsAt(this.#options, now)
    // What is deleted is settled, and so is what comes late.
    await this.#settling.settleBefore(newestRawLimitAt(this.#options, now))
    await this.#deletion.run(type => {
      const limits = limitsOf(type)
      return limits.raw > keptOfNone ? limits : { ...limits, raw: Math.min(limits.raw, waitingFrom) }
    }, hasChunks)
    this.#given += await vacuum(this.#pages)
    if (isDone) this.#deletedIn = floor(now, hour)
  }
}
