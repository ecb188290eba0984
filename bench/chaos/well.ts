import { kindOf } from './kinds.ts'
import type { Harm } from './inflict.ts'
import { readLedger } from './ledger.ts'

/** How long it took after a fault until every publisher had an acknowledgement of something that it sent after it, ms. */
export interface Recovery { harm: Harm, ms: number }

/**
 * A fault is left out if another one that was over later was in the way, which then has the time of both; and one after which nothing more
 * was sent.
 * @param ledger of the publishers that send all the time
 */
export async function recoveriesFrom (ledger: string, harms: readonly Harm[]): Promise<Recovery[]> {
  const acknowledged = new Map<string, Array<[sentAt: number, doneAt: number]>>()
  for await (const { uuid, sentAt, doneAt } of readLedger(ledger)) {
    const kind = kindOf(uuid)
    // Those that wait for nothing, cut their own connection, or send seldom, do not tell.
    if (kind === undefined || kind.qos === 0 || kind.hasty === true || kind.reconnects === true || kind.copies !== undefined) continue
    const known = acknowledged.get(uuid)
    if (known === undefined) acknowledged.set(uuid, [[sentAt, doneAt]])
    else known.push([sentAt, doneAt])
  }
  const timelines = [...acknowledged.values()].map(soonest)
  return harms.flatMap(harm => {
    const well = Math.max(...timelines.map(timeline => timeline(harm.over)))
    const isInTheWay = (other: Harm): boolean => other !== harm && other.from <= well && other.over > harm.over
    return Number.isFinite(well) && !harms.some(isInTheWay) ? [{ harm, ms: well - harm.over }] : []
  })
}

/** The time of the first acknowledgement of what was sent after a time. */
function soonest (messages: Array<[sentAt: number, doneAt: number]>): (time: number) => number {
  messages.sort(([a], [b]) => a - b)
  const from = messages.map(([, doneAt]) => doneAt)
  for (let i = from.length - 2; i >= 0; i--) from[i] = Math.min(from[i] ?? Infinity, from[i + 1] ?? Infinity)
  return time => {
    let [low, high] = [0, messages.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((messages[middle]?.[0] ?? 0) > time) high = middle
      else low = middle + 1
    }
    return from[low] ?? Infinity
  }
}
