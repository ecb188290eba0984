import { readFileSync } from 'node:fs'
import type { MemorySample } from './probe.ts'
import type { Outage } from './worker.ts'

/** What the samples of one Node-RED say, in bytes and ms. */
export interface MemoryReport {
  rssMost: number
  rssLast: number
  heapMost: number
  /** Since the last start, and how many seconds that was without its beginning: a few say nothing. */
  heapPerMinute: number
  steadySeconds: number
  loopMost: number
  samples: MemorySample[]
}

/** @param file where the memory probe wrote */
export function memoryOf (file: string, outages: readonly Outage[]): MemoryReport {
  const samples = readFileSync(file, 'utf8').split('\n').filter(line => line.endsWith('}')).map(line => JSON.parse(line) as MemorySample)
  // From the last start on, without the first third, in which it grows to its size.
  const last = outages.at(-1)?.to ?? 0
  const started = samples.filter(({ at }) => at > last)
  const steady = started.slice(Math.floor(started.length / 3))
  return {
    rssMost: Math.max(...samples.map(({ rss }) => rss)),
    rssLast: samples.at(-1)?.rss ?? NaN,
    heapMost: Math.max(...samples.map(({ heapUsed }) => heapUsed)),
    heapPerMinute: slope(steady.map(({ at, heapUsed }) => [at / 60_000, heapUsed])),
    steadySeconds: steady.length === 0 ? 0 : (steady.at(-1)!.at - steady[0]!.at) / 1000,
    loopMost: Math.max(...samples.map(({ loop }) => loop)),
    samples
  }
}

/** Least squares. */
function slope (points: Array<[number, number]>): number {
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [middleX, middleY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const [above, below] = points.reduce(([a, b], [x, y]) => [a + (x - middleX) * (y - middleY), b + (x - middleX) ** 2], [0, 0])
  return below > 0 ? above / below : 0
}

export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
