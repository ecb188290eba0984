import type { Knex } from 'knex'
import { settledTableOf } from '../../lib/store/dialects/database-kind.ts'

const hour = 3_600_000
const day = 24 * hour
/** MariaDB counts no further by itself. */
const mostTimes = 1_000

export interface Span {
  /** UTC ms, included. */
  from: number
  /** Not included. */
  to: number
  /** ms from a series' metric to its next one. */
  step: number
}

/**
 * A metric of every series that the database knows for each time of a span: in the order of time, as they come from
 * agents, so that the pages of the tables are as full as they would be.
 */
export async function insertHistory (knex: Knex, { from, to, step }: Span): Promise<void> {
  const isSqlite = knex.client.dialect === 'sqlite3'
  // Every series adds to a page of its own: with SQLite's 2 MB they would be read and written again and again.
  if (isSqlite) await knex.raw('pragma cache_size = -200000')
  for (let start = from; start < to; start += mostTimes * step) {
    const end = Math.min(to, start + mostTimes * step)
    await knex.raw(`
      insert into ${settledTableOf(knex)} (series_id, ts, seq, value)
      with recursive times (ts) as (select ${start} union all select ts + ${step} from times where ts + ${step} < ${end})
      select series.id, times.ts, (times.ts * 48271 + series.id * 7919) % 281474976710656,
        20 + (times.ts * 31 + series.id * 104729) % 9973 / 700.0
      from times cross join series`)
  }
  if (isSqlite) await knex.raw('pragma cache_size = -2000')
}

/** As if nothing of it were rolled up. */
export async function markDirty (knex: Knex): Promise<void> {
  await knex.raw('delete from dirty_hours')
  await knex.raw(`insert into dirty_hours (series_id, ts) select distinct series_id, ts - ts % ${hour} from ${settledTableOf(knex)}`)
}

/** As if all of it had been rolled up in time. */
export async function fillRollups (knex: Knex): Promise<void> {
  const columns = '(series_id, ts, n, sum, min, max, last)'
  await knex.raw(`insert into metrics_1h ${columns}
    select series_id, ts - ts % ${hour}, count(value), sum(value), min(value), max(value), max(value)
    from ${settledTableOf(knex)} group by series_id, ts - ts % ${hour}`)
  await knex.raw(`insert into metrics_1d ${columns}
    select series_id, ts - ts % ${day}, sum(n), sum(sum), min(min), max(max), max(last)
    from metrics_1h group by series_id, ts - ts % ${day}`)
}
