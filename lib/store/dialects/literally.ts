/**
 * For Knex's `limit` in a question about `metrics`: SQLite compiles a statement anew each time a limit is bound to it, and `metrics` is a view
 * there, which takes longer to compile than to look into.
 */
export const literally = { skipBinding: true } as const
