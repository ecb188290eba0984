import type { Percentiles } from '../percentiles.ts'
import type { Place } from './place.ts'
import { runTask, type TaskOptions } from './task.ts'
import type { RunningTarget, Target } from './targets.ts'

// What people ask for may grow: live questions, agents with very many series that are forgotten, ranges of charts.

export const followed = [0, 1, 10, 100, 1_000]
export const followedRates = [100, 1_000]
/** ms from one answer of a live question to the next. */
export const followEvery = 1_000

export const forgottenSeries = [10, 100, 1_000, 10_000, 100_000]
export const metricsPerForgotten = 10

export const ranges = { '1 h': 1 / 24, '24 h': 1, '7 d': 7, '30 d': 30, '1 y': 365 }
export type Range = keyof typeof ranges
export const chartTypes = [1, 10]
export const chartPoints = 500
/** ms from click to points, of a day of ten types. */
export const chartAim = 300

export interface AxesOrder { place: Place, seconds: number, rate: number, rows: number }

export interface FollowFigures {
  questions: number
  /** At each of `followedRates`: ms a second that the main thread is busy, answers a second, and times to commit. */
  steady: Array<{ busy: number, answers: number, latency: Percentiles }>
  /** Metrics committed a second at full load. */
  full: number
}

export interface ForgetFigures {
  series: number
  /** ms until nobody knows the agent, and until its metrics are deleted. */
  forgotten: number
  swept: number
  longestSlice: number
  /** Times to commit beside it; of 0 series: alone. */
  latency: Percentiles
}

export interface PointsFigures { range: Range, types: number, rows: number, times: Percentiles, busy: number }

export interface AxesResult { name: string, follow?: FollowFigures[], forget?: ForgetFigures[], points?: PointsFigures[] }

export const axes = ['follow', 'forget', 'points'] as const

export async function measureAxes (
  { id, name }: Target, running: RunningTarget, { shapes, ...order }: Omit<AxesOrder, 'place'> & { shapes: string[] }, options: TaskOptions
): Promise<AxesResult> {
  const result: AxesResult = { name }
  const measure = async <Figures>(axis: typeof axes[number]): Promise<Figures[]> => {
    process.stderr.write(`${name}: ${axis}\n`)
    const { place, remove } = await running.fresh()
    try {
      return await runTask<Figures[]>(axis, { ...order, place } satisfies AxesOrder, options, `${id.replace(':', '-')} ${axis}`)
    } finally {
      await remove()
    }
  }
  if (shapes.includes('follow')) result.follow = await measure<FollowFigures>('follow')
  if (shapes.includes('forget')) result.forget = await measure<ForgetFigures>('forget')
  if (shapes.includes('points')) result.points = await measure<PointsFigures>('points')
  return result
}
