import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { platziverse } from '../contestants/platziverse.ts'
import type { Target } from '../databases/targets.ts'
import { generate } from '../generate.ts'
import { storedLoad, untilReady, type Settings } from '../measure.ts'
import { medianOf } from '../medians.ts'
import { metricsPerMessage } from '../packets.ts'
import { processUsage } from '../proc.ts'
import { lastToFirst, perMessage } from '../samples.ts'
import { startServer, type Server } from '../server.ts'

/** So many agents at full load, or ten that report rarely. */
export type Crew = number | 'rare'

/** What storing costs as the number of agents grows; a median of its rounds. */
export interface AgentFigures {
  /** Stored a second, after the warm-up. */
  messagesPerSecond: number
  /** The same in the last quarter of the time, as a share of the first. */
  lastToFirst: number
  /** Bytes that the process, or the database server, gave to the disk for each metric, after the warm-up and until the last acknowledgement. */
  writtenPerMetric: number
  /** The same from the first load on until the process ended, everything included: what happens later counts, too. */
  writtenInAll: number
  /** Microseconds of user and system time of the process. */
  cpuPerMessage: number
  /** The same of the database server, where there is one. */
  serverCpuPerMessage?: number
  rows: number
  /** Bytes of the database's files after the end; on a server, of the table of metrics. */
  fileSize: number
}

/** The same agents publishing to a topic that nothing takes. */
export type PlainFigures = Pick<AgentFigures, 'messagesPerSecond' | 'cpuPerMessage'>

/** A database server, and how to measure on it. */
export interface OnServer { target: Target, measure (target: Target, crew: Crew, options: Settings): Promise<AgentFigures> }

export interface CrewResult { crew: Crew, stored: AgentFigures, plain?: PlainFigures }

/** Messages that all agents together have unacknowledged, at least: one each, and fifty at most. */
const inFlight = 1000
/** An address may have 1,000 connections, and open 200 a second. */
export const addresses = 30
/** Seconds, messages a second and metrics a message of ten agents that report rarely; messages that are there before: each series fills several pages. */
export const rare = { agents: 10, seconds: 60, rate: 2, metrics: 6, before: 5000 }

export function windowOf (agents: number): number {
  return Math.min(50, Math.ceil(inFlight / agents))
}

/** Seconds: an agent's first message, with its series, takes longer than the others. */
export function warmUpOf (crew: Crew): number {
  return crew === 'rare' ? 5 : 3 + crew / 500
}

/** Every crew once a round, each on a fresh process and file. @param server in place of a file */
export async function runAgents (options: Settings & { crews: Crew[], runs: number }, server?: OnServer): Promise<CrewResult[]> {
  const rounds = new Map<Crew, Array<Omit<CrewResult, 'crew'>>>(options.crews.map(crew => [crew, []]))
  for (let round = 1; round <= options.runs; round++) {
    for (const [crew, results] of rounds) {
      const result = { stored: await (server === undefined ? measureStored(crew, options) : server.measure(server.target, crew, options)), ...crew === 'rare' ? {} : { plain: await measurePlain(crew, options) } }
      results.push(result)
      const { stored: { messagesPerSecond, writtenPerMetric, cpuPerMessage } } = result
      process.stderr.write(`round ${round} of ${options.runs}: ${crew} agents … ${Math.round(messagesPerSecond)} messages/s, ${Math.round(writtenPerMetric)} bytes a metric, ${cpuPerMessage.toFixed(1)} µs\n`)
    }
  }
  return [...rounds].map(([crew, results]) => ({ crew, ...medianOf(results) }))
}

async function measureStored (crew: Crew, options: Settings): Promise<AgentFigures> {
  const server = await startServer({ ...platziverse, id: `${crew}-stored` }, options)
  try {
    await untilReady(platziverse, server)
    const warmUp = warmUpOf(crew)
    const metrics = crew === 'rare' ? rare.metrics : metricsPerMessage
    const shape = { metrics, payload: 0, uuids: 1 }
    const earlier = crew === 'rare' ? await storedLoad(platziverse, server, { messages: rare.before, shape }, rare) : { rows: 0 }
    const before = processUsage(server.pid).written
    const order = crew === 'rare'
      ? { seconds: rare.seconds, rate: rare.rate, shape, watch: server.pid }
      : { seconds: warmUp + options.seconds, window: windowOf(crew), addresses, watch: server.pid }
    const { load, rows } = await storedLoad(platziverse, server, order, { agents: crew === 'rare' ? rare.agents : crew })
    const after = await server.close()
    const warm = perMessage(load.samples, warmUp)
    return {
      messagesPerSecond: warm.messagesPerSecond,
      lastToFirst: lastToFirst(load.samples, warmUp),
      writtenPerMetric: warm.written / metrics,
      writtenInAll: (after - before) / rows,
      cpuPerMessage: warm.cpu * 1e6,
      rows: rows + earlier.rows,
      fileSize: sizeOf(server)
    }
  } finally {
    await server.stop()
  }
}

async function measurePlain (agents: number, options: Settings): Promise<PlainFigures> {
  const server = await startServer({ ...platziverse, id: `${agents}-plain` }, options)
  const warmUp = warmUpOf(agents)
  try {
    await untilReady(platziverse, server)
    const load = await generate({
      port: server.place.port, agents, topic: 'bench/plain', seconds: warmUp + options.seconds, window: windowOf(agents), addresses, watch: server.pid, patience: 60
    })
    server.check()
    const { messagesPerSecond, cpu } = perMessage(load.samples, warmUp)
    return { messagesPerSecond, cpuPerMessage: cpu * 1e6 }
  } finally {
    await server.stop()
  }
}

function sizeOf ({ place: { folder } }: Server): number {
  return readdirSync(folder).filter(name => name.startsWith('bench.sqlite')).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}
