import type { Knex } from 'knex'
import { pagesInLog, pagesInLogOfDeletion } from '../dialects/sqlite/sqlite.ts'
import type { Pace } from '../slices/pace.ts'
import { isSqlite } from '../slices/series-locks.ts'
import type { Store } from '../store.ts'

/** Pages that stay free: what comes next need not make the file grow again. */
const spare = (pages: number): number => Math.floor(pages / 20)

/**
 * Give the space of deleted rows back to the disk. Only SQLite needs it, and only a file that was made for it can.
 * @param pace of pages
 * @returns pages given back
 */
export async function vacuum (pace: Pace): Promise<number> {
  let given = 0
  for (;;) {
    const pages = await pace.run(async knex => {
      if (!isSqlite(knex) || await pragma(knex, 'auto_vacuum') !== 2) return 0
      const free = await pragma(knex, 'freelist_count')
      const tooMany = Math.min(pace.size, free - spare(await pragma(knex, 'page_count')))
      if (tooMany <= 0) return 0
      await knex.raw(`pragma incremental_vacuum(${tooMany})`)
      return free - await pragma(knex, 'freelist_count')
    })
    if (pages <= 0) return given
    given += pages
  }
}

/** Delete with a short log: to move a long one, of which each page is another, would hold SQLite's writer for too long. */
export async function withShortLog (store: Store, work: () => Promise<void>): Promise<void> {
  const isHere = isSqlite(await store.read())
  const limit = (pages: number): Promise<unknown> => store.run(knex => knex.raw(`pragma wal_autocheckpoint = ${pages}`))
  if (isHere) await limit(pagesInLogOfDeletion)
  try {
    await work()
  } finally {
    // A connection that was made anew has the usual one.
    if (isHere) await limit(pagesInLog).catch(() => undefined)
  }
}

async function pragma (knex: Knex, name: string): Promise<number> {
  const [row] = await knex.raw(`pragma ${name}`) as Array<Record<string, number>>
  return row?.[name] ?? 0
}
