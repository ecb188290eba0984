import type { PlatziverseError } from '../errors.ts'
import type { Metric } from '../messages/schema.ts'
import { checkMetrics, metricFailed } from './metrics.ts'

export type MetricValue = Metric['value']
export type MetricCallback = (error: unknown, value?: MetricValue | null) => void

/**
 * Measures one metric: returns the value, a promise of it, or, when it takes one argument, calls that back.
 * null says that there is nothing to report this time.
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
  readonly #measures = new Map<string, () => Promise<unknown>>()
  #busy = false

  /** @param limit ms until a function that does not answer counts as failed */
  constructor (limit: number) {
    this.#limit = limit
  }

  /** @throws PlatziverseError AGENT_METRIC_FAILED when `fn` is no function */
  set (type: string, fn: MetricFunction): void {
    if (typeof fn !== 'function') throw metricFailed(type, 'addMetric needs a function')
    this.#measures.set(type, limited(fn, this.#limit))
  }

  /** Whether it was there. */
  delete (type: string): boolean {
    return this.#measures.delete(type)
  }

  /** Measure everything once, side by side; undefined while an earlier round still runs. */
  async round (): Promise<Round | undefined> {
    if (this.#busy) return undefined
    this.#busy = true
    const timestamp = Date.now()
    const failed: PlatziverseError[] = []
    const measured = await Promise.all([...this.#measures].map(async ([type, measure]) => {
      try {
        return { type, value: await measure() }
      } catch (error) {
        failed.push(metricFailed(type, error))
        return { type, value: null }
      }
    }))
    this.#busy = false
    const { good, bad } = checkMetrics(measured.filter(({ value }) => value !== null))
    return { timestamp, metrics: good, failed: [...failed, ...bad] }
  }
}

/** `fn` as one that answers within `limit` or fails, and that never runs twice at once. */
function limited (fn: MetricFunction, limit: number): () => Promise<unknown> {
  let running = false
  return async () => {
    if (running) throw new Error('it is still busy with an earlier round')
    running = true
    const measuring = call(fn).finally(() => { running = false })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`it did not answer within ${limit} ms`)), limit).unref()
    })
    return await Promise.race([measuring, late]).finally(() => clearTimeout(timer))
  }
}

function call (fn: MetricFunction): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (fn.length !== 1) return resolve((fn as () => unknown)())
    const returned: unknown = fn((error, value) => { if (error) reject(error); else resolve(value) })
    if (returned instanceof Promise) returned.catch(reject)
  })
}
