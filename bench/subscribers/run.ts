import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { platziverse } from '../contestants/platziverse.ts'
import { storedLoad, untilReady, type Settings } from '../measure.ts'
import { medianOf } from '../medians.ts'
import { median } from '../percentiles.ts'
import { perMessage } from '../samples.ts'
import { startServer, type Server } from '../server.ts'
import type { ListenOrder, ListenReport } from './listen.ts'

/** Subscribers of everything that the main flow publishes. */
export interface Audience { subscribers: number, qos: 0 | 1 }

export interface AudienceFigures {
  /** Stored a second while all of them listen. */
  messagesPerSecond: number
  /** Microseconds of user and system time of Node-RED for each. */
  cpuPerMessage: number
  /** Messages at QoS 0 that did not come; at QoS 1 that is an error. */
  lost: number
}

/** `beside` is the median of the rounds' ratios to the first audience of the same round. */
export interface AudienceResult { audience: Audience, figures: AudienceFigures, beside: number }

/** Seconds of load before what counts. */
const settling = 1
/** Seconds that the last messages may take to their subscribers. */
const patience = 10

/** Every audience once a round, all of a round on one process, so that whatever else the machine does meets them alike. */
export async function runSubscribers (options: Settings & { audiences: number[], runs: number }): Promise<AudienceResult[]> {
  const audiences = options.audiences.flatMap((subscribers): Audience[] => subscribers === 0 ? [{ subscribers, qos: 0 }] : [{ subscribers, qos: 0 }, { subscribers, qos: 1 }])
  const rounds: AudienceFigures[][] = audiences.map(() => [])
  for (let round = 1; round <= options.runs; round++) {
    const server = await startServer(platziverse, options)
    try {
      await untilReady(platziverse, server)
      await storedLoad(platziverse, server, { seconds: options.warmUp }, options)
      for (const [index, audience] of audiences.entries()) {
        const figures = await measureAudience(server, audience, options)
        rounds[index]?.push(figures)
        process.stderr.write(`round ${round} of ${options.runs}: ${audience.subscribers} subscribers, QoS ${audience.qos} … ${Math.round(figures.messagesPerSecond)} messages/s, ${figures.cpuPerMessage.toFixed(1)} µs\n`)
      }
      server.check()
    } finally {
      await server.stop()
    }
  }
  return audiences.map((audience, index) => ({
    audience,
    figures: medianOf(rounds[index] ?? []),
    beside: median((rounds[index] ?? []).map(({ messagesPerSecond }, round) => messagesPerSecond / (rounds[0]?.[round]?.messagesPerSecond ?? NaN)))
  }))
}

async function measureAudience (server: Server, { subscribers, qos }: Audience, options: Settings): Promise<AudienceFigures> {
  const listeners = await listen({ port: server.place.port, subscribers, qos })
  const { load } = await storedLoad(platziverse, server, { seconds: settling + options.seconds, watch: server.pid }, options)
  const lost = await listeners.missing(load.acknowledged)
  await listeners.stop()
  if (qos === 1 && lost > 0) throw new Error(`${lost} messages did not reach ${subscribers} subscribers of QoS 1.`)
  const { messagesPerSecond, cpu } = perMessage(load.samples, settling)
  return { messagesPerSecond, cpuPerMessage: cpu * 1e6, lost }
}

interface Listeners {
  /** How many of so many messages did not come, all subscribers together, once nothing more comes. */
  missing (expected: number): Promise<number>
  stop (): Promise<void>
}

async function listen (order: ListenOrder): Promise<Listeners> {
  const child = fork(fileURLToPath(new URL('listen.ts', import.meta.url)), [JSON.stringify(order)])
  const ended = once(child, 'exit')
  const receive = async (): Promise<ListenReport> => {
    const [report] = await Promise.race([once(child, 'message'), ended.then(() => [{ error: 'they ended' }])]) as [ListenReport]
    if ('error' in report) throw new Error(`The subscribers failed: ${report.error}`)
    return report
  }
  await receive()
  return {
    async missing (expected) {
      const deadline = Date.now() + patience * 1000
      for (;;) {
        child.send('report')
        const report = await receive()
        if (!('received' in report)) throw new Error('The subscribers did not report.')
        const missing = report.received.reduce((sum, received) => sum + expected - received, 0)
        if (missing === 0 || Date.now() > deadline) return missing
        await pause(100)
      }
    },
    async stop () {
      child.disconnect()
      await ended
    }
  }
}
