import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { skipped } from './node-red.ts'
import type { DatabaseServer } from './postgresql.ts'

const debian = '/usr/lib/postgresql'

/** A PostgreSQL of this machine that has pg_dump and pg_restore, which npm's lacks. */
export function newestPostgresql (): { without: string | undefined, folder: string, start: () => Promise<DatabaseServer> } {
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folder = [process.env['PLATZIVERSE_POSTGRESQL_BIN'] ?? '', ...versions.map(version => join(debian, version, 'bin'))]
    .find(folder => folder !== '' && ['initdb', 'postgres', 'pg_dump', 'pg_restore'].every(program => existsSync(join(folder, program))))
  if (folder === undefined) return { without: skipped('pg_dump and its server are not here: on Debian, apt-get install postgresql'), folder: '', start: () => Promise.reject(new Error('no PostgreSQL')) }
  process.env['PLATZIVERSE_POSTGRESQL_BIN'] = folder
  return { without: undefined, folder, start: async () => (await import('./postgresql.ts')).startPostgresql() }
}
