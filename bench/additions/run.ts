import type { Contestant } from '../contestants/contestant.ts'
import { platziverse, platziverseWith } from '../contestants/platziverse.ts'
import { storedLoad, untilReady, type Settings } from '../measure.ts'
import { medianOf } from '../medians.ts'
import { usualShape } from '../packets.ts'
import { median } from '../percentiles.ts'
import { perMessage } from '../samples.ts'
import { startServer } from '../server.ts'

/** So many rows of "Other topics", through the last of which all messages come; or so many rules of metric-alert, none of which is ever met. */
export interface Addition { what: 'topics' | 'alerts', count: number }

export interface AdditionFigures {
  /** Stored a second. */
  messagesPerSecond: number
  /** Microseconds of user and system time of Node-RED for each. */
  cpuPerMessage: number
}

/** `beside` (messages/s), `cpuBeside` and `cpuMore` (µs a message) are medians of the rounds, each next to the main flow as it is in the same round. */
export interface AdditionResult { addition?: Addition, agents: number, metrics: number, figures: AdditionFigures, beside: number, cpuBeside: number, cpuMore: number }

/** Seconds of load before what counts. */
const settling = 1
const otherTopic = 'tele/plant/SENSOR'

interface Options extends Settings { additions: Addition[], metrics: number[], crowds: number[], runs: number }

/** Every flow once a round, in a process of its own, so that whatever else the machine does meets all alike. */
export async function runAdditions (options: Options): Promise<AdditionResult[]> {
  const results: AdditionResult[] = []
  for (const agents of options.crowds) for (const metrics of options.metrics) results.push(...await measureShape(options, agents, metrics))
  return results
}

async function measureShape (options: Options, agents: number, metrics: number): Promise<AdditionResult[]> {
  const flows: Array<Addition | undefined> = [undefined, ...options.additions]
  const rounds: AdditionFigures[][] = flows.map(() => [])
  for (let round = 1; round <= options.runs; round++) {
    for (const [index, addition] of flows.entries()) {
      const figures = await measureAddition(addition, { ...options, agents }, metrics)
      rounds[index]?.push(figures)
      process.stderr.write(`round ${round} of ${options.runs}: ${agents} agents, ${metrics} metrics, ${addition === undefined ? 'main flow' : `${addition.count} ${addition.what}`} … ${Math.round(figures.messagesPerSecond)} messages/s, ${figures.cpuPerMessage.toFixed(1)} µs\n`)
    }
  }
  return flows.map((addition, index) => {
    const next = (rounds[index] ?? []).map((figures, round) => ({ figures, plain: rounds[0]?.[round] ?? figures }))
    return {
      ...addition === undefined ? {} : { addition },
      agents,
      metrics,
      figures: medianOf(rounds[index] ?? []),
      beside: median(next.map(({ figures, plain }) => figures.messagesPerSecond / plain.messagesPerSecond)),
      cpuBeside: median(next.map(({ figures, plain }) => figures.cpuPerMessage / plain.cpuPerMessage)),
      cpuMore: median(next.map(({ figures, plain }) => figures.cpuPerMessage - plain.cpuPerMessage))
    }
  })
}

async function measureAddition (addition: Addition | undefined, options: Settings, metrics: number): Promise<AdditionFigures> {
  const contestant = flowWith(addition)
  const server = await startServer(contestant, options)
  const order = { shape: { ...usualShape, metrics }, ...addition?.what === 'topics' ? { topic: otherTopic } : {} }
  try {
    await untilReady(contestant, server)
    await storedLoad(contestant, server, { ...order, seconds: options.warmUp }, options)
    const { load } = await storedLoad(contestant, server, { ...order, seconds: settling + options.seconds, watch: server.pid }, options)
    server.check()
    const { messagesPerSecond, cpu } = perMessage(load.samples, settling)
    return { messagesPerSecond, cpuPerMessage: cpu * 1e6 }
  } finally {
    await server.stop()
  }
}

function flowWith (addition: Addition | undefined): Contestant {
  if (addition === undefined) return platziverse
  const { what, count } = addition
  if (what === 'topics') {
    const others = Array.from({ length: count - 1 }, (_, i) => ({ topic: `site${i}/{uuid}/SENSOR`, format: 'json' }))
    return platziverseWith({ otherTopics: [...others, { topic: 'tele/{site}/SENSOR', format: 'json', uuid: '{$.agent.uuid}', take: ['metrics.*.value'], time: { path: 'timestamp', unit: 'ms' } }] })
  }
  const limits = { condition: 'above', value: 1e9, high: '', end: '', endHigh: '', for: 0, endFor: 0, within: 60, severity: 'warning', repeat: 0 }
  return platziverseWith({ rules: Array.from({ length: count }, (_, i) => ({ id: `rule${i}`, name: `rule ${i}`, agents: '', types: '*', ...limits })) })
}
