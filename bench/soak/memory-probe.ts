import { appendFileSync } from 'node:fs'

/** Preloaded into Node-RED (`--import`): writes its memory into the file that SOAK_MEMORY names, a line a second. */

/** Bytes; `at` in ms since 1970, `loop` in ms that the event loop was late. */
export interface MemorySample { at: number, pid: number, rss: number, heapUsed: number, external: number, loop: number }

const file = process.env['SOAK_MEMORY']
let last = performance.now()

if (file !== undefined) {
  setInterval(() => {
    const now = performance.now()
    const { rss, heapUsed, external } = process.memoryUsage()
    appendFileSync(file, `${JSON.stringify({ at: Date.now(), pid: process.pid, rss, heapUsed, external, loop: Math.max(0, now - last - 1000) } satisfies MemorySample)}\n`)
    last = now
  }, 1000).unref()
}
