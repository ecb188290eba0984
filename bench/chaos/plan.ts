import type { Deployment } from './deployments.ts'
import { faultOf, type FaultName, type Thing } from './faults.ts'
import { between, randomOf, shuffled, type Random } from './random.ts'

/** A fault at a time. */
export interface Stroke {
  fault: FaultName
  /** Seconds from the beginning, and from `at`. */
  at: number
  lasts: number
  /** Which of several such things, from 0 on. */
  which: number
  /** Seed of what else is random about it. */
  seed: number
}

/** Seconds between the end of one fault and the beginning of the next, least and most, of one thing. */
export type Pace = Record<Thing, readonly [number, number]>

export const usualPace: Pace = { worker: [4, 12], broker: [8, 20], database: [5, 15], network: [2, 8] }

export interface PlanOptions {
  deployment: Deployment
  seconds: number
  seed: number
  chosen: readonly FaultName[]
  pace?: Pace
}

/**
 * The same seed makes the same plan. Each thing has every one of its faults before it has one again.
 * @param options.chosen what may happen
 */
export function planOf ({ deployment, seconds, seed, chosen, pace = usualPace }: PlanOptions): Stroke[] {
  const things: Array<[Thing, number]> = [...Array.from({ length: deployment.workers }, (_, i): [Thing, number] => ['worker', i]), ['broker', 0], ['database', 0], ['network', 0]]
  return things
    .flatMap(([thing, which], i) => strokesOf(thing, which, randomOf(seed * 31 + i)))
    .sort((a, b) => a.at - b.at)

  function strokesOf (thing: Thing, which: number, random: Random): Stroke[] {
    const names = chosen.filter(name => faultOf(name).on === thing)
    const strokes: Stroke[] = []
    let at = between(random, ...pace[thing])
    while (names.length > 0 && at < seconds) {
      for (const fault of shuffled(random, names)) {
        const { lasts: [least, most] = [0, 0] } = faultOf(fault)
        // What has begun is over when the time is.
        const lasts = Math.min(between(random, least, most), Math.max(0, seconds - at))
        if (at < seconds) strokes.push({ fault, at: rounded(at), lasts: rounded(lasts), which, seed: Math.floor(random() * 2 ** 31) })
        at += lasts + between(random, ...pace[thing])
      }
    }
    return strokes
  }
}

/** What a fault befalls: a thing, and which of several. */
export const laneOf = ({ fault, which }: Stroke): string => `${faultOf(fault).on} ${which}`

const rounded = (seconds: number): number => Math.round(seconds * 10) / 10
