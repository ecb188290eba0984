import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import knexFactory, { type Knex } from 'knex'
import { openSqlite } from '../../lib/sqlite/open-sqlite.ts'
import { startMariadb } from '../../test/helpers/mariadb.ts'
import { startPostgresql, type DatabaseServer } from '../../test/helpers/postgresql.ts'
import type { DatabaseKind } from './deployments.ts'

/** The database of a deployment, as its nodes and as another program see it. */
export interface Database {
  /** What its node saves. */
  saved: Record<string, unknown>
  /** What its node keeps secret. */
  credentials: { user: string, password: string } | undefined
  /** Absent where it is a file. */
  server: DatabaseServer | undefined
  /** Looks into it; nobody can write while it holds its only connection. */
  connect (): Promise<Knex>
  /** Hold a lock that keeps writers out; false: there was none to be had. */
  lock (seconds: number): Promise<boolean>
  end (): Promise<void>
}

/** What locks the metrics, and what lets them go. */
const locks: Record<DatabaseKind, { take: string[], release: string }> = {
  sqlite: { take: ['begin immediate'], release: 'rollback' },
  postgresql: { take: ['begin', "set local lock_timeout = '5s'", 'lock table metrics in access exclusive mode'], release: 'rollback' },
  mariadb: { take: ['set lock_wait_timeout = 5', 'lock tables metrics write'], release: 'unlock tables' }
}

/**
 * @param folder on the disk that can be full, where there is one
 * @param settings of PostgreSQL, beside those of the tests
 */
export async function startDatabase (kind: DatabaseKind, folder: string, settings: string[] = []): Promise<Database> {
  const place = kind === 'sqlite' ? fileIn(folder) : await onServer(kind === 'postgresql' ? await startPostgresql(settings, folder) : await startMariadb([], folder))
  return {
    ...place,
    async lock (seconds) {
      const { take, release } = locks[kind]
      const knex = await place.connect()
      try {
        for (const statement of take) await knex.raw(statement)
        await pause(seconds * 1000)
        await knex.raw(release)
        return true
      } catch {
        return false
      } finally {
        await knex.destroy()
      }
    }
  }
}

type Place = Omit<Database, 'lock'>

function fileIn (folder: string): Place {
  const filename = join(folder, 'platziverse.sqlite')
  return { saved: { client: 'sqlite', filename }, credentials: undefined, server: undefined, connect: () => openSqlite(filename, 1, () => []), end: async () => undefined }
}

async function onServer (server: DatabaseServer): Promise<Place> {
  const { client, host, port, user = '', password = '', database } = await server.fresh()
  const connection = { host, port, user, password, database } as Knex.StaticConnectionConfig
  return {
    saved: { client, connection: 'fields', host, port, database, hasLogin: true },
    credentials: { user, password },
    server,
    connect: async () => knexFactory({ client: client === 'mysql' ? 'mysql2' : 'pg', connection, pool: { min: 0, max: 1 } }),
    end: () => server.end()
  }
}
