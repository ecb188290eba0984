import { setTimeout as pause } from 'node:timers/promises'
import type { Version } from '../packets.ts'
import type { Percentiles } from '../percentiles.ts'
import { busySeconds, cpuSeconds, memory } from '../proc.ts'
import type { Server } from '../server.ts'
import { startGenerator } from './generator.ts'
import type { Shape } from './shapes.ts'

/** What one run of one shape on one contestant measured. */
export interface DeliveryFigures {
  /** Messages that arrived at receivers a second; without receivers: that were acknowledged. */
  deliveredPerSecond: number
  /** Microseconds of user and system time of the broker for each of them. */
  cpuPerDelivery: number
  /** ms from publish to arrival (without receivers: to PUBACK) at the steady rate. */
  latency: Percentiles
  /** Messages at QoS 0 that did not arrive; any other that is lost, doubled or out of order is an error. */
  lost: number
  /** The broker's share of a core under full load. */
  brokerBusy: number
  /** The load generator's share of a core under full load: where the broker's is not near 1, this or `elsewhere` is the bottleneck. */
  generatorBusy: number
  /** Cores that something else kept busy under full load. */
  elsewhere: number
}

/** @param settings seconds of full load, with half as much before it to warm up and after it at `steadyRate` deliveries a second */
export async function measureDelivery (server: Server, version: Version, shape: Shape, { seconds, steadyRate }: { seconds: number, steadyRate: number }): Promise<DeliveryFigures> {
  const generator = await startGenerator('load.ts', { port: server.place.port, version, shape })
  try {
    await generator.run({ seconds: seconds / 2 })
    const [cpuBefore, busyBefore, start] = [cpuSeconds(server.pid), busySeconds(), performance.now()]
    const full = await generator.run({ seconds })
    const cpu = cpuSeconds(server.pid) - cpuBefore
    const elsewhere = (busySeconds() - busyBefore - cpu - full.cpu) / (performance.now() - start) * 1000
    const steady = await generator.run({ seconds: seconds / 2, rate: steadyRate })
    server.check()
    return {
      deliveredPerSecond: full.delivered / full.seconds,
      cpuPerDelivery: cpu * 1e6 / full.delivered,
      latency: steady.latency,
      lost: full.lost + steady.lost,
      brokerBusy: cpu / full.seconds,
      generatorBusy: full.cpu / full.seconds,
      elsewhere
    }
  } finally {
    await generator.stop()
  }
}

/** Bytes of resident memory that one idle connection adds. */
export async function measureIdle (server: Server, version: Version, connections: number): Promise<number> {
  // A process that just started still grows by itself.
  await pause(1000)
  const before = memory(server.pid, 'VmRSS')
  const generator = await startGenerator('idle-load.ts', { port: server.place.port, version, connections })
  try {
    await pause(2000)
    server.check()
    return (memory(server.pid, 'VmRSS') - before) / connections
  } finally {
    await generator.stop()
  }
}
