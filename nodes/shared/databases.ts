import type { DatabaseNode } from '../platziverse-database/platziverse-database.ts'

/** The nodes of databases that there are now. */
export const databases = new Set<DatabaseNode>()
