import { platziverse } from './contestants/platziverse.ts'
import { storedLoad, untilReady, type Settings } from './measure.ts'
import { median } from './percentiles.ts'
import { memory } from './proc.ts'
import { startServer } from './server.ts'

/** Memory in bytes, resident. */
export interface Million { messages: number, rows: number, seconds: number, start: number, quarters: number[], peak: number }

/** A million messages into this package at full load, its memory sampled ten times a second. */
export async function measureMillion (settings: Settings): Promise<Million> {
  const server = await startServer(platziverse, settings)
  const samples: number[] = []
  let sampling: NodeJS.Timeout | undefined
  try {
    await untilReady(platziverse, server)
    const start = memory(server.pid, 'VmRSS')
    sampling = setInterval(() => { samples.push(memory(server.pid, 'VmRSS')) }, 100)
    const { load, rows } = await storedLoad(platziverse, server, { messages: 1_000_000 }, settings)
    clearInterval(sampling)
    const quarter = Math.ceil(samples.length / 4)
    return {
      messages: load.acknowledged,
      rows,
      seconds: load.seconds,
      start,
      quarters: [0, 1, 2, 3].map(i => median(samples.slice(i * quarter, (i + 1) * quarter))),
      peak: memory(server.pid, 'VmHWM')
    }
  } finally {
    clearInterval(sampling)
    await server.stop()
  }
}
