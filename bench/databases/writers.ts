import { medianOf } from '../medians.ts'
import { median } from '../percentiles.ts'
import type { Place } from './place.ts'
import { rivals } from './raw/rivals.ts'
import { runTask, type TaskOptions } from './task.ts'
import type { RunningTarget, Target } from './targets.ts'

/** Half of them are one batch, while the other half comes. */
export const inFlight = 2_000

export interface WriterOrder { place: Place, seconds: number, warmUp: number, inFlight: number }
export interface RawWriterOrder { place: Place, seconds: number, warmUp: number, rival: string, messagesPerBatch: number }

export interface WriterFigures {
  /** Committed. */
  rowsPerSecond: number
  messagesPerBatch: number
  /** Microseconds of user and system time of the writing process, without a server's. */
  cpuPerRow: number
}

export interface WritersOptions extends TaskOptions { runs: number, seconds: number, warmUp: number }

export interface WriterResult {
  id: string
  name: string
  /** The package, then its rivals. */
  contestants: Array<{ name: string, figures: WriterFigures, runs: WriterFigures[] }>
  /** The fastest rival. */
  best: string
  /** The package by the fastest rival; the median of the rounds' ratios. */
  ratio: number
}

export const packageName = 'this package'

/** The package's writer and each rival once a round, each in an empty database of the same server, with batches of the same size. */
export async function measureWriters (
  { id, name }: Target, running: RunningTarget, { runs: rounds, seconds, warmUp, ...options }: WritersOptions
): Promise<WriterResult> {
  const names = [packageName, ...(rivals[id] ?? []).map(({ name }) => name)]
  const runs = new Map<string, WriterFigures[]>(names.map(name => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    let messagesPerBatch = inFlight / 2
    for (const [contestant, figures] of runs) {
      const { place, remove } = await running.fresh()
      const profile = `${id.replace(':', '-')} writer ${contestant.replaceAll(/\W+/g, '-')}`
      const measured = contestant === packageName
        ? await runTask<WriterFigures>('store-writer', { place, seconds, warmUp, inFlight } satisfies WriterOrder, options, profile)
        : await runTask<WriterFigures>('raw-writer', { place, seconds, warmUp, rival: contestant, messagesPerBatch } satisfies RawWriterOrder, options, profile)
      await remove()
      if (contestant === packageName) messagesPerBatch = Math.round(measured.messagesPerBatch)
      figures.push(measured)
      process.stderr.write(`round ${round} of ${rounds}: ${name}: ${contestant} … ${Math.round(measured.rowsPerSecond)} rows/s\n`)
    }
  }
  const contestants = [...runs].map(([name, runs]) => ({ name, figures: medianOf(runs), runs }))
  const [ours, ...others] = contestants as [typeof contestants[number], typeof contestants[number]]
  const best = others.reduce((a, b) => a.figures.rowsPerSecond > b.figures.rowsPerSecond ? a : b)
  const ratio = median(ours.runs.map(({ rowsPerSecond }, i) => rowsPerSecond / (best.runs[i]?.rowsPerSecond ?? NaN)))
  return { id, name, contestants, best: best.name, ratio }
}
