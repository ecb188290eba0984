import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { rm } from 'node:fs/promises'
import { startMariadb, withoutMariadb } from '../../test/helpers/mariadb.ts'
import { withoutPostgresql } from '../../test/helpers/postgresql.ts'
import type { SqliteDriver } from '../../lib/sqlite/driver.ts'
import { rootFolder } from '../from-root.ts'
import { workFolder } from '../work.ts'
import type { Place } from './place.ts'
import { startPostgresql } from './postgresql.ts'

export type TargetId = 'sqlite3' | 'node:sqlite' | 'postgresql' | 'mariadb'

export interface OpenPlace { place: Place, remove (): Promise<void> }

export interface RunningTarget {
  /** A new, empty database. */
  fresh (): Promise<OpenPlace>
  end (): Promise<void>
}

/** A kind of database, as durable as it comes. */
export interface Target {
  id: TargetId
  name: string
  /** Why it cannot be measured here. */
  without: string | undefined
  start (): Promise<RunningTarget>
}

/** The server's own defaults, where the tests have less. */
const mariadbFlags = ['--innodb-buffer-pool-size=128M', '--loose-innodb-log-file-size=96M']

const withoutSqlite3 = existsSync(join(rootFolder, 'node_modules/sqlite3/build')) ? undefined : 'sqlite3 is not installed'

export const targets: Target[] = [
  { id: 'sqlite3', name: 'SQLite, sqlite3', without: withoutSqlite3, start: async () => files('sqlite3') },
  { id: 'node:sqlite', name: 'SQLite, node:sqlite', without: undefined, start: async () => files('node:sqlite') },
  { id: 'postgresql', name: 'PostgreSQL', without: withoutPostgresql, start: startPostgresql },
  { id: 'mariadb', name: 'MariaDB', without: withoutMariadb, start: mariadb }
]

function files (driver: SqliteDriver): RunningTarget {
  return {
    async fresh () {
      const filename = join(workFolder, `${randomUUID()}.sqlite`)
      const remove = async (): Promise<void> => {
        for (const ending of ['', '-wal', '-shm']) await rm(filename + ending, { force: true })
      }
      return { place: { options: { client: 'sqlite', filename }, driver }, remove }
    },
    end: async () => undefined
  }
}

async function mariadb (): Promise<RunningTarget> {
  // Where the helper puts its files: beside the others, on a disk.
  process.env['TMPDIR'] = workFolder
  const server = await startMariadb(mariadbFlags)
  return {
    async fresh () {
      const options = await server.fresh()
      return { place: { options }, remove: () => server.administer(`drop database ${options.database}`) }
    },
    async end () {
      await server.stop()
      await server.end()
    }
  }
}
