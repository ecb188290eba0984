import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import type { Deployment } from '../chaos/deployments.ts'
import { startWorld, type World } from '../chaos/world.ts'
import { medianOf } from '../medians.ts'
import type { Options } from '../options.ts'
import { percentiles, type Percentiles } from '../percentiles.ts'
import { busySeconds, usageOf } from '../proc.ts'
import { workFolder } from '../work.ts'
import { watchAcknowledgements } from './acknowledgements.ts'
import { rowsOf, storedLoad, untilReady } from './stored-load.ts'

/** Where the broker is, how many workers there are, and what they store in. */
export const deployments: Deployment[] = [
  { id: 'es', title: 'embedded broker, SQLite', broker: 'embedded', workers: 1, database: 'sqlite' },
  { id: 'ms', title: 'one worker on Mosquitto, SQLite', broker: 'mosquitto', workers: 1, split: 'share', database: 'sqlite' },
  { id: 'mq', title: 'the same, and nothing is published again', broker: 'mosquitto', workers: 1, split: 'share', database: 'sqlite', saved: { 'agent-out': { d: true } } },
  { id: 'ep', title: 'embedded broker, PostgreSQL', broker: 'embedded', workers: 1, database: 'postgresql' },
  { id: 'mp', title: 'one worker on Mosquitto, PostgreSQL', broker: 'mosquitto', workers: 1, split: 'share', database: 'postgresql' },
  { id: 'mp2', title: 'two workers on Mosquitto, PostgreSQL', broker: 'mosquitto', workers: 2, split: 'share', database: 'postgresql' }
]

export interface RemoteFigures {
  /** Stored a second, counted until the last one is. */
  messagesPerSecond: number
  /** Cores that the whole machine kept busy meanwhile. */
  cores: number
  /** Microseconds of user and system time a message, of all workers, of the broker and of the database where they are processes of their own. */
  cpu: { worker: number, broker: number, database: number }
  /** On the disk, with indexes. */
  bytesPerMetric: number
  /** ms from PUBLISH to the PUBACK of who stores it, at the steady rate: of the embedded broker, or of the worker on Mosquitto. */
  steady?: Percentiles
}

export interface RemoteResult { deployment: Deployment, figures: RemoteFigures }

/** Each deployment once a round. */
export async function runRemote (options: Options): Promise<RemoteResult[]> {
  const chosen = deployments.filter(({ id }) => options.only.includes(id))
  if (chosen.length === 0) throw new TypeError(`--only names no deployment: ${options.only.join(',')}`)
  const runs = new Map<Deployment, RemoteFigures[]>(chosen.map(deployment => [deployment, []]))
  for (let round = 1; round <= options.runs; round++) {
    for (const [deployment, figures] of runs) {
      process.stderr.write(`round ${round} of ${options.runs}: ${deployment.title} … `)
      const measured = await measure(deployment, options)
      figures.push(measured)
      process.stderr.write(`${Math.round(measured.messagesPerSecond)} messages/s\n`)
    }
  }
  return [...runs].map(([deployment, figures]) => ({ deployment, figures: medianOf(figures) }))
}

async function measure (deployment: Deployment, options: Options): Promise<RemoteFigures> {
  const { agents } = options
  const folder = await mkdtemp(join(workFolder, `${deployment.id}-`))
  const world = await startWorld(deployment, { folder, disk: false, postgresqlSettings: ['fsync=on'] })
  const database = await world.database.connect()
  try {
    await untilReady(world, database)
    await storedLoad(world, database, { agents, seconds: options.warmUp })
    const before = usage()
    const { messages, seconds } = await storedLoad(world, database, { agents, seconds: options.seconds })
    const after = usage()
    const used = (name: keyof typeof after): number => (after[name] - before[name]) * 1e6 / messages
    const cores = (after.machine - before.machine) / seconds
    const bytesPerMetric = await sizeOf(database) / await rowsOf(database)
    const steady = await steadyTimes(world, database, options)
    const cpu = { worker: used('worker'), broker: used('broker'), database: used('database') }
    return { messagesPerSecond: messages / seconds, cores, cpu, bytesPerMetric, ...steady === undefined ? {} : { steady } }
  } finally {
    await database.destroy()
    await world.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Two workers would each need a watcher of their own, and say nothing that one does not. */
async function steadyTimes (world: World, database: Knex, options: Options): Promise<Percentiles | undefined> {
  const order = { agents: options.agents, seconds: options.seconds, rate: options.steadyRate }
  if (world.broker.server === undefined) return (await storedLoad(world, database, order)).latency
  if (world.workers.length > 1) return undefined
  const watcher = await watchAcknowledgements(world.broker.ports.first)
  try {
    await world.workers[0]?.deploy('nodes', 'platziverse-broker', { url: `mqtt://127.0.0.1:${watcher.port}` })
    await storedLoad(world, database, { agents: options.agents, messages: 100 })
    watcher.take()
    await storedLoad(world, database, order)
    return percentiles(watcher.take())
  } finally {
    watcher.close()
  }
}

/** Seconds so far, of the kinds of processes that take part. */
function usage (): Record<'machine' | 'worker' | 'broker' | 'database', number> {
  return { machine: busySeconds(), worker: usageOf('node-red').cpu, broker: usageOf('mosquitto').cpu, database: usageOf('postgres').cpu }
}

/** Bytes of the metrics with their indexes; of a file all that is in it. */
async function sizeOf (database: Knex): Promise<number> {
  const isServer = database.client.config.client === 'pg'
  const answer = await database.raw(isServer ? "select pg_total_relation_size('metrics') as bytes" : 'select page_count * page_size as bytes from pragma_page_count(), pragma_page_size()') as { rows: unknown[] } | unknown[]
  const [row] = (Array.isArray(answer) ? answer : answer.rows) as Array<{ bytes: number | string }>
  return Number(row?.bytes)
}
