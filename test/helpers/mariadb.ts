import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { once } from 'node:events'
import knexFactory from 'knex'
import type { ServerOptions } from '../../lib/store/database.ts'
import { until } from './events.ts'
import { freePort, skipped } from './node-red.ts'
import type { DatabaseServer } from './postgresql.ts'

const program = process.platform === 'win32' ? 'mariadbd.exe' : 'mariadbd'
// Debian installs it where only root's PATH looks.
const environment = { ...process.env, PATH: [process.env['PATH'], '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'].join(delimiter) }
const scripts = ['/usr/share/mysql', '/usr/share/mariadb', '/usr/local/share/mysql', '/opt/homebrew/share/mysql']
  .find(folder => existsSync(join(folder, 'mysql_system_tables.sql')))

/** Why there is no MariaDB here. Throws instead where CI_COMPLETE=1. */
export const withoutMariadb: string | undefined = scripts !== undefined && spawnSync(program, ['--no-defaults', '--version'], { env: environment }).status === 0
  ? undefined
  : skipped('MariaDB is not here: install its server (on Debian: apt-get install mariadb-server-core)')

export interface Mariadb extends DatabaseServer {
  port: number
  /** End it as a crash does; `start` has it back on the same port. */
  kill (signal?: NodeJS.Signals): Promise<void>
  /** Run statements as the server's administrator. */
  administer (...statements: string[]): Promise<void>
}

/**
 * Start a MariaDB on a free port of loopback, in a temporary folder.
 * @param flags for the server, beside where it is
 */
export async function startMariadb (flags: string[] = []): Promise<Mariadb> {
  const folder = await mkdtemp(join(tmpdir(), 'platziverse-mariadb-'))
  const at = (name: string): string => join(folder, name)
  const port = await freePort()
  const administrator: ServerOptions = { client: 'mysql', host: '127.0.0.1', port, user: 'administrator', password: 'secret', poolSize: 1 }
  await writeFile(at('init.sql'), "create user if not exists administrator identified by 'secret';\ngrant all on *.* to administrator with grant option;\n")
  await mkdir(at('data'))
  const common = ['--no-defaults', '--user=root', `--datadir=${at('data')}`, '--innodb-log-file-size=16M', '--innodb-buffer-pool-size=32M']
  let log = ''
  let server: ChildProcess | undefined

  function run (...more: string[]): ChildProcess {
    const child = spawn(program, [...common, ...more], { env: environment, stdio: ['pipe', 'ignore', 'pipe'] })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { log += text })
    const killOnExit = () => { child.kill('SIGKILL') }
    process.once('exit', killOnExit)
    child.once('exit', () => { process.off('exit', killOnExit) })
    return child
  }

  /** As mariadb-install-db does, which is not everywhere where the server is. */
  async function initialise (): Promise<void> {
    const child = run('--bootstrap')
    for (const text of ['create database mysql;\nuse mysql;\n', ...await Promise.all(['mysql_system_tables.sql', 'mysql_system_tables_data.sql'].map(name => readFile(join(scripts as string, name))))]) child.stdin?.write(text)
    child.stdin?.end()
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`MariaDB was not set up.\n${log}`)
  }

  async function start (): Promise<void> {
    log = ''
    const starting = server = run(`--socket=${at('socket')}`, `--port=${port}`, '--bind-address=127.0.0.1', `--pid-file=${at('pid')}`, `--init-file=${at('init.sql')}`, ...flags)
    await until(() => log, text => /ready for connections/.test(text) || starting.exitCode !== null, 30_000)
    if (starting.exitCode !== null) throw new Error(`MariaDB did not start.\n${log}`)
  }

  async function kill (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    server.kill(signal)
    await gone
  }

  async function administer (...statements: string[]): Promise<void> {
    const { host, user, password } = administrator
    const knex = knexFactory({ client: 'mysql2', connection: { host: host as string, port, user: user as string, password: password as string } })
    try {
      for (const statement of statements) await knex.raw(statement)
    } finally {
      await knex.destroy()
    }
  }

  let databases = 0
  await initialise()
  await start()
  return {
    port,
    async fresh () {
      const database = `test_${++databases}`
      await administer(
        // Its own character set, so that the tables' one is that of our schema.
        `create database ${database} character set latin1`,
        `create user ${database} identified by 'secret of ${database}'`,
        `grant all on \`test\\_%\`.* to ${database}`)
      return { client: 'mysql', host: '127.0.0.1', port, user: database, password: `secret of ${database}`, database, poolSize: 4 }
    },
    stop: () => kill('SIGTERM'),
    kill,
    start,
    administer,
    async end () {
      await kill()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}
