import { platziverse } from '../contestants/platziverse.ts'
import type { Machine } from '../machine.ts'
import { storedLoad, untilReady, type Settings } from '../measure.ts'
import { medianOf } from '../medians.ts'
import type { Percentiles } from '../percentiles.ts'
import { startServer, type Server } from '../server.ts'
import { describeMachineLine, whole } from '../table.ts'
import { addresses } from './run.ts'

/** So many agents, each of which reports so many metrics. */
export interface Crowd { agents: number, metrics: number }

/** All agents report once, at the same moment; a median of its rounds. */
export interface FirstFigures {
  /** Seconds from the first publish to the last PUBACK, with agents and series that the database does not have yet. */
  unknown: number
  /** ms from publish to PUBACK. */
  unknownLatency: Percentiles
  /** The same after a restart of everything, with agents and series that it has. */
  known: number
  knownLatency: Percentiles
  /** Bytes of the heap and outside it that are kept after a restart once all agents have reported and gone. */
  kept: number
  /** ms that the event loop was held up at most, after the restart. */
  delay: number
}

export interface FirstResult { crowd: Crowd, figures: FirstFigures }

export async function runFirst (options: Settings & { crowds: Crowd[], runs: number }): Promise<FirstResult[]> {
  const rounds = new Map<Crowd, FirstFigures[]>(options.crowds.map(crowd => [crowd, []]))
  for (let round = 1; round <= options.runs; round++) {
    for (const [crowd, figures] of rounds) {
      const measured = await measureFirst(crowd, options)
      figures.push(measured)
      process.stderr.write(`round ${round} of ${options.runs}: ${crowd.agents} agents, ${crowd.metrics} metrics each: unknown ${measured.unknown.toFixed(1)} s, known ${measured.known.toFixed(1)} s\n`)
    }
  }
  return [...rounds].map(([crowd, figures]) => ({ crowd, figures: medianOf(figures) }))
}

async function measureFirst ({ agents, metrics }: Crowd, options: Settings): Promise<FirstFigures> {
  const report = (server: Server): ReturnType<typeof storedLoad> => storedLoad(platziverse, server,
    { messages: agents, window: 1, addresses, shape: { metrics, payload: 0, uuids: 1 } }, { agents })
  let server = await startServer(platziverse, options)
  try {
    await untilReady(platziverse, server)
    const { load: unknown } = await report(server)
    await server.close()
    server = await startServer(platziverse, options, server.place)
    await untilReady(platziverse, server)
    const before = await server.kept()
    server.resetProbe()
    const { load: known } = await report(server)
    const { loopDelayMax } = await server.probe()
    return { unknown: unknown.seconds, unknownLatency: unknown.latency, known: known.seconds, knownLatency: known.latency, kept: await server.kept() - before, delay: loopDelayMax }
  } finally {
    await server.stop()
  }
}

/** The results as Markdown, fit for docs/performance.md. */
export function describeFirst (results: FirstResult[], machine: Machine, { runs }: { runs: number }, date: string): string {
  const rows: Array<[head: string, cell: (result: FirstResult) => string]> = [
    ['', ({ crowd }) => `${whole(crowd.agents)} agents, ${whole(crowd.metrics)} metrics each`],
    ['new to the database: s to the last PUBACK', ({ figures }) => figures.unknown.toFixed(1)],
    ['… ms to PUBACK, p50, p99', ({ figures }) => latencies(figures.unknownLatency)],
    ['after a restart of everything: s to the last PUBACK', ({ figures }) => figures.known.toFixed(1)],
    ['… ms to PUBACK, p50, p99', ({ figures }) => latencies(figures.knownLatency)],
    ['… longest hold-up of the event loop, ms', ({ figures }) => whole(figures.delay)],
    ['… MB kept once all have gone', ({ figures }) => (figures.kept / 1e6).toFixed(1)],
    ['… bytes a series', ({ crowd, figures }) => whole(figures.kept / crowd.agents / crowd.metrics)]
  ]
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  const table = rows.flatMap(([head, cell], i) => [line([head, ...results.map(cell)]), ...i === 0 ? [line(['---', ...results.map(() => '---:')])] : []]).join('\n')
  return `${table}\n\n${describeMachineLine(machine, date)}, fdatasync ${machine.fsync.toFixed(2)} ms. Medians of ${runs} interleaved run${runs === 1 ? '' : 's'}: ` +
    'all agents are connected, then each sends one message of QoS 1 at the same moment. The generator is on the same machine.'
}

function latencies ({ p50, p99 }: Percentiles): string {
  return `${whole(p50)}, ${whole(p99)}`
}
