import { PlatziverseError, reasonOf } from '../../errors.ts'
import { Pace } from '../slices/pace.ts'
import type { Store } from '../store.ts'

const usual = { between: 100 }
/** How many times as full as it may be a block has to be for larger slices. */
const crowded = 1.5
/** How much more than what came in meanwhile a slice moves, so that the block gets empty: otherwise each slice would look through more messages for those of its agents. */
const ahead = 1.3

export interface SettlingStatistics {
  slices: number
  /** ms of the longest slice: the writer waits for it. */
  longest: number
}

/**
 * Moves metrics from where they came in to where they stay, in slices so short that senders do not feel them, where the database keeps them
 * in two places. Several processes may do so with one database.
 */
export class SettlingLoop {
  readonly #store: Store
  readonly #ending = new AbortController()
  readonly #pace: Pace
  readonly #haste: Pace
  readonly #counters: SettlingStatistics = { slices: 0, longest: 0 }
  readonly #between: number
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isCounted = false
  #problem: string | undefined

  /** @param timing ms between two looks for what is to be moved */
  constructor (store: Store, timing = usual) {
    this.#store = store
    this.#between = timing.between
    const took = (ms: number): void => { this.#counters.longest = Math.max(this.#counters.longest, ms) }
    const pacing = { store, signal: this.#ending.signal, took }
    this.#pace = new Pace(pacing, { first: 2_000, least: 1_000, most: 5_000 }, { few: 5, many: 15, rest: 0 })
    this.#haste = new Pace(pacing, { first: 20_000, least: 20_000, most: 40_000 }, { few: 40, many: 100, rest: 0 })
    store.on('state', ({ state }) => {
      // What opens next may be another database.
      if (state !== 'ready') this.#isCounted = false
    })
  }

  statistics (): SettlingStatistics {
    return { ...this.#counters }
  }

  /**
   * Begin to look for what is to be moved.
   * @param tell called with the reason why it could not be moved, once for as long as it stays the same; it is tried again
   */
  start (tell: (problem: PlatziverseError) => void): void {
    if (this.#store.settling === undefined || this.#ending.signal.aborted) return
    this.#timer = setTimeout(() => { void this.#tick(tell) }, this.#between).unref()
  }

  /** End after the slice that is under way. May be called twice; does not start again. */
  async stop (): Promise<void> {
    this.#ending.abort()
    clearTimeout(this.#timer)
    await this.#running?.catch(() => undefined)
  }

  /** Move what there is too much of. @throws PlatziverseError as the store does; what was moved stays moved */
  runOnce (): Promise<void> {
    return this.#running ??= this.#run().finally(() => { this.#running = undefined })
  }

  /**
   * Move everything from before a time.
   * @param before UTC ms
   * @throws PlatziverseError as the store does; what was moved stays moved
   */
  async settleBefore (before: number): Promise<void> {
    const { settling } = this.#store
    if (settling === undefined) return
    for (;;) {
      const blocks = await settling.blocksBefore(await this.#store.read('metrics'), before)
      // One that was being moved to an earlier time is moved on.
      for (const block of blocks) await this.#settle(block, before)
      if (blocks.length === 0) return
    }
  }

  async #tick (tell: (problem: PlatziverseError) => void): Promise<void> {
    try {
      // A store without a database would keep the slice waiting; it reports that itself.
      if (this.#store.state.state === 'ready') await this.runOnce()
      this.#problem = undefined
    } catch (error) {
      if (this.#ending.signal.aborted) return
      const problem = error instanceof PlatziverseError ? error : new PlatziverseError('STORE_UNAVAILABLE', `${reasonOf(error)}.`, { cause: error })
      if (problem.code !== this.#problem) tell(problem)
      this.#problem = problem.code
    }
    this.start(tell)
  }

  async #run (): Promise<void> {
    const { settling } = this.#store
    if (settling === undefined) return
    if (!this.#isCounted) {
      this.#isCounted = true
      await settling.count(await this.#store.read('metrics'))
    }
    // More may have come meanwhile than was moved.
    for (let progress = true; progress;) {
      progress = false
      for (const block of settling.due()) if (await this.#settle(block)) progress = true
    }
  }

  /** @returns whether anything was moved */
  async #settle (block: number, before?: number): Promise<boolean> {
    const { settling } = this.#store
    if (settling === undefined) return false
    for (let steps = 0, added = settling.added(block); ;) {
      this.#ending.signal.throwIfAborted()
      // Where more comes than is moved, whoever sends has to wait: otherwise the block would grow, and looking into it take ever longer. Many short
      // waits are better than a few long ones, in which there is nothing left to do for the main thread.
      const fullness = settling.fullness(block)
      const pace = fullness > crowded ? this.#haste : this.#pace
      const came = settling.added(block)
      const size = Math.max(pace.size, (came - added) * ahead) * Math.max(1, fullness / crowded)
      added = came
      const hasMore = await pace.run(async (db, hasTime) => {
        for (;;) {
          if (!await settling.step(db, block, { before, size })) return false
          steps++
          if (!hasTime()) return true
        }
      })
      this.#counters.slices++
      if (!hasMore) return steps > 0
    }
  }
}
