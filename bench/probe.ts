import { readFileSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Preloaded into every contestant (`--import`): answers what only the process itself can know, and ends with its parent. */

export type ProbeOrder = 'reset' | 'report' | 'kept' | 'stop' | 'close'
/** ms */
export interface ProbeReport { loopDelayP99: number, loopDelayMax: number }

/** How often the delay is sampled; the histogram contains it, so it is taken off again. */
const resolution = 5
const histogram = monitorEventLoopDelay({ resolution })
histogram.enable()

process.on('message', (order: { probe?: ProbeOrder }) => {
  if (order.probe === 'reset') histogram.reset()
  if (order.probe === 'report') {
    const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolution)
    process.send?.({ probe: { loopDelayP99: ms(histogram.percentile(99)), loopDelayMax: ms(histogram.max) } satisfies ProbeReport })
  }
  if (order.probe === 'kept') {
    setFlagsFromString('--expose-gc')
    ;(runInNewContext('gc') as () => void)()
    const { heapUsed, external } = process.memoryUsage()
    process.send?.({ kept: heapUsed + external })
  }
  if (order.probe === 'close') {
    // As late as possible: what closing writes counts, too.
    process.once('exit', () => { writeFileSync('io', readFileSync('/proc/self/io')) })
    process.kill(process.pid, 'SIGINT')
  }
  // Not a signal: exiting here also writes the CPU profile of --profile.
  if (order.probe === 'stop') process.exit(0)
})
process.on('disconnect', () => process.exit(0))
