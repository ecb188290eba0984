import type { Knex } from 'knex'
import { day, hour } from '../../time.ts'
import type { Timescale } from '../dialects/chunks.ts'
import { kindOf } from '../dialects/database-kind.ts'
import { deletedPart, rollUpNow } from '../rollup/rollup.ts'
import { undo, type Pace } from '../slices/pace.ts'
import type { Store } from '../store.ts'

/** ms that a drop waits for a lock, and who writes to or reads that day waits for the drop. */
const patience = 25
/** Hours that may become dirty between the rollup and the drop; where there are more, the next pass rolls them up first. */
const mostDirty = 20

/**
 * Drops TimescaleDB's chunks once all their metrics were kept for long enough: no policy of TimescaleDB does, because it
 * would drop what is not rolled up yet. See docs/decisions/0016.
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
   * Drop what ends before a limit (UTC ms), the oldest first.
   * @returns whether nothing is left of it, from when on metrics wait for their chunk: those before that are to be
   * deleted row by row, because there are no chunks, or the chunk could not be dropped for a day; and whether there are chunks
   */
  async run (limit: number): Promise<{ isDone: boolean, waitingFrom: number, hasChunks: boolean }> {
    const knex = await this.#store.read()
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

  /** @returns whether it could be done now */
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
 * Drop all chunks that end by then, and say so in each series. Their locks come first: afterwards whoever was adding metrics
 * to them has committed, and nobody adds any, so that what is dirty now is all there is left to roll up. Chunks that came
 * since we looked go too: a series must not keep metrics of before its `raw_from` that are rolled up.
 * @returns how many
 */
async function drop (db: Knex, timescale: Timescale, end: number): Promise<number> {
  const chunks = await timescale.lock(db, end, patience)
  const isDirty = () => db('dirty_hours').where('ts', '<', end)
  const dirty = (await isDirty().limit(mostDirty + 1).select('series_id', 'ts')).map(row => ({ seriesId: Number(row.series_id), ts: Number(row.ts) }))
  // Claimed hours are being rolled up by somebody else.
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
