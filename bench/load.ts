import { openAgent, type LoadAgent } from './load-agent.ts'
import type { MessageShape } from './packets.ts'
import { percentiles, type Percentiles } from './percentiles.ts'
import { processUsage, treeUsage, type Usage } from './proc.ts'

/** The load generator, a process of its own: `node load.ts '<LoadOrder as JSON>'`; sends one LoadReport to its parent. */

export interface LoadOrder {
  port: number
  agents: number
  /** Stop publishing after so many seconds … */
  seconds?: number
  /** … or after so many messages. */
  messages?: number
  /** Messages a second in all; absent: as many as the windows let through. */
  rate?: number
  /** Absent: the usual one. */
  shape?: MessageShape
  /** Unacknowledged messages that an agent may have; absent: 50. */
  window?: number
  /** Addresses of 127.0.0.0/8 that the agents connect from, in turn; absent: one. */
  addresses?: number
  /** Absent: agent/message. */
  topic?: string
  /** The broker's process: its usage is sampled each second. */
  watch?: number
  /** The database server's process: its usage, with that of the processes that it started, is sampled beside. */
  watchServer?: number
  /** Seconds that the last acknowledgements may take. */
  patience: number
}

export interface Sample extends Usage {
  /** Seconds since the first publish. */
  at: number
  acknowledged: number
  /** Of the database server. */
  server?: Usage
}

export interface LoadReport {
  published: number
  acknowledged: number
  /** ms since 1970 of the first publish. */
  startedAt: number
  /** From the first publish to the last acknowledgement. */
  seconds: number
  /** ms from publish (at a steady rate: from when it was due) to PUBACK. */
  latency: Percentiles
  /** Seconds of user and system time of the generator. */
  cpu: number
  /** One a second while messages were sent, and one after the last acknowledgement; empty without `watch`. */
  samples: Sample[]
}

async function run (order: LoadOrder): Promise<LoadReport> {
  const latencies: number[] = []
  let published = 0
  let acknowledged = 0
  let lastAt = 0
  let publishing = true
  const fail = (error: Error): void => {
    console.error(error.message)
    process.exit(1)
  }

  const agents: LoadAgent[] = []
  for (let index = 0; index < order.agents; index++) {
    agents.push(await openAgent(index, order, settled => {
      acknowledged += settled.length
      for (const latency of settled) latencies.push(latency)
      lastAt = performance.now()
      const agent = agents[index]
      if (publishing && order.rate === undefined && agent !== undefined) fill(agent)
    }, fail))
  }

  const startedAt = Date.now()
  const start = performance.now()
  const cpu = process.cpuUsage()
  const samples: Sample[] = []
  const sample = (at: number): void => {
    if (order.watch === undefined) return
    const server = order.watchServer === undefined ? {} : { server: treeUsage(order.watchServer) }
    samples.push({ at: (at - start) / 1000, acknowledged, ...processUsage(order.watch), ...server })
  }
  sample(start)
  const sampling = setInterval(() => { sample(performance.now()) }, 1000)
  const over = (): boolean => published >= (order.messages ?? Infinity) || performance.now() - start >= (order.seconds ?? Infinity) * 1000

  function fill (agent: LoadAgent): void {
    publishing = !over()
    const count = publishing ? Math.min(agent.room(), (order.messages ?? Infinity) - published) : 0
    if (count === 0) return
    agent.send(new Float64Array(count).fill(performance.now()))
    published += count
  }

  if (order.rate === undefined) {
    for (const agent of agents) fill(agent)
    while (!over()) await pause(20)
  } else {
    const { issued, unsent } = await steadily(agents, order.rate, start, over)
    published = issued - unsent.length
    for (const latency of unsent) latencies.push(latency)
  }
  publishing = false
  clearInterval(sampling)

  const deadline = performance.now() + order.patience * 1000
  while (agents.some(agent => agent.unacknowledged() > 0)) {
    if (performance.now() > deadline) fail(new Error(`${published - acknowledged} messages were not acknowledged within ${order.patience} s.`))
    await pause(5)
  }
  const { user, system } = process.cpuUsage(cpu)
  sample(lastAt)
  for (const agent of agents) agent.close()
  return {
    published,
    acknowledged,
    startedAt,
    seconds: (lastAt - start) / 1000,
    latency: percentiles(latencies),
    cpu: (user + system) / 1e6,
    samples
  }
}

/**
 * Send `rate` messages a second, whatever the broker does. One that finds its agent's window full waits, and its wait
 * counts; what still waits at the end is not sent, and counts with the ms that it has waited.
 */
async function steadily (agents: LoadAgent[], rate: number, start: number, over: () => boolean): Promise<{ issued: number, unsent: number[] }> {
  const waiting: number[][] = agents.map(() => [])
  let issued = 0
  while (!over()) {
    const now = performance.now()
    for (const due = (now - start) / 1000 * rate; issued < due; issued++) waiting[issued % agents.length]?.push(now)
    for (const [index, agent] of agents.entries()) {
      const due = waiting[index]?.splice(0, agent.room()) ?? []
      if (due.length > 0) agent.send(due)
    }
    await pause(1)
  }
  const end = performance.now()
  return { issued, unsent: waiting.flat().map(due => end - due) }
}

function pause (ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

process.on('disconnect', () => process.exit(1))
const report = await run(JSON.parse(process.argv[2] ?? '') as LoadOrder)
process.send?.(report, () => process.exit(0))
