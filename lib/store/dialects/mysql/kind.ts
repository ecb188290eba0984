import type { DatabaseKind } from '../database-kind.ts'
import { serverKind } from '../server.ts'

const lockName = "concat('platziverse ', left(database(), 40))"

/** MySQL and MariaDB. */
export const mysqlKind: DatabaseKind = {
  ...serverKind,
  name: version => /mariadb/i.test(version) ? 'MariaDB' : 'MySQL',
  version: 'version()',
  returnsChanged: false,
  given: column => `values(${column})`,
  rowsOf: result => (result as [Array<Record<string, unknown>>])[0],
  migrationLock: { lock: `select get_lock(${lockName}, 30)`, unlock: `select release_lock(${lockName})` },
  snapshot: (knex, work) => knex.transaction(work, { isolationLevel: 'repeatable read' })
}
