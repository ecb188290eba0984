import { setTimeout as pause } from 'node:timers/promises'
import type { Contestant } from './contestants/contestant.ts'
import { generate } from './generate.ts'
import type { LoadOrder, LoadReport } from './load.ts'
import { metricsPerMessage } from './packets.ts'
import type { Percentiles } from './percentiles.ts'
import { busySeconds, cpuSeconds, memory } from './proc.ts'
import { readNumber } from './reader.ts'
import { startServer, untilListening, type Server } from './server.ts'

/** What one run of one contestant measured; absent where the question makes no sense. */
export interface Figures {
  /** Stored (d1: acknowledged) a second, counted until the last one is. */
  messagesPerSecond: number
  metricsPerSecond: number
  acknowledged?: number
  /** PUBACKs a second, whatever they promise. */
  acknowledgedPerSecond?: number
  storedRows?: number
  /** Seconds from the last PUBACK to the last row. */
  drain?: number
  /** Microseconds of user and system time of the server. */
  cpuPerMessage: number
  /** Bytes. */
  peakMemory: number
  /** ms, under full load. */
  loopDelayP99: number
  loopDelayMax: number
  /** ms from publish to PUBACK. */
  fullLatency?: Percentiles
  steadyLatency?: Percentiles
  /** The load generator's share of a core under full load: near 1 it is the bottleneck itself. */
  generatorBusy?: number
  /** Cores that something else kept busy under full load: near 0, or the machine was not quiet. */
  elsewhere?: number
}

export interface Settings { seconds: number, warmUp: number, steadyRate: number, agents: number, nodeFlags: string[], profile: boolean }

/** Run one contestant from its start to its end. Throws when it lost, doubled or refused anything. */
export async function measure (contestant: Contestant, settings: Settings): Promise<Figures> {
  const server = await startServer(contestant, settings)
  try {
    const figures = contestant.acknowledges === 'nothing' ? await measureInserts(server, settings) : await measureMqtt(contestant, server, settings)
    server.check()
    return figures
  } finally {
    await server.stop()
  }
}

async function measureMqtt (contestant: Contestant, server: Server, settings: Settings): Promise<Figures> {
  await untilReady(contestant, server)
  await storedLoad(contestant, server, { seconds: settings.warmUp }, settings)

  server.resetProbe()
  const [cpuBefore, busyBefore, start] = [cpuSeconds(server.pid), busySeconds(), performance.now()]
  const { load, rows, storedAfter } = await storedLoad(contestant, server, { seconds: settings.seconds }, settings)
  const cpu = cpuSeconds(server.pid) - cpuBefore
  const elsewhere = (busySeconds() - busyBefore - cpu - load.cpu) / (performance.now() - start) * 1000
  const delays = await server.probe()
  const peakMemory = memory(server.pid, 'VmHWM')

  const order = { seconds: settings.seconds, rate: settings.steadyRate }
  // What acknowledges on arrival may need minutes to store this; its latency is known before.
  const steady = contestant.acknowledges === 'once stored' ? (await storedLoad(contestant, server, order, settings)).load : await runLoad(server, order, settings)
  return {
    messagesPerSecond: load.acknowledged / storedAfter,
    metricsPerSecond: load.acknowledged * metricsPerMessage / storedAfter,
    acknowledged: load.acknowledged,
    acknowledgedPerSecond: load.acknowledged / load.seconds,
    ...contestant.rows === undefined ? {} : { storedRows: rows, drain: storedAfter - load.seconds },
    cpuPerMessage: cpu * 1e6 / load.acknowledged,
    peakMemory,
    ...delays,
    fullLatency: load.latency,
    steadyLatency: steady.latency,
    generatorBusy: load.cpu / load.seconds,
    elsewhere
  }
}

type Order = Omit<LoadOrder, 'port' | 'agents' | 'patience'>

/** A flow that is still starting would lose messages: wait for its port, its table, and a first message in it. */
export async function untilReady ({ name, rows }: Contestant, server: Server): Promise<void> {
  await untilListening(server, 30)
  for (let tries = 0; rows !== undefined; tries++) {
    const stored = readNumber(server.place.database, rows)
    if (stored !== undefined && stored > 0) return
    if (tries === 40) throw new Error(`${name} stored nothing within ${tries} tries.`)
    if (stored === 0) await runLoad(server, { messages: 1 }, { agents: 1 })
    await pause(500)
    server.check()
  }
}

/** One load, and how long until the database has all of it. */
export async function storedLoad (contestant: Contestant, server: Server, order: Order, settings: Pick<Settings, 'agents'>): Promise<{ load: LoadReport, rows: number, storedAfter: number }> {
  const { rows: count, progress, name, acknowledges } = contestant
  const { database } = server.place
  const before = count === undefined ? 0 : readNumber(database, count) ?? NaN
  const load = await runLoad(server, order, settings)
  server.check()
  if (count === undefined) return { load, rows: 0, storedAfter: load.seconds }

  const expected = load.acknowledged * (order.shape?.metrics ?? metricsPerMessage)
  let storedAfter = load.seconds
  if (acknowledges === 'on arrival') {
    for (let last = { rows: 0, at: Date.now() }; ;) {
      // Rows seen earlier while the contestant holds its lock; waiting for the lock, unless nothing else helps, would hold the contestant up.
      const patience = Date.now() - last.at > 5_000 ? 1_000 : 0
      const rows = Math.max(last.rows, (readNumber(database, progress ?? count, patience) ?? 0) - before)
      storedAfter = Math.max(storedAfter, (Date.now() - load.startedAt) / 1000)
      if (rows >= expected) break
      if (rows > last.rows) last = { rows, at: Date.now() }
      if (Date.now() - last.at > 15_000) throw new Error(`${name} acknowledged ${expected} metrics, stored ${rows} and then no more.`)
      server.check()
      // Seldom enough not to be in the way of a contestant that needs long.
      await pause(Math.min(250, storedAfter * 20))
    }
  }
  const rows = (readNumber(database, count) ?? NaN) - before
  if (rows !== expected) throw new Error(`${name} acknowledged ${expected} metrics and stored ${rows}.`)
  return { load, rows, storedAfter }
}

function runLoad (server: Server, order: Order, { agents }: { agents: number }): Promise<LoadReport> {
  return generate({ port: server.place.port, agents, patience: 60, ...order })
}

async function measureInserts (server: Server, settings: Settings): Promise<Figures> {
  await server.receive('ready')
  server.send({ seconds: settings.warmUp })
  const warmUp = await server.receive<number>('rows')
  server.resetProbe()
  const cpuBefore = cpuSeconds(server.pid)
  const start = performance.now()
  server.send({ seconds: settings.seconds })
  const rows = await server.receive<number>('rows')
  const seconds = (performance.now() - start) / 1000
  const cpu = cpuSeconds(server.pid) - cpuBefore
  const storedRows = (readNumber(server.place.database, 'select count(*) as n from metrics') ?? NaN) - warmUp
  if (storedRows !== rows) throw new Error(`${rows} rows were inserted and ${storedRows} are there.`)
  const messages = rows / metricsPerMessage
  return {
    messagesPerSecond: messages / seconds,
    metricsPerSecond: rows / seconds,
    storedRows,
    cpuPerMessage: cpu * 1e6 / messages,
    peakMemory: memory(server.pid, 'VmHWM'),
    ...await server.probe()
  }
}
