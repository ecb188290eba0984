import type { Percentiles } from '../percentiles.ts'
import type { SteadyReport } from './load.ts'
import { runTask, type TaskOptions } from './task.ts'
import type { OpenPlace } from './targets.ts'
import type { Place } from './place.ts'

/** Of one agent. */
export const series = 500
/** As often as agents report by default. */
export const step = 5_000
export const runsOfQuery = 200
/** Agents that have messages which are not moved, their messages each, and their series each: a block is moved at 320 rows an agent, and one message in six is two rows. */
export const incoming = { agents: 500, messages: 250, series: 10 }
/** ms between two looks at a dashboard, and how many series it shows by hour over a day. */
export const dashboardEvery = 250
export const dashboardSeries = 5
/** Messages a second while the dashboard is looked at: 20,000 metrics. */
export const dashboardRate = 4_000

export interface QueriesOrder { place: Place, rows: number, seconds: number, runs: number }

/** ms */
export interface QueryFigures { name: string, aim: number, times: Percentiles }

export interface DashboardFigures {
  /** At `dashboardRate`. */
  steady: SteadyReport
  /** Metrics committed a second at full load. */
  full: number
  /** ms that a look took at the steady rate; NaN without a dashboard. */
  looks: Percentiles
}

export interface QueryResults {
  rows: number
  /** Bytes of the database. */
  size: number
  queries: QueryFigures[]
  /** s that rolling all of it up took. */
  rollUp: number
  /** Round by round, the dashboard off and on. */
  without: DashboardFigures[]
  with: DashboardFigures[]
}

/** Queries on a large SQLite file, which is removed afterwards. */
export async function measureQueries (open: OpenPlace, order: Omit<QueriesOrder, 'place'>, options: TaskOptions): Promise<QueryResults> {
  try {
    return await runTask<QueryResults>('queries', { ...order, place: open.place } satisfies QueriesOrder, options, 'queries')
  } finally {
    await open.remove()
  }
}
