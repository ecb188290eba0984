import type { Knex } from 'knex'
import { kindOf } from './dialects/database-kind.ts'

/** Most ids in one statement. */
const mostIds = 1_000

/**
 * Mark agents as disconnected that did not say so. Several processes may do this at once: each agent is in the answer of one of them.
 * @param which chooses among the agents that are connected
 * @returns their uuids
 */
export async function disconnectOnce (knex: Knex, which: (agents: Knex.QueryBuilder) => Knex.QueryBuilder): Promise<string[]> {
  const { returnsChanged, transact, lockRows } = kindOf(knex)
  const changes = { connected: false, updated_at: Date.now() }
  const chosen = (db: Knex): Knex.QueryBuilder => which(db('agents').where('connected', true))
  if (returnsChanged) return (await chosen(knex).update(changes).returning('uuid') as Array<{ uuid: string }>).map(({ uuid }) => uuid)
  return await transact(knex, async db => {
    const rows = await lockRows(chosen(db).select('id', 'uuid')) as Array<{ id: number, uuid: string }>
    for (let at = 0; at < rows.length; at += mostIds) await db('agents').whereIn('id', rows.slice(at, at + mostIds).map(({ id }) => id)).update(changes)
    return rows.map(({ uuid }) => uuid)
  })
}
