import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import { platziverseOn } from '../contestants/platziverse.ts'
import { dialectAt, readNumber } from '../databases/place.ts'
import type { Target } from '../databases/targets.ts'
import { generate } from '../generate.ts'
import type { Settings } from '../measure.ts'
import { metricsPerMessage } from '../packets.ts'
import { childNamed, treeUsage, writtenBytes } from '../proc.ts'
import { lastToFirst, perMessage } from '../samples.ts'
import { startServer, untilListening, type Server } from '../server.ts'
import { addresses, rare, warmUpOf, windowOf, type AgentFigures, type Crew } from './run.ts'

const countRows = 'select count(*) as n from metrics'

/** Of each server: the name of its process, and SQL for the bytes of the table of metrics with its indexes (MariaDB: as it estimates). */
const servers: Record<string, { process: string, size: string }> = {
  postgresql: { process: 'postgres', size: "select pg_total_relation_size('metrics') as n" },
  mariadb: { process: 'mariadbd', size: "select data_length + index_length as n from information_schema.tables where table_schema = database() and table_name = 'metrics'" }
}

/** The same as on a file, with a fresh server for each run: what it writes until it has stopped counts. */
export async function measureOnServer (target: Target, crew: Crew, options: Settings): Promise<AgentFigures> {
  const { process: name, size } = servers[target.id] ?? {}
  if (name === undefined || size === undefined) throw new TypeError(`--agents does not know ${target.name}.`)
  const running = await target.start()
  let isRunning = true
  try {
    const { place } = await running.fresh()
    if (place.options.client === 'sqlite') throw new TypeError(`${target.name} is no server.`)
    const watchServer = childNamed(name)
    const server = await startServer(platziverseOn(place.options), options)
    const knex = await dialectAt(place).read()
    try {
      await untilReady(server, knex)
      const warmUp = warmUpOf(crew)
      const metrics = crew === 'rare' ? rare.metrics : metricsPerMessage
      const shape = { metrics, payload: 0, uuids: 1 }
      const patience = 60
      if (crew === 'rare') await generate({ port: server.place.port, agents: rare.agents, messages: rare.before, shape, patience })
      const [rowsBefore, writtenBefore] = [await readNumber(knex, countRows), treeUsage(watchServer).written]
      const load = await generate({
        port: server.place.port,
        watch: server.pid,
        watchServer,
        patience,
        ...crew === 'rare'
          ? { agents: rare.agents, seconds: rare.seconds, rate: rare.rate, shape }
          : { agents: crew, seconds: warmUp + options.seconds, window: windowOf(crew), addresses }
      })
      server.check()
      const rows = await readNumber(knex, countRows)
      if (rows - rowsBefore !== load.acknowledged * metrics) throw new Error(`${target.name}: ${load.acknowledged * metrics} metrics were acknowledged, ${rows - rowsBefore} are stored.`)
      const fileSize = await readNumber(knex, size)
      await knex.destroy()
      await server.close()
      const ownBefore = writtenBytes('/proc/self/io')
      isRunning = false
      await running.end()
      const warm = perMessage(load.samples, warmUp)
      const serverUsed = warm.server ?? { cpu: NaN, written: NaN }
      return {
        messagesPerSecond: warm.messagesPerSecond,
        lastToFirst: lastToFirst(load.samples, warmUp),
        writtenPerMetric: serverUsed.written / metrics,
        // What a process has written counts as its parent's once it has ended.
        writtenInAll: (writtenBytes('/proc/self/io') - ownBefore - writtenBefore) / (rows - rowsBefore),
        cpuPerMessage: warm.cpu * 1e6,
        serverCpuPerMessage: serverUsed.cpu * 1e6,
        rows,
        fileSize
      }
    } finally {
      await knex.destroy()
      await server.stop()
    }
  } finally {
    if (isRunning) await running.end()
  }
}

async function untilReady (server: Server, knex: Knex): Promise<void> {
  await untilListening(server, 30)
  for (let tries = 0; tries < 40; tries++) {
    if (await readNumber(knex, countRows).catch(() => 0) > 0) return
    await generate({ port: server.place.port, agents: 1, messages: 1, patience: 60 }).catch(() => undefined)
    await pause(500)
    server.check()
  }
  throw new Error('Nothing was stored.')
}
