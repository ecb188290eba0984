import { statfs } from 'node:fs/promises'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import systeminformation from 'systeminformation'
import { hostMetricGroups, type HostMetricGroup } from './host-metric-groups.ts'

export interface HostMetric {
  type: string
  /** null where this machine has no such number now. */
  measure: () => Promise<number | null>
}

/** Ms over which a rate is measured the first time; later it is measured since the round before. */
const firstSpan = 500
/** Ms until a missing sensor, or the default network interface, is looked for again: that starts processes. */
const lookAgainAfter = 5 * 60_000

/**
 * What can be measured of this machine, by group:
 * cpu: `cpuLoad` (% of all cores) · memory: `memoryUsed` (bytes, caches not counted), `memoryUsedPercent` ·
 * temperature: `cpuTemperature` (°C) · disk: `diskUsedPercent` (of the root file system) ·
 * network: `networkReceived`, `networkSent` (bytes/s of the default interface).
 */
export function hostMetrics (groups: readonly HostMetricGroup[] = hostMetricGroups): HostMetric[] {
  return groups.flatMap(group => makers[group]())
}

// Node itself knows about processor and disk; systeminformation would start processes, some of them synchronously.
const makers: Record<HostMetricGroup, () => HostMetric[]> = {
  cpu: () => [{ type: 'cpuLoad', measure: cpuLoad() }],
  memory: () => {
    const memory = shared(() => systeminformation.mem())
    return [
      { type: 'memoryUsed', measure: async () => (await memory()).active },
      { type: 'memoryUsedPercent', measure: async () => { const { active, total } = await memory(); return percent(active, total) } }
    ]
  },
  temperature: () => [{ type: 'cpuTemperature', measure: cpuTemperature() }],
  disk: () => [{ type: 'diskUsedPercent', measure: diskUsed }],
  network: () => {
    const rates = shared(networkRates())
    return [
      { type: 'networkReceived', measure: async () => number((await rates())?.rx_sec) },
      { type: 'networkSent', measure: async () => number((await rates())?.tx_sec) }
    ]
  }
}

function cpuLoad (): HostMetric['measure'] {
  let before = cpuTimes()
  return async () => {
    const early = before.at + firstSpan - Date.now()
    if (early > 0) await sleep(early)
    const now = cpuTimes()
    const load = percent(now.busy - before.busy, now.all - before.all)
    before = now
    return load
  }
}

function cpuTimes (): { at: number, busy: number, all: number } {
  const times = cpus().map(cpu => cpu.times)
  const all = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0)
  return { at: Date.now(), busy: all - times.reduce((sum, { idle }) => sum + idle, 0), all }
}

function cpuTemperature (): HostMetric['measure'] {
  let absentUntil = 0
  return async () => {
    if (Date.now() < absentUntil) return null
    const { main } = await systeminformation.cpuTemperature()
    // A missing sensor reads as null, as NaN or, in some virtual machines, as exactly 0.
    const degrees = number(main || null)
    if (degrees === null) absentUntil = Date.now() + lookAgainAfter
    return degrees
  }
}

/** As df counts: of the space that users may use. */
async function diskUsed (): Promise<number | null> {
  const { blocks, bfree, bavail } = await statfs(process.platform === 'win32' ? `${process.env.SystemDrive ?? 'C:'}\\` : '/')
  return percent(blocks - bfree, blocks - bfree + bavail)
}

function networkRates (): () => Promise<{ rx_sec: number, tx_sec: number } | undefined> {
  let name = ''
  let lookAgainAt = 0
  return async () => {
    if (Date.now() >= lookAgainAt) {
      name = await systeminformation.networkInterfaceDefault()
      lookAgainAt = Date.now() + lookAgainAfter
    }
    if (!name) return undefined
    const [first] = await systeminformation.networkStats(name)
    if (number(first?.rx_sec) !== null) return first
    await sleep(firstSpan)
    return (await systeminformation.networkStats(name))[0]
  }
}

/** One reading for several metrics: all calls while it runs get the same one. */
function shared<T> (read: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => running ??= read().finally(() => { running = undefined })
}

function percent (part: number, whole: number): number | null {
  return number(part / whole * 100)
}

/** Rounded to two decimals; null where it is no number. */
function number (value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? Math.round(value * 100) / 100 : null
}
