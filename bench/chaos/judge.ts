import { percentiles, type Percentiles } from '../percentiles.ts'
import type { FloodReport, FloodsReport } from './actors/floods.ts'
import type { HonestReport, Latency } from './actors/honest.ts'
import type { StormsReport } from './actors/storms.ts'
import { isDuring, type Violations } from './audit.ts'
import type { Harm } from './inflict.ts'
import { megabytes, type MemoryReport } from './memory.ts'
import type { ChaosReport } from './report.ts'
import { timeOf } from './time.ts'
import type { Recovery } from './well.ts'
import type { Outage } from './worker.ts'

/**
 * What is too much. Latencies are of an honest client, in ms, without the times in which Node-RED was not there or frozen; the machine's
 * own lateness is taken off.
 */
export interface Bounds { pingP99: number, publishP99: number, editorP99: number, worst: number, rss: number, heapPerMinute: number, recovery: number }

export const usualBounds: Bounds = { pingP99: 1_000, publishP99: 1_000, editorP99: 3_000, worst: 8_000, rss: 1e9, heapPerMinute: 5e6, recovery: 60_000 }

/** Seconds without which the growth of the heap says nothing. */
const longEnough = 600

export function judgeMemory (memory: MemoryReport[], bounds: Bounds, violations: Violations): void {
  for (const { rssMost, heapPerMinute, steadySeconds } of memory) {
    if (rssMost > bounds.rss) violations.add('memory is bounded', `resident ${megabytes(rssMost)} at most, ${megabytes(bounds.rss)} allowed`)
    if (heapPerMinute > bounds.heapPerMinute && steadySeconds >= longEnough) violations.add('memory is bounded', `the heap grew by ${megabytes(heapPerMinute)} a minute`)
  }
}

export function judgeRecoveries (recoveries: Recovery[], bounds: Bounds, violations: Violations): void {
  for (const { harm, ms } of recoveries) {
    if (ms > bounds.recovery) violations.add('what was harmed gets well', `${Math.round(ms / 1000)} s after ${harm.fault} at ${timeOf(harm.from)}, ${bounds.recovery / 1000} s allowed`)
  }
}

export function judgeFloods ({ held, refused, lockedOut }: FloodsReport, violations: Violations): void {
  if (held > 0) violations.add('a refused upgrade is closed', `${held} of ${refused} sockets were open after 16 s`, held)
  for (const name of lockedOut) violations.add('a flood locks no address out for good', name)
}

/** Percentiles of the honest client's waits, but for the times in which nobody could have answered. */
export function latencyOf (latencies: HonestReport, outages: readonly Outage[], harms: readonly Harm[]): ChaosReport['latency'] {
  const away = [...outages, ...harms.filter(({ fault }) => fault === 'worker-freeze' || fault === 'broker-freeze').map(({ from, over }) => ({ from, to: over, why: 'frozen' }))]
  const of = (values: Latency[]): Percentiles & { count: number } => {
    const counted = values.filter(({ at, ms }) => !isDuring(away, at, at + ms)).map(({ ms }) => ms)
    return { ...percentiles(counted), count: counted.length }
  }
  return { ping: of(latencies.ping), publish: of(latencies.publish), editor: of(latencies.editor), own: of(latencies.own) }
}

export function judgeLatency (latency: ChaosReport['latency'], bounds: Bounds, violations: Violations): void {
  for (const [what, most] of [['ping', bounds.pingP99], ['publish', bounds.publishP99], ['editor', bounds.editorP99]] as const) {
    const { p99, max } = latency[what]
    const machine = latency.own.p99
    if (p99 - machine > most) violations.add('an honest client does not wait', `${what}: p99 ${Math.round(p99)} ms, of which ${Math.round(machine)} ms are the machine's; ${most} ms allowed`)
    if (max - latency.own.max > bounds.worst) violations.add('an honest client does not wait', `${what}: ${Math.round(max)} ms at worst, ${bounds.worst} ms allowed`)
  }
}

export function underFloods (floods: FloodReport[], ping: Latency[]): ChaosReport['underFlood'] {
  return floods.filter(({ times }) => times.length > 0).map(({ name, sent, times }) => ({
    name, sent, ping: percentiles(ping.filter(({ at }) => times.some(({ from, to }) => at >= from && at <= to)).map(({ ms }) => ms))
  }))
}

/** What happened, in the order of time. */
export function timelineOf (outages: readonly Outage[], harms: readonly Harm[], floods: FloodReport[], storms: StormsReport | undefined): string[] {
  const events = [
    ...harms.map(({ fault, from, over }) => ({ from, to: over, what: fault })),
    ...outages.map(({ from, to, why, ofBroker }) => ({ from, to, what: ofBroker === true ? why : `Node-RED ${why}` })),
    ...floods.flatMap(({ name, times }) => times.map(time => ({ ...time, what: `flood of ${name}` }))),
    ...(storms?.times ?? []).map(time => ({ ...time, what: 'storm' }))
  ]
  return events.sort((a, b) => a.from - b.from).map(({ from, to, what }) => `${timeOf(from)}–${Number.isFinite(to) ? timeOf(to) : ''} ${what}`)
}
