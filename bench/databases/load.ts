import type { Store } from '../../lib/store/store.ts'
import { percentiles, type Percentiles } from '../percentiles.ts'
import { messageOf, sampler, type Sample } from './messages.ts'

const next = sampler()

/** @param done called with the time (ms) when it is committed */
function write (store: Store, sample: Sample, done: (now: number) => void): void {
  store.write(messageOf(sample), sample.ts, error => {
    if (error !== null) throw error
    done(performance.now())
  }, sample.seq)
}

/** Messages committed, and the seconds that they took, from one commit to another. */
export interface Flood { messages: number, seconds: number }

/**
 * Full load: this many messages are always in flight, each followed by another one when it is committed.
 * Resolves when all are.
 */
export function flood (store: Store, { inFlight, seconds }: { inFlight: number, seconds: number }): Promise<Flood> {
  return new Promise(resolve => {
    const end = performance.now() + seconds * 1000
    let started: number | undefined
    let measured: Flood | undefined
    let messages = 0
    let left = inFlight
    const done = (now: number): void => {
      started ??= now
      if (now < end) {
        messages++
        return write(store, next(), done)
      }
      measured ??= { messages, seconds: (now - started) / 1000 }
      if (--left === 0) resolve(measured)
    }
    const begin = (count: number): void => { for (let i = 0; i < count; i++) write(store, next(), done) }
    // In two parts, as senders are never all in step: one is written while the other one comes.
    begin(Math.ceil(inFlight / 2))
    setImmediate(() => { setImmediate(() => { begin(Math.floor(inFlight / 2)) }) })
  })
}

export interface SteadyReport {
  /** Committed a second. */
  messagesPerSecond: number
  /** ms from when a message was due until it is committed: a wait before it is written counts. */
  latency: Percentiles
}

/** So many messages a second until `ended` is settled. */
export async function steady (store: Store, { rate, ended }: { rate: number, ended: Promise<unknown> }): Promise<SteadyReport> {
  const latencies: number[] = []
  const start = performance.now()
  let sent = 0
  let last = start
  await new Promise<void>((resolve, reject) => {
    let stopped = false
    const timer = setInterval(() => {
      const due = Math.floor((performance.now() - start) / 1000 * rate)
      while (sent < due && !stopped) {
        const dueAt = start + sent++ * 1000 / rate
        write(store, next(), now => {
          latencies.push(now - dueAt)
          last = now
          if (stopped && latencies.length === sent) resolve()
        })
      }
    }, 1)
    ended.then(() => {
      stopped = true
      clearInterval(timer)
      if (latencies.length === sent) resolve()
    }, reject)
  })
  return { messagesPerSecond: latencies.length / (last - start) * 1000, latency: percentiles(latencies) }
}
