import type { Knex } from 'knex'
import { day, hour } from '../../time.ts'
import type { Timescale } from '../dialects/chunks.ts'
import { kindOf } from '../dialects/database-kind.ts'
import { deletedPart, rollUpNow } from '../rollup/rollup.ts'
import { undo, type Pace } from '../slices/pace.ts'
import type { Store } from '../store.ts'

/** ms that a drop waits for each lock; whatever writes to that day, or reads it, waits for the drop meanwhile. */
const patience = 25
/** Most hours that a drop rolls up itself because they became dirty since the last rollup; more are left to the next pass. */
const mostDirty = 20

/**
 * Drops TimescaleDB's chunks once all their metrics were kept for long enough. A policy of TimescaleDB would also drop what is not
 * rolled up yet. See docs/decisions/0016.
 */
export class ChunkDeletion {
  dropped = 0
  #store: Store
  #pace: Pace

  constructor (store: Store, pace: Pace) {
    this.#store = store
    this.#pace = pace
  }

  /**
   * Drop the chunks that end by a limit (UTC ms), the oldest first.
   * @returns `isDone`: none of them is left. `waitingFrom`: metrics from this time on wait for their chunk; older ones are to be deleted row
   * by row, because there are no chunks, or because theirs could not be dropped for a day. `hasChunks`: whether there are any
   */
  async run (limit: number): Promise<{ isDone: boolean, waitingFrom: number, hasChunks: boolean }> {
    const knex = await this.#store.read('metrics')
    const { timescale } = kindOf(knex)
    const chunks = await timescale?.chunks(knex)
    if (timescale === undefined || chunks === undefined) return { isDone: true, waitingFrom: Number.POSITIVE_INFINITY, hasChunks: false }
    const due = chunks.filter(({ to }) => to <= limit && to % hour === 0)
    let done = 0
    for (const { to } of due) {
      if (!await this.#drop(timescale, to)) break
      done++
    }
    const left = chunks.filter(chunk => !due.slice(0, done).includes(chunk))
    const waiting = left.find(({ to }) => to > limit - day)
    return { isDone: done === due.length, waitingFrom: waiting?.from ?? Number.POSITIVE_INFINITY, hasChunks: true }
  }

  /** Drop the chunks that end by then. @returns whether that could be done now */
  async #drop (timescale: Timescale, end: number): Promise<boolean> {
    return await this.#pace.run(async knex => {
      try {
        this.dropped += await kindOf(knex).transact(knex, db => drop(db, timescale, end))
        return true
      } catch (error) {
        if (error === undo || timescale.couldNotLock(error)) return false
        throw error
      }
    })
  }
}

/**
 * Drop all chunks that end by then, and write so for each series. Their locks come first: from then on whatever was adding metrics to
 * them has committed and nothing adds any more, so that the hours that are dirty now are all that is left to roll up. Chunks that were
 * made since we looked go too: a series must not keep metrics from before its `raw_from` that are rolled up.
 * @returns how many were dropped
 */
async function drop (db: Knex, timescale: Timescale, end: number): Promise<number> {
  const chunks = await timescale.lock(db, end, patience)
  const isDirty = () => db('dirty_hours').where('ts', '<', end)
  const dirty = (await isDirty().limit(mostDirty + 1).select('series_id', 'ts')).map(row => ({ seriesId: Number(row.series_id), ts: Number(row.ts) }))
  // Claimed hours are being rolled up by another process.
  if (dirty.length > mostDirty || dirty.some(({ ts }) => ts % hour !== 0)) throw undo
  if (dirty.length > 0) {
    await rollUpNow(db, dirty)
    if (await isDirty().first('ts') !== undefined) throw undo
  }
  const parts = db('retention').where('raw_from', '<', end).whereRaw(`raw_from % ${hour} <> 0`).select('series_id')
  await db('metrics_1h').where('ts', deletedPart).whereIn('series_id', parts).delete()
  await timescale.drop(db, end)
  return chunks
}
