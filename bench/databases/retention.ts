import type { SteadyReport } from './load.ts'
import type { Place } from './place.ts'
import { runTask, type TaskOptions } from './task.ts'
import type { OpenPlace, Target } from './targets.ts'

/** Days of metrics that are deleted, and that the metrics are kept for. */
export const oldDays = 30
/** The deletion is ended after so many times the other part: there are times enough by then. */
export const longest = 12
/** ms */
export const retentionAim = 150

export interface RetentionOrder { place: Place, rows: number, seconds: number, rate: number }

export interface RetentionFigures {
  /** Rows of metrics deleted, of how many, in how many s. */
  deleted: number
  old: number
  took: number
  /** ms of the longest slice: SQLite's writer waits for it. */
  longestSlice: number
  /** Messages a second, and their times from when they are due until they are committed. */
  without: SteadyReport
  with: SteadyReport
}

export interface RetentionResult extends RetentionFigures { id: string, name: string }

/** What senders notice of the deletion of old metrics, in a database that is removed afterwards. */
export async function measureRetention (
  { id, name }: Target, { place, remove }: OpenPlace, given: Omit<RetentionOrder, 'place'>, options: TaskOptions
): Promise<RetentionResult> {
  const order: RetentionOrder = { ...given, place }
  try {
    process.stderr.write(`${name}: deleting ${order.rows} old rows\n`)
    const figures = await runTask<RetentionFigures>('retention', order, options, `${id.replace(':', '-')} retention`)
    return { id, name, ...figures }
  } finally {
    await remove()
  }
}
