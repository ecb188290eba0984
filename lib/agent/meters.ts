import { PlatziverseError } from '../errors.ts'
import type { Metric } from '../messages/schema.ts'
import { checkMetrics, metricFailed } from './metrics.ts'

/** The least ms that a round waits for a function that was never slow. */
const leastPatience = 1_000

export type MetricValue = Metric['value']
export type MetricCallback = (error: unknown, value?: MetricValue | null) => void

/**
 * Measures one metric: returns the value, a promise of it, or, when it takes one argument, calls that back.
 * null: there is nothing to report this time.
 */
export type MetricFunction =
  | (() => MetricValue | null | Promise<MetricValue | null>)
  | ((callback: MetricCallback) => void)

export interface Round {
  /** UTC ms when the round began. */
  timestamp: number
  metrics: Metric[]
  failed: PlatziverseError[]
}

/** The functions that measure, by metric type. */
export class Meters {
  readonly #limit: number
  #prompt = 0
  #patience = Infinity
  /** Those that a round does not wait for. */
  readonly #slow = new Set<string>()
  readonly #late: (round: Round) => void
  readonly #measures = new Map<string, () => Promise<unknown> | undefined>()
  #chosen: ReadonlySet<string> | undefined
  #busy = false

  /**
   * @param limit ms until a function that does not answer counts as failed
   * @param interval ms between two rounds: once a function took longer than half of that, rounds no longer wait for it
   * @param late gets each result that comes after its round, with the round's timestamp
   */
  constructor (limit: number, interval: number, late: (round: Round) => void) {
    this.#limit = limit
    this.#late = late
    this.interval = interval
  }

  /** Ms between two rounds. */
  get interval (): number {
    return 2 * this.#prompt
  }

  set interval (interval: number) {
    this.#prompt = interval / 2
    this.#patience = this.#limit <= interval ? Infinity : Math.min(this.#limit, Math.max(this.#prompt, leastPatience))
  }

  /** What can be measured. */
  get types (): string[] {
    return [...this.#measures.keys()]
  }

  /** What is measured from the next round on. */
  set chosen (types: readonly string[]) {
    this.#chosen = new Set(types)
  }

  /** @throws PlatziverseError AGENT_METRIC_FAILED when `fn` is no function */
  set (type: string, fn: MetricFunction): void {
    if (typeof fn !== 'function') throw metricFailed(type, 'addMetric needs a function')
    this.#measures.set(type, limited(fn, this.#limit))
  }

  /** Whether it was there. */
  delete (type: string): boolean {
    this.#slow.delete(type)
    return this.#measures.delete(type)
  }

  /** Measure everything that is chosen once, side by side; undefined while an earlier round still runs. */
  async round (): Promise<Round | undefined> {
    if (this.#busy) return undefined
    this.#busy = true
    const timestamp = Date.now()
    let isOver = false
    // In the order of the functions, whichever answers first.
    const measured: Array<Measured | undefined> = []
    const answers = [...this.#measures].filter(([type]) => this.#chosen?.has(type) ?? true).map(([type, measure], i) => {
      const begun = performance.now()
      const answer = async (): Promise<void> => {
        const result = await resultOf(type, measure)
        if (result === undefined) return
        if (performance.now() - begun <= this.#prompt) this.#slow.delete(type)
        if (isOver) this.#late(roundOf(timestamp, [result]))
        else measured[i] = result
      }
      return { type, i, answered: answer() }
    })
    await this.#patiently(Promise.all(answers.filter(({ type }) => !this.#slow.has(type)).map(({ answered }) => answered)))
    isOver = true
    if (this.#patience < Infinity) for (const { type, i } of answers) if (measured[i] === undefined) this.#slow.add(type)
    this.#busy = false
    return roundOf(timestamp, measured.filter(result => result !== undefined))
  }

  async #patiently (all: Promise<unknown>): Promise<void> {
    if (this.#patience === Infinity) return void await all
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<void>(resolve => { timer = setTimeout(resolve, this.#patience).unref() })
    await Promise.race([all, over])
    clearTimeout(timer)
  }
}

/** A value, null for none, or what went wrong. */
type Measured = { type: string, value: unknown } | PlatziverseError

/** @returns undefined while an earlier round still measures it */
async function resultOf (type: string, measure: () => Promise<unknown> | undefined): Promise<Measured | undefined> {
  try {
    const measuring = measure()
    return measuring === undefined ? undefined : { type, value: await measuring }
  } catch (error) {
    return metricFailed(type, error)
  }
}

function roundOf (timestamp: number, measured: Measured[]): Round {
  const values = measured.filter(result => !(result instanceof PlatziverseError) && result.value !== null)
  const { good, bad } = checkMetrics(values)
  return { timestamp, metrics: good, failed: [...measured.filter(result => result instanceof PlatziverseError), ...bad] }
}

/** Makes `fn` answer within `limit` ms or fail, and never run twice at once: undefined while it runs and is not late. */
function limited (fn: MetricFunction, limit: number): () => Promise<unknown> | undefined {
  let state: 'idle' | 'running' | 'late' = 'idle'
  return () => {
    if (state === 'running') return undefined
    if (state === 'late') return Promise.reject(new Error('it is still busy with an earlier round'))
    state = 'running'
    const measuring = call(fn).finally(() => { state = 'idle' })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((_resolve, reject) => {
      timer = setTimeout(() => {
        state = 'late'
        reject(new Error(`it did not answer within ${limit} ms`))
      }, limit).unref()
    })
    return Promise.race([measuring, late]).finally(() => clearTimeout(timer))
  }
}

function call (fn: MetricFunction): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (fn.length !== 1) return resolve((fn as () => unknown)())
    const returned: unknown = fn((error, value) => { if (error) reject(error); else resolve(value) })
    if (returned instanceof Promise) returned.catch(reject)
  })
}
