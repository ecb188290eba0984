import { setTimeout as pause } from 'node:timers/promises'
import type { Actor } from './actor.ts'
import { inflict, type Harm } from './inflict.ts'
import { laneOf, type Stroke } from './plan.ts'
import { timeOf } from './time.ts'
import type { World } from './world.ts'

export interface Operation {
  plan: readonly Stroke[]
  seconds: number
  actors: ReadonlyArray<Actor<unknown>>
  /** A fault that could not be made to happen, or a deploy that did not succeed. */
  failed (stroke: Stroke, error: Error): void
  log (line: string): void
}

/** Make the faults of a plan happen, those of one thing one after another; resolves when the time is over. */
export async function operate (world: World, { plan, seconds, actors, failed, log }: Operation): Promise<Harm[]> {
  const start = Date.now()
  const end = start + seconds * 1000
  const harms: Harm[] = []
  const lanes = [...new Set(plan.map(laneOf))].map(lane => plan.filter(stroke => laneOf(stroke) === lane))
  let check: NodeJS.Timeout | undefined
  const ended = new Promise<never>((_, reject) => {
    check = setInterval(() => {
      try {
        for (const actor of actors) actor.check()
      } catch (error) {
        reject(error as Error)
      }
    }, 500)
  })
  try {
    await Promise.race([ended, Promise.all(lanes.map(follow)).then(() => pause(Math.max(0, end - Date.now())))])
  } finally {
    clearInterval(check)
  }
  return harms

  async function follow (lane: readonly Stroke[]): Promise<void> {
    for (const stroke of lane) {
      await pause(Math.max(0, start + stroke.at * 1000 - Date.now()))
      if (Date.now() > end) return
      log(`${timeOf(Date.now())} ${stroke.fault}${stroke.lasts > 0 ? ` for ${stroke.lasts} s` : ''}`)
      await inflict(world, stroke, harms).catch((error: Error) => { failed(stroke, error) })
    }
  }
}
