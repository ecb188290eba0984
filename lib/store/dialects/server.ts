import type { DatabaseKind } from './database-kind.ts'

/** ms until a server that does not answer counts as away: first to let us in, then to run a statement. */
export const connectPatience = 10_000
export const answerPatience = 60_000

/** Knex's settings for every pool of connections to a server. */
export const poolSettings = {
  acquireConnectionTimeout: connectPatience + 5_000,
  // Knex would put thousands of values into the text of every error.
  compileSqlOnError: false,
  // Every error reaches the caller; Knex would print it as well.
  log: { error: () => undefined, warn: () => undefined }
}

/** What servers have in common. */
export const serverKind = {
  // A statement has no more than 65,535 binds.
  rowsPerInsert: 1_000,

  // MySQL's default isolation locks the gaps between rows too, and writers would wait for them.
  transact: (knex, work) => knex.transaction(work, { isolationLevel: 'read committed' }),

  lockRows: query => query.forUpdate().skipLocked() as typeof query
} satisfies Partial<DatabaseKind>
