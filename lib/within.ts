import { setTimeout } from 'node:timers/promises'

/** Resolves with the work, or after that many ms; rejects as the work does. */
export async function within (ms: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController()
  await Promise.race([work, setTimeout(ms, undefined, { signal: timer.signal }).catch(() => undefined)])
  timer.abort()
}
