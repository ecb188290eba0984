import type { Worker } from './worker.ts'

/** What the brokers inside Node-RED dropped because more waited for a client than may: owed to nobody, and counted. */
export interface Drops {
  /** Messages, as far as they were seen; a count ends with its process. */
  readonly count: number
  stop (): void
}

const every = 1_000
const dropped = /^platziverse_broker_dropped_total\{.*reason="offlineLimit".*\} (\d+)$/

/** Look at the counters again and again. */
export function watchDrops (workers: readonly Worker[]): Drops {
  const last = workers.map(() => 0)
  let before = 0
  let isLooking = false
  const look = async (): Promise<void> => {
    for (const [i, worker] of workers.entries()) {
      const now = (await worker.counters()).map(line => Number(dropped.exec(line)?.[1] ?? 0)).reduce((sum, count) => sum + count, 0)
      // Less than before: of another process, or of none.
      if (now < (last[i] ?? 0)) before += last[i] ?? 0
      last[i] = now
    }
  }
  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    look().catch(() => undefined).finally(() => { isLooking = false })
  }, every)
  return {
    get count () { return before + last.reduce((sum, count) => sum + count, 0) },
    stop: () => { clearInterval(timer) }
  }
}
