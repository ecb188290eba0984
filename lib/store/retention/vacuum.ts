import { kindOf } from '../dialects/database-kind.ts'
import type { Pace } from '../slices/pace.ts'
import type { Store } from '../store.ts'

/**
 * Give the space of deleted rows back to the disk, where the database does not see to that.
 * @param pace of pages
 * @returns pages given back
 */
export async function vacuum (pace: Pace): Promise<number> {
  let given = 0
  for (;;) {
    const pages = await pace.run(async knex => await kindOf(knex).releasePages?.(knex, pace.size) ?? 0)
    if (pages <= 0) return given
    given += pages
  }
}

/** Delete with the settings that the database needs for it. */
export async function withDeletionSettings (store: Store, work: () => Promise<void>): Promise<void> {
  const { deletionSettings } = kindOf(await store.read('metrics'))
  if (deletionSettings === undefined) return await work()
  const { before, after } = deletionSettings
  await store.run(knex => knex.raw(before))
  try {
    await work()
  } finally {
    // A new connection has the usual settings.
    await store.run(knex => knex.raw(after)).catch(() => undefined)
  }
}
