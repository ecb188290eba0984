import type { Knex } from 'knex'
import { kindOf } from './dialects/database-kind.ts'
import type { Pending } from './dialects/dialect.ts'

/** Silence by the measure of each agent, whose usual interval the database keeps. */
export interface OwnSilence {
  /** How many of its usual intervals an agent may be silent. */
  intervals: number
  /** ms for which this process has been storing what agents report. */
  ready: number
  /** Whether agents whose interval is not known yet count as silent. */
  unknown: boolean
}

/** Chooses agents that were heard last before then (UTC ms), have these values, and are silent by their own measure, where there is one. */
export function silentAgents (before: number, only: { uuid?: string, instance?: string }, own?: OwnSilence): (agents: Knex.QueryBuilder) => Knex.QueryBuilder {
  return agents => {
    const silent = agents.where('last_seen_at', '<', before).where(only)
    if (own === undefined) return silent
    const usual = own.unknown ? 'coalesce(usual_interval, 0)' : 'usual_interval'
    // What it said while nothing was stored here may come yet.
    return silent.whereRaw(`${usual} * ? < ? - last_seen_at`, [own.intervals, Date.now()]).whereRaw(`${usual} * ? < ?`, [own.intervals, Math.floor(own.ready)])
  }
}

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

/**
 * The same in the writer's place, where some of what agents said may not be written yet.
 * @param before none of those that were heard since is chosen (UTC ms); absent: when they were heard does not matter
 */
export async function disconnectPending (knex: Knex, pending: Pending | undefined, which: (agents: Knex.QueryBuilder) => Knex.QueryBuilder, before?: number): Promise<string[]> {
  if (pending?.isThere !== true) return await disconnectOnce(knex, which)
  // Those whose rows say so, though they may have been heard since, and those whose rows do not say so yet.
  const ids = await which(knex('agents').where('connected', true)).pluck<number[]>('id')
  if (before !== undefined) ids.push(...pending.heardBefore(before))
  if (ids.length === 0) return []
  const uuids = await kindOf(knex).transact(knex, async db => {
    await pending.writeContacts(db, ids)
    return await disconnectOnce(db, which)
  })
  pending.committed(ids)
  return uuids
}
