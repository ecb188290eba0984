import { setTimeout as pause } from 'node:timers/promises'
import { openSqliteDatabase } from '../../../lib/sqlite/open-sqlite.ts'
import { between, randomOf } from '../random.ts'
import { serve } from '../worker.ts'

/** Another program that keeps the database locked for a while, again and again. */

export interface LockerOrder {
  database: string
  seed: number
  /** Seconds between two locks, and of one. */
  every: number
  least: number
  most: number
}

/** ms since 1970. */
export type LockerReport = Array<{ from: number, to: number }>

await serve<LockerOrder>(async ({ order: { database, seed, every, least, most }, stopping, answer }) => {
  const random = randomOf(seed)
  const locks: LockerReport = []
  answer(() => locks)
  const db = await openSqliteDatabase(database)
  db.configure('busyTimeout', 5_000)
  const run = (statement: string): Promise<boolean> => new Promise(resolve => { db.run(statement, (error: Error | null) => { resolve(error === null) }) })
  while (!stopping.aborted) {
    await pause(every * 1000 * between(random, 0.8, 1.2), undefined, { signal: stopping }).catch(() => undefined)
    if (stopping.aborted) break
    if (!await run('begin immediate')) continue
    const from = Date.now()
    await pause(between(random, least, most) * 1000, undefined, { signal: stopping }).catch(() => undefined)
    await run('rollback')
    locks.push({ from, to: Date.now() })
  }
  await new Promise<void>(resolve => { db.close(() => { resolve() }) })
})
