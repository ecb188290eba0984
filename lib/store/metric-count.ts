import { kindOf } from './dialects/database-kind.ts'
import type { Store } from './store.ts'

/** Most metrics that are counted: a database may have so many that it would take minutes. */
const most = 1_000_000
/** Counts that are begun again because something was stored meanwhile. */
const mostAttempts = 5

export interface Counted {
  metrics: number
  /** Otherwise there are more. */
  isAll: boolean
}

/**
 * How many metrics a database has: counted once, and from then on by what this process stores and deletes. Other processes that write to
 * it are not seen.
 */
export class MetricCount {
  readonly #store: Store
  readonly #deleted: () => number
  /** What was there before this process stored or deleted anything. */
  #before: Counted | undefined
  #isCounting = false
  #attempts = 0

  /** @param deleted metrics that this process deleted */
  constructor (store: Store, deleted: () => number) {
    this.#store = store
    this.#deleted = deleted
    store.on('state', ({ state }) => {
      // What opens next may be another database.
      if (state !== 'ready') this.#before = undefined
    })
  }

  /** Undefined while the metrics are not counted yet, which the first look begins. */
  look (): Counted | undefined {
    if (this.#before !== undefined) return { ...this.#before, metrics: Math.max(0, this.#before.metrics + this.#changed()) }
    if (!this.#isCounting) void this.#count()
    return undefined
  }

  async #count (): Promise<void> {
    this.#isCounting = true
    try {
      const knex = await this.#store.read('metrics')
      const before = await this.#quiet()
      const row = await knex.count({ n: '*' }).from(knex.select(knex.raw('1 as one')).from(kindOf(knex).allMetrics?.(knex) ?? 'metrics').limit(most + 1).as('some')).first() as { n: number | string }
      const after = await this.#quiet()
      // Under load it may never be exact, and then nobody sees it.
      if ((before === undefined || before !== after) && ++this.#attempts < mostAttempts) return
      if (this.#store.state.state === 'ready') this.#before = { metrics: Math.min(most, Number(row.n)) - (after ?? this.#changed()), isAll: Number(row.n) <= most }
    } catch {
      // The database is away: the next look counts again.
    } finally {
      this.#isCounting = false
    }
  }

  /** What was stored and deleted up to now; undefined while more is on its way to the database. */
  async #quiet (): Promise<number | undefined> {
    if (this.#store.statistics().queued > 0) return undefined
    // Counters follow a commit one turn later.
    await new Promise(resolve => setImmediate(resolve))
    return this.#changed()
  }

  #changed (): number {
    const { metrics, duplicates } = this.#store.statistics()
    return metrics - duplicates - this.#deleted()
  }
}
