import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { until } from './events.ts'
import { manualClient } from './manual-client.ts'

/** Brokers on loopback that know each other. */
export interface BrokerCluster {
  /** Where each node speaks MQTT. */
  readonly ports: readonly number[]
  /** End a node, by default as a crash does. */
  kill (node: number, signal?: NodeJS.Signals): Promise<void>
  /** Have a node back, on the same port and with its files; one that runs is killed first. */
  restart (node: number): Promise<void>
  /** Freeze a node: its sockets stay open and nobody reads them. */
  freeze (node: number): void
  thaw (node: number): void
  /** End all of it, for ever. */
  stop (): Promise<void>
}

/** How a node is started: it is up when a line of its log matches. */
export interface NodeProcess {
  program: string
  arguments: string[]
  options: Pick<SpawnOptions, 'env' | 'cwd'>
  ready: RegExp
  /** Where it speaks MQTT. */
  port: number
}

/** Milliseconds in which a cluster must be up: RabbitMQ takes some ten seconds on two idle cores. */
const patience = 90_000

/**
 * Resolves when MQTT clients can connect to each node; stops them after the test.
 * @param name of the broker, for errors
 * @param processes its nodes, which start at once, or one after the other
 */
export async function startCluster (
  t: Pick<TestContext, 'after'>, name: string, processes: NodeProcess[], { oneByOne = false } = {}
): Promise<BrokerCluster> {
  const children: Array<ChildProcess | undefined> = processes.map(() => undefined)

  async function start (node: number): Promise<void> {
    const { program, arguments: args, options, ready, port } = processes[node] as NodeProcess
    let log = ''
    // A group of its own, for what it starts.
    const child = spawn(program, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    children[node] = child
    const killOnExit = (): void => { signal(child, 'SIGKILL') }
    process.once('exit', killOnExit)
    child.once('exit', () => { process.off('exit', killOnExit) })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { log += text })
    await until(() => log, text => ready.test(text) || hasEnded(child), patience)
    if (hasEnded(child)) throw new Error(`${name} did not start.\n${log}`)
    await until(() => answers(port), is => is || hasEnded(child), patience)
    if (hasEnded(child)) throw new Error(`${name} ended.\n${log}`)
  }

  async function kill (node: number, how: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = children[node]
    if (child === undefined || hasEnded(child)) return
    const gone = once(child, 'exit')
    signal(child, 'SIGCONT')
    signal(child, how)
    await gone
  }

  const stop = async (): Promise<void> => { await Promise.all(children.map((_, node) => kill(node))) }
  t.after(stop)
  if (oneByOne) for (const node of processes.keys()) await start(node)
  else await Promise.all(processes.map((_, node) => start(node)))
  return {
    ports: processes.map(({ port }) => port),
    kill,
    async restart (node) {
      await kill(node)
      await start(node)
    },
    freeze: node => { signal(children[node], 'SIGSTOP') },
    thaw: node => { signal(children[node], 'SIGCONT') },
    stop
  }
}

function hasEnded (child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Signals a process and those that it started. */
function signal (child: ChildProcess | undefined, name: NodeJS.Signals): void {
  if (child?.pid === undefined || hasEnded(child)) return
  try {
    process.kill(-child.pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Whether a broker takes clients: one that starts listens before it can. */
async function answers (port: number): Promise<boolean> {
  const scope: Array<() => unknown> = []
  try {
    const client = await manualClient({ after: close => { scope.push(close as () => unknown) } }, port, `is-${port}-up`)
    await client.end()
    return true
  } catch {
    return false
  } finally {
    for (const close of scope) close()
  }
}
