import { appendFileSync, readFileSync } from 'node:fs'

/**
 * Preloaded into Node-RED (`--import`): writes its memory into the file that CHAOS_MEMORY names, a line a second, and puts its clock
 * forward or back by the ms in the file that CHAOS_CLOCK names. That is the clock that JavaScript reads; timers go on as they do when
 * the system's clock is set.
 */

/** Bytes; `at` in ms since 1970, `loop` in ms that the event loop was late. */
export interface MemorySample { at: number, pid: number, rss: number, heapUsed: number, external: number, loop: number }

const { CHAOS_MEMORY: memory, CHAOS_CLOCK: clock } = process.env
const SystemDate = Date
const systemNow = SystemDate.now.bind(SystemDate)

if (memory !== undefined) {
  let last = performance.now()
  setInterval(() => {
    const now = performance.now()
    const { rss, heapUsed, external } = process.memoryUsage()
    appendFileSync(memory, `${JSON.stringify({ at: systemNow(), pid: process.pid, rss, heapUsed, external, loop: Math.max(0, now - last - 1000) } satisfies MemorySample)}\n`)
    last = now
  }, 1000).unref()
}

if (clock !== undefined) {
  let offset = 0
  const look = (): void => { offset = Number(readFileSync(clock, 'utf8')) }
  look()
  setInterval(look, 100).unref()
  SystemDate.now = () => systemNow() + offset
  globalThis.Date = new Proxy(SystemDate, {
    construct: (target, args: unknown[], made) => Reflect.construct(target, args.length > 0 ? args : [target.now()], made) as object,
    apply: target => new target(target.now()).toString()
  })
}
