import type { Knex } from 'knex'
import { kindOf } from '../database-kind.ts'
import { valueColumns } from './blocks.ts'
import { isNewer } from './statements.ts'

/** A row of `pending_blocks`. */
export interface PendingMark {
  block: number
  writer: string
  /** UTC ms. */
  ts: number
  /** Whether the process is gone. */
  isOrphan: boolean
}

export async function marksOf (db: Knex, block?: number): Promise<PendingMark[]> {
  const rows = await db('pending_blocks').where(block === undefined ? {} : { block }).orderBy(['writer', 'block'])
    .select<PendingMark[]>('block', 'writer', 'ts', db.raw('writer not in (select id from writers) as isOrphan'))
  return rows.map(row => ({ ...row, isOrphan: Boolean(row.isOrphan) }))
}

const raiseSeries = `
  update series set last_ts = newest.ts, last_seq = newest.seq, (last_value, last_text) = (select ${valueColumns('newest.value', 'newest.kind')})
  from (
    select cast(metric.key as integer) as series_id, incoming.ts, incoming.seq, metric.value, metric.type as kind,
      row_number() over (partition by metric.key order by incoming.ts desc, incoming.seq desc) as place
    from metrics_unsettled as incoming cross join json_each(incoming.metrics) as metric
    where incoming.block = ? and incoming.ts >= ? and incoming.ts < ?
  ) as newest
  where newest.place = 1 and series.id = newest.series_id and ${isNewer('newest.ts', 'newest.seq')}`

/**
 * What an agent says cannot have been heard before it was said; its clock may be ahead. A time to come may also be that of a receipt while the clock of this machine was
 * ahead, and then all that the agent says until that time would be old: without it, what it said last is a minute too old at most.
 */
const raiseAgents = `
  update agents set spoke_at = iif(newest.past > coalesce(spoke_at, -1), newest.past, spoke_at), last_seen_at = max(coalesce(last_seen_at, 0), min(newest.ts, newest.now))
  from (
    select agent_id, max(ts) as ts, max(iif(ts <= given.now, ts, null)) as past, given.now
    from (select ? as now) as given cross join metrics_unsettled where block = ? and ts >= ? and ts < ? group by agent_id
  ) as newest
  where agents.id = newest.agent_id and (newest.past > coalesce(spoke_at, -1) or min(newest.ts, newest.now) > coalesce(last_seen_at, 0))`

/**
 * Write what a block's messages say about series and agents, where that is newer than what is written: it may be done again, and by several
 * processes.
 * @param mark `end`: only messages before this time (UTC ms); `isDone`: the mark goes with it
 */
export async function derive (db: Knex, mark: PendingMark & { end?: number, isDone: boolean }): Promise<void> {
  if (db.isTransaction !== true) return await kindOf(db).transact(db, tx => derive(tx, mark))
  const { block, writer, ts, end = Number.MAX_SAFE_INTEGER, isDone } = mark
  await db.raw(raiseSeries, [block, ts, end])
  await db.raw(raiseAgents, [Date.now(), block, ts, end])
  if (isDone) await db('pending_blocks').where({ block, writer }).delete()
}
