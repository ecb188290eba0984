import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import type { Deployment } from '../chaos/deployments.ts'
import { startWorld } from '../chaos/world.ts'
import { medianOf } from '../medians.ts'
import type { Options } from '../options.ts'
import { messageText, type MessageShape } from '../packets.ts'
import { usageOf, type Usage } from '../proc.ts'
import { workFolder } from '../work.ts'
import { storedLoad, untilReady } from './stored-load.ts'

/** What may grow. */
export interface Point {
  /** uuids in the messages; connections are as many as ever. */
  agents: number
  /** In each message. */
  metrics: number
  /** Bytes beside them, of a field that nobody reads. */
  payload: number
  /** Messages that a worker has and did not acknowledge: its receive maximum. */
  window: number
  workers: number
}

export type Axis = keyof Point

const usual: Point = { agents: 20, metrics: 5, payload: 0, window: 1_000, workers: 1 }

/** Where each is measured, beside the usual point. */
const walks: Record<Axis, number[]> = { agents: [1_000, 10_000], metrics: [1, 20, 50], payload: [1_000, 10_000], window: [20, 100, 10_000], workers: [2] }

export const isAxis = (name: string): name is Axis => name in walks

export interface AxisFigures {
  /** Stored a second, counted until the last one is. */
  messagesPerSecond: number
  /** Microseconds of user and system time a message. */
  cpu: { workers: number, broker: number, database: number }
  /** Bytes a message that the database gave to the disk. */
  written: number
  /** Of the database's log, a second. */
  syncsPerSecond: number
}

export interface AxisResult {
  /** Absent: the usual point. */
  axis?: Axis
  point: Point
  /** Bytes of a payload. */
  bytes: number
  figures: AxisFigures
}

/** Workers on a Mosquitto that store in a PostgreSQL, at the usual point and along each axis; every point once a round. */
export async function runAxes (options: Options): Promise<AxisResult[]> {
  const points: Array<{ axis?: Axis, point: Point }> = [
    { point: usual },
    ...options.shapes.filter(isAxis).flatMap(axis => walks[axis].map(value => ({ axis, point: { ...usual, [axis]: value } })))
  ]
  const runs = points.map((): AxisFigures[] => [])
  for (let round = 1; round <= options.runs; round++) {
    for (const [i, { axis, point }] of points.entries()) {
      process.stderr.write(`round ${round} of ${options.runs}: ${axis === undefined ? 'usual' : `${axis} ${point[axis]}`} … `)
      const figures = await measure(point, options)
      runs[i]?.push(figures)
      process.stderr.write(`${Math.round(figures.messagesPerSecond)} messages/s\n`)
    }
  }
  return points.map(({ point, ...of }, i) => ({ ...of, point, bytes: messageText(0, Date.now(), 0, shapeOf(point, options)).length, figures: medianOf(runs[i] ?? []) }))
}

const shapeOf = ({ agents, metrics, payload }: Point, options: Options): MessageShape => ({ metrics, payload, uuids: Math.ceil(agents / options.agents) })

async function measure (point: Point, options: Options): Promise<AxisFigures> {
  const deployment: Deployment = {
    id: 'axes', title: 'workers on Mosquitto, PostgreSQL', broker: 'mosquitto', workers: point.workers, split: 'share', database: 'postgresql', saved: { 'platziverse-broker': { receiveMaximum: point.window } }
  }
  const folder = await mkdtemp(join(workFolder, 'axes-'))
  const world = await startWorld(deployment, { folder, disk: false, postgresqlSettings: ['fsync=on'] })
  const database = await world.database.connect()
  const load = { agents: options.agents, shape: shapeOf(point, options) }
  try {
    await untilReady(world, database)
    // Each agent and each of its series is there before it is measured.
    await storedLoad(world, database, { ...load, messages: 3 * point.agents })
    await storedLoad(world, database, { ...load, seconds: options.warmUp })
    const before = await usage(database)
    const { messages, seconds } = await storedLoad(world, database, { ...load, seconds: options.seconds })
    const after = await usage(database)
    const cpu = (name: 'workers' | 'broker' | 'database'): number => (after[name].cpu - before[name].cpu) * 1e6 / messages
    return {
      messagesPerSecond: messages / seconds,
      cpu: { workers: cpu('workers'), broker: cpu('broker'), database: cpu('database') },
      written: (after.database.written - before.database.written) / messages,
      syncsPerSecond: (after.syncs - before.syncs) / seconds
    }
  } finally {
    await database.destroy()
    await world.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function usage (database: Knex): Promise<Record<'workers' | 'broker' | 'database', Usage> & { syncs: number }> {
  const { rows: [row] } = await database.raw("select coalesce(sum(fsyncs), 0) as syncs from pg_stat_io where object = 'wal'") as { rows: Array<{ syncs: string }> }
  return { workers: usageOf('node-red'), broker: usageOf('mosquitto'), database: usageOf('postgres'), syncs: Number(row?.syncs) }
}
