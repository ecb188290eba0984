import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { World } from '../chaos/world.ts'
import { generate } from '../generate.ts'
import type { LoadOrder } from '../load.ts'
import { usualShape } from '../packets.ts'
import type { Percentiles } from '../percentiles.ts'

/** A worker that does not subscribe yet would get nothing: wait for a first message of each. */
export async function untilReady (world: World, database: Knex): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const stored = await rowsOf(database)
    if (stored > 0) return pause(world.workers.length > 1 ? 3_000 : 0)
    await generate({ port: world.broker.ports.first, agents: 1, messages: 1, patience: 60 }).catch(() => undefined)
    await pause(500)
  }
  throw new Error(`${world.deployment.title} stored nothing.`)
}

export interface Stored { messages: number, seconds: number, latency: Percentiles }

/** One load, and how long until the database has all of it, each message once. */
export async function storedLoad (world: World, database: Knex, order: Omit<LoadOrder, 'port' | 'patience'>): Promise<Stored> {
  const before = await rowsOf(database)
  const report = await generate({ port: world.broker.ports.first, patience: 60, ...order })
  const expected = report.acknowledged * (order.shape ?? usualShape).metrics
  for (let last = { rows: 0, at: Date.now() }; ;) {
    const rows = await rowsOf(database) - before
    const seconds = (Date.now() - report.startedAt) / 1000
    if (rows > expected) throw new Error(`${world.deployment.title} stored ${rows} metrics of ${expected}.`)
    if (rows === expected) return { messages: report.acknowledged, seconds: Math.max(seconds, report.seconds), latency: report.latency }
    if (rows > last.rows) last = { rows, at: Date.now() }
    if (Date.now() - last.at > 30_000) throw new Error(`${world.deployment.title}: ${expected} metrics were acknowledged, ${rows} are stored, and then no more.`)
    await pause(Math.min(250, seconds * 20))
  }
}

export async function rowsOf (database: Knex): Promise<number> {
  // Before the first start of a worker there is no table.
  const [row] = await database('metrics').count({ n: '*' }).catch(() => []) as Array<{ n: number | string }>
  return Number(row?.n ?? 0)
}
