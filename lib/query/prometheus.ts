import type { Knex } from 'knex'
import { Gauge, Registry } from 'prom-client'
import { within } from '../within.ts'

export interface WatchedDatabase {
  id: string
  /** Of its node; may be empty. */
  name: string
  /** Most values in an answer. */
  most: number
  /** As `Store.read`. */
  read (): Promise<Knex>
}

/** ms that an answer waits for a database: Prometheus gives up after ten seconds, and would then get nothing of the others either. */
const patience = 5_000

interface Row { agent: string, type: string, value: number | string }

/**
 * The newest values of the agents that are connected, in Prometheus' text format: numbers, and booleans as 1 or 0. Agents in the order in which they first reported, so that
 * what is left out beyond the most is always the same. A database that does not answer is said to be down, and no error.
 */
export async function collectValues (databases: WatchedDatabase[]): Promise<string> {
  // New each time: what is gone must leave no series.
  const registry = new Registry()
  const registers = [registry]
  const values = new Gauge({
    name: 'platziverse_metric_value', help: 'The newest value of each type of metric of each agent that is connected; a boolean is 1 or 0.', labelNames: ['database', 'agent', 'type'], registers
  })
  const leftOut = new Gauge({ name: 'platziverse_metric_values_left_out', help: 'Newest values that are not here, because they would be too many.', labelNames: ['database'], registers })
  const up = new Gauge({ name: 'platziverse_database_up', help: 'Whether the database answered: 1 or 0.', labelNames: ['database'], registers })
  await Promise.all(databases.map(async ({ id, name, most, read }) => {
    // Prometheus refuses two series with the same labels: the id where another database has the same name.
    const database = name === '' || databases.some(other => other.id !== id && other.name === name) ? id : name
    let answer: Awaited<ReturnType<typeof newest>> | undefined
    await within(patience, read().then(async db => { answer = await newest(db, most) })).catch(() => undefined)
    up.set({ database }, answer === undefined ? 0 : 1)
    if (answer === undefined) return
    leftOut.set({ database }, answer.leftOut)
    for (const { agent, type, value } of answer.rows) values.set({ database, agent, type }, Number(value))
  }))
  return await registry.metrics()
}

async function newest (db: Knex, most: number): Promise<{ rows: Row[], leftOut: number }> {
  const chosen = (): Knex.QueryBuilder => db('agents').join('series', 'series.agent_id', 'agents.id').where('agents.connected', true).whereNotNull('series.last_value')
  const rows = await chosen().orderBy(['agents.id', 'series.type']).limit(most).select<Row[]>({ agent: 'agents.uuid', type: 'series.type', value: 'series.last_value' })
  if (rows.length < most) return { rows, leftOut: 0 }
  const [counted] = await chosen().count<Array<{ n: unknown }>>('* as n')
  return { rows, leftOut: Math.max(0, Number(counted?.n) - rows.length) }
}
