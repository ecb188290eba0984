import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import knexFactory from 'knex'
import type { ServerOptions } from '../../lib/store/dialects/options.ts'
import { until } from './events.ts'
import { freePort, skipped } from './node-red.ts'
import type { DatabaseServer } from './postgresql.ts'

/** A folder with mariadbd or mysqld, and `share` beside it: the server to test with, in place of the machine's MariaDB. */
const programs = process.env['PLATZIVERSE_MYSQL_BIN'] || undefined
const program = findProgram()
// Debian installs it where only root's PATH looks.
const environment = { ...process.env, PATH: [process.env['PATH'], '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'].join(delimiter) }
const { status, stdout: version } = spawnSync(program, ['--no-defaults', '--version'], { env: environment, encoding: 'utf8' })

/** Which of the two the server is. */
export const mysqlName = programs === undefined || /MariaDB/.test(version) ? 'MariaDB' : 'MySQL'

/** What a new MariaDB is set up with; the second name from MariaDB 11 on. */
const script = (programs === undefined ? ['/usr', '/usr/local', '/opt/homebrew'] : [dirname(resolve(programs))])
  .flatMap(root => ['share/mysql', 'share/mariadb'].map(folder => join(root, folder)))
  .flatMap(folder => ['mysql_system_tables.sql', 'mariadb_system_tables.sql'].map(name => join(folder, name)))
  .find(existsSync)

/** Why there is no MariaDB here. Throws instead where CI_COMPLETE=1. */
export const withoutMariadb: string | undefined = programs !== undefined || (status === 0 && script !== undefined)
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
 * Start a MariaDB, or the MySQL that is to be tested, on a free port of loopback, in a temporary folder.
 * @param flags for the server, beside where it is
 * @param parent where its folder is made
 */
export async function startMariadb (flags: string[] = [], parent = tmpdir()): Promise<Mariadb> {
  const folder = await mkdtemp(join(parent, 'platziverse-mariadb-'))
  const at = (name: string): string => join(folder, name)
  const port = await freePort()
  const administrator: ServerOptions = { client: 'mysql', host: '127.0.0.1', port, user: 'administrator', password: 'secret', poolSize: 1 }
  await writeFile(at('init.sql'), "create user if not exists administrator identified by 'secret';\ngrant all on *.* to administrator with grant option;\n")
  for (const name of ['data', 'tmp']) await mkdir(at(name))
  // A server that starts deletes the temporary tables of others from the folder that they share.
  const common = ['--no-defaults', '--user=root', `--datadir=${at('data')}`, `--tmpdir=${at('tmp')}`, '--innodb-buffer-pool-size=32M', ...mysqlName === 'MySQL'
    // Two servers would meet at its second port, and a folder in /var that packages bring may not be there.
    ? ['--mysqlx=OFF', '--secure-file-priv=NULL']
    : ['--innodb-log-file-size=16M']]
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

  /** As mariadb-install-db does, which is not everywhere where the server is; MySQL's knows how. */
  async function initialise (): Promise<void> {
    const statements = mysqlName === 'MySQL' ? '' : await setUp(script as string)
    const child = run(mysqlName === 'MySQL' ? '--initialize-insecure' : '--bootstrap')
    child.stdin?.end(statements)
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`${mysqlName} was not set up.\n${log}`)
  }

  async function start (): Promise<void> {
    log = ''
    const starting = server = run(`--socket=${at('socket')}`, `--port=${port}`, '--bind-address=127.0.0.1', `--pid-file=${at('pid')}`, `--init-file=${at('init.sql')}`, ...flags)
    await until(() => log, text => /ready for connections/.test(text) || starting.exitCode !== null, 30_000)
    if (starting.exitCode !== null) throw new Error(`${mysqlName} did not start.\n${log}`)
  }

  function isRunning (): boolean {
    return server !== undefined && server.exitCode === null && server.signalCode === null
  }

  async function kill (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (server === undefined || !isRunning()) return
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
    isRunning,
    freeze: () => { server?.kill('SIGSTOP') },
    thaw: () => { server?.kill('SIGCONT') },
    administer,
    async end () {
      await kill()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

/** In the folder, or else for the PATH to find. */
function findProgram (): string {
  const found = ['mariadbd', 'mysqld'].map(name => join(programs ?? '', process.platform === 'win32' ? `${name}.exe` : name))
    .find(path => programs === undefined || existsSync(path))
  if (found === undefined) throw new Error(`PLATZIVERSE_MYSQL_BIN: there is neither mariadbd nor mysqld in ${programs}.`)
  return found
}

/** The statements that make a new MariaDB's own tables, and fill them. */
async function setUp (script: string): Promise<string> {
  const files = [script, script.replace('.sql', '_data.sql')]
  return ['create database mysql;', 'use mysql;', ...await Promise.all(files.map(file => readFile(file, 'utf8')))].join('\n')
}
