import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { until } from './events.ts'
import { temporaryFolder } from './folder.ts'
import { freePort, skipped } from './node-red.ts'
import { systemPath } from './system-path.ts'

const program = process.platform === 'win32' ? 'mosquitto.exe' : 'mosquitto'
const environment = { ...process.env, PATH: systemPath }

/** What `{ skip }` of a test that needs a real Mosquitto takes. */
export const withoutMosquitto: string | false = spawnSync(program, ['-h'], { env: environment }).error === undefined
  ? false
  : skipped('mosquitto is not here: install Mosquitto 2 (on Debian: apt-get install mosquitto)')

export interface Mosquitto {
  port: number
  stop (): Promise<void>
  start (): Promise<void>
  /** End it as a crash does; `start` has it back on the same port. */
  kill (): Promise<void>
  /** Freeze it: its sockets stay open and nobody reads them. */
  freeze (): void
  thaw (): void
}

/**
 * A real Mosquitto on a free port of loopback, stopped after the test.
 * @param configuration lines beside the listener; FOLDER stands for its folder
 * @param files further files in it, by name
 */
export async function openMosquitto (t: Pick<TestContext, 'after'>, configuration = 'allow_anonymous true', files: Record<string, string> = {}): Promise<Mosquitto> {
  const folder = await temporaryFolder(t)
  // Mosquitto, started as root, becomes another user.
  await chmod(folder, 0o777)
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  await writeFile(file, `listener ${port} 127.0.0.1\n${configuration.replaceAll('FOLDER', folder)}\n`)
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)

  let server: ChildProcess | undefined
  async function start (): Promise<void> {
    let log = ''
    const starting = spawn(program, ['-c', file], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] })
    server = starting
    starting.stderr.setEncoding('utf8').on('data', (text: string) => { log += text })
    await until(() => log, text => / running/.test(text) || starting.exitCode !== null)
    if (starting.exitCode !== null) throw new Error(`Mosquitto did not start.\n${log}`)
  }
  async function end (signal: NodeJS.Signals): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    server.kill('SIGCONT')
    server.kill(signal)
    await gone
  }
  const stop = (): Promise<void> => end('SIGTERM')
  t.after(stop)
  await start()
  return { port, start, stop, kill: () => end('SIGKILL'), freeze: () => { server?.kill('SIGSTOP') }, thaw: () => { server?.kill('SIGCONT') } }
}
