import type { Settings } from '../measure.ts'
import { medianOf } from '../medians.ts'
import { median } from '../percentiles.ts'
import type { Server } from '../server.ts'
import { bareAedes } from './contestants/aedes.ts'
import { startBroker, withVersion5, type Broker } from './contestants/contestant.ts'
import { mosquittoBroker } from './contestants/mosquitto.ts'
import { brokerNode, platziverseBroker } from './contestants/platziverse.ts'
import { measureDelivery, measureIdle, type DeliveryFigures } from './measure.ts'
import { idleShape, isMeant, shapes, type Shape } from './shapes.ts'

const brokers = [
  mosquittoBroker, withVersion5(mosquittoBroker, 'm5'), bareAedes,
  platziverseBroker, withVersion5(platziverseBroker, 'p5'), brokerNode, withVersion5(brokerNode, 'n5')
]
export const idleConnections = 15_000

export interface DeliveryOptions extends Settings { runs: number, only: string[], shapes: string[] }

/** By shape and then by contestant, in the order of the tables. */
export interface DeliveryResults {
  brokers: Array<Pick<Broker, 'id' | 'name'>>
  shapes: Array<{ shape: Shape, medians: Record<string, DeliveryFigures>, runs: Record<string, DeliveryFigures[]> }>
  /** Bytes of memory that one idle connection adds; absent when it was not asked for. */
  idle?: { medians: Record<string, number>, runs: Record<string, number[]> }
}

/**
 * Every shape on every contestant once a round, one contestant after the other within a shape, so that whatever else the
 * machine does meets all of them alike. A contestant is one process a round, and another one for its idle connections.
 */
export async function runDelivery (options: DeliveryOptions): Promise<DeliveryResults> {
  const chosen = brokers.filter(({ id }) => options.only.includes(id))
  const loads = shapes.filter(({ id }) => isMeant(id, options.shapes))
  const withIdle = options.shapes.includes(idleShape)
  if (chosen.length === 0) throw new TypeError(`--only names no contestant: ${options.only.join(',')}`)
  if (loads.length === 0 && !withIdle) throw new TypeError(`--shapes names no shape: ${options.shapes.join(',')}`)
  const runs = new Map(loads.map(shape => [shape, byId<DeliveryFigures>(chosen)]))
  const idle = byId<number>(chosen)
  for (let round = 1; round <= options.runs; round++) {
    const say = (text: string): void => { process.stderr.write(`round ${round} of ${options.runs}: ${text}\n`) }
    // Every other round the other way round: whoever comes first or last does so in turn.
    const inTurn = round % 2 === 1 ? chosen : chosen.toReversed()
    if (loads.length > 0) await runLoads(inTurn, runs, options, say)
    // Memory hardly differs from round to round, and 15,000 connections take their time.
    if (withIdle && round === 1) await runIdle(chosen, idle, options, say)
  }
  return {
    brokers: chosen.map(({ id, name }) => ({ id, name })),
    shapes: [...runs].map(([shape, figures]) => ({ shape, medians: mapValues(figures, medianOf), runs: figures })),
    ...withIdle ? { idle: { medians: mapValues(idle, median), runs: idle } } : {}
  }
}

async function runLoads (chosen: Broker[], runs: Map<Shape, Record<string, DeliveryFigures[]>>, options: DeliveryOptions, say: (text: string) => void): Promise<void> {
  const servers = new Map<Broker, Server>()
  try {
    for (const broker of chosen) servers.set(broker, await startBroker(broker, options))
    for (const [shape, figures] of runs) {
      for (const [{ id, name, version }, server] of servers) {
        const measured = await measureDelivery(server, version, shape, options).catch(error => { throw new Error(`${name}, ${shape.name}: ${(error as Error).message}`) })
        figures[id]?.push(measured)
        say(`${shape.name}: (${id}) ${name} … ${Math.round(measured.deliveredPerSecond)} messages/s`)
      }
    }
  } finally {
    await Promise.all([...servers.values()].map(server => server.stop()))
  }
}

async function runIdle (chosen: Broker[], idle: Record<string, number[]>, options: DeliveryOptions, say: (text: string) => void): Promise<void> {
  for (const broker of chosen) {
    const server = await startBroker(broker, options)
    try {
      const bytes = await measureIdle(server, broker.version, idleConnections)
      idle[broker.id]?.push(bytes)
      say(`idle: (${broker.id}) ${broker.name} … ${(bytes / 1000).toFixed(1)} kB a connection`)
    } finally {
      await server.stop()
    }
  }
}

function byId<Value> (chosen: Broker[]): Record<string, Value[]> {
  return Object.fromEntries(chosen.map(({ id }) => [id, []]))
}

function mapValues<From, To> (record: Record<string, From>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}
