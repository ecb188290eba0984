import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { startNodeRed, type DeployType, type NodeRed } from '../../test/helpers/node-red.ts'
import { isAlive } from '../../test/helpers/processes.ts'
import { benchFolder } from '../from-root.ts'
import { memoryOf, type MemoryReport } from './memory.ts'
import { timeOf } from './time.ts'

/** A time in which a Node-RED, or a broker of its own, was not there, ms since 1970; `to` is when it ran again. */
export interface Outage { from: number, to: number, why: string, ofBroker?: true }

export type FlowNode = Record<string, unknown> & { id: string, type: string }

export interface WorkerOptions {
  /** For everything that it writes, but its database. */
  folder: string
  editorPort: number
  flow: FlowNode[]
  /** By the id of the node. */
  credentials: Record<string, object>
  outages: Outage[]
}

/** One Node-RED, which is started again whenever it ends. */
export interface Worker {
  readonly editor: string
  /** Its ends that nobody ordered, with the last lines of the log. */
  readonly exits: readonly string[]
  readonly deploys: number
  /** All that it logged. */
  log (): string
  memory (): MemoryReport
  /** Prometheus' lines of what was dropped or refused since the last start. */
  counters (): Promise<string[]>
  /** Change one node and deploy. False: Node-RED ended meanwhile. */
  deploy (kind: DeployType, type: string, change?: Record<string, unknown>): Promise<boolean>
  /** SIGKILL, also while it starts; resolves when the next process starts. */
  kill (): Promise<void>
  untilRunning (): Promise<void>
  freeze (): Promise<void>
  thaw (): void
  /** How far its clock is off, ms. */
  setClock (offset: number): Promise<void>
  stop (): Promise<void>
}

/** The heap of a small machine, MB. */
export const heapLimit = 512

/** After so many exits nothing more is learned by starting again. */
const mostExits = 20

export async function startWorker ({ folder, editorPort, flow, credentials, outages }: WorkerOptions): Promise<Worker> {
  const [userDir, memory, clock] = [join(folder, 'node-red'), join(folder, 'memory.jsonl'), join(folder, 'clock')]
  await mkdir(userDir, { recursive: true })
  await writeFile(clock, '0')
  // Node-RED encrypts it at the first deploy.
  await writeFile(join(userDir, 'flows_cred.json'), JSON.stringify(credentials))
  const env = {
    NODE_OPTIONS: `--max-old-space-size=${heapLimit} --import ${pathToFileURL(join(benchFolder, 'chaos', 'probe.ts')).href}`,
    CHAOS_MEMORY: memory,
    CHAOS_CLOCK: clock
  }

  const exits: string[] = []
  const logs: string[] = []
  let stopped = false
  let killing = false
  let deploys = 0
  let pid = 0
  let nodeRed = await start(true)
  if (/missing types/.test(nodeRed.log)) throw new Error(`The flow does not run: is the package built? ${endOf(nodeRed.log)}`)
  let restarted = Promise.resolve()

  async function start (first: boolean): Promise<NodeRed> {
    const started = await startNodeRed({ userDir, port: editorPort, env, spawned: spawned => { pid = spawned }, ...first ? { flows: flow } : {} })
    void started.ended.then(reason => {
      logs.push(started.log)
      if (!stopped) restarted = restart(started, reason)
    })
    return started
  }

  async function restart (ended: NodeRed, reason: number | string | null): Promise<void> {
    const outage: Outage = { from: Date.now(), to: Infinity, why: killing ? 'killed' : `ended by itself: ${reason}` }
    outages.push(outage)
    if (!killing) exits.push(`${timeOf(outage.from)} ${reason}: ${endOf(ended.log)}`)
    killing = false
    while (exits.length <= mostExits && !stopped) {
      try {
        nodeRed = await start(false)
        outage.to = Date.now()
        return
      } catch (error) {
        if (killing) killing = false
        else exits.push(`${timeOf(Date.now())} while it started: ${endOf((error as Error).message)}`)
      }
    }
  }

  function signal (name: NodeJS.Signals): void {
    // It may have ended by itself.
    if (isAlive(pid)) process.kill(pid, name)
  }

  return {
    editor: `http://127.0.0.1:${editorPort}/`,
    exits,
    get deploys () { return deploys },
    log: () => [...logs, nodeRed.log].join('\n'),
    memory: () => memoryOf(memory, outages),
    async counters () {
      const text = await nodeRed.api<string>('platziverse/metrics', { headers: { accept: 'text/plain' } }).catch(() => '')
      return text.split('\n').filter(line => /^platziverse_broker_\w*(dropped|refused|rejected)/.test(line) && !line.endsWith(' 0'))
    },
    async deploy (kind, type, change = { name: `deploy ${deploys}` }) {
      await restarted
      const current = nodeRed
      Object.assign(flow.find(node => node.type === type) ?? {}, change)
      const gone = current.ended.then(() => false)
      const done = current.deploy(flow, kind).then(() => true)
      // A connection breaks before the end of its process is known.
      const failed = done.catch(async () => { await Promise.race([gone, pause(2_000)]) }).then(() => done)
      failed.catch(() => undefined)
      if (!await Promise.race([failed, gone])) return false
      deploys++
      return true
    },
    async kill () {
      const killed = pid
      killing = isAlive(killed)
      signal('SIGKILL')
      while (pid === killed && exits.length <= mostExits) await pause(5)
    },
    async untilRunning () {
      await restarted
    },
    async freeze () {
      await restarted
      signal('SIGSTOP')
    },
    thaw: () => { signal('SIGCONT') },
    setClock: offset => writeFile(clock, String(offset)),
    async stop () {
      stopped = true
      await restarted.catch(() => undefined)
      await nodeRed.stop()
    }
  }
}

const fatal = /Uncaught|Unhandled|FATAL ERROR|RangeError|TypeError|ReferenceError|MaxListenersExceeded|ERR_INTERNAL/

export const isFatal = (line: string): boolean => fatal.test(line)

/** Of a log: what was written last, without stack and blank lines. */
function endOf (log: string): string {
  const lines = log.split('\n').filter(line => line.trim() !== '' && !/^\s+at |^\s*\d+: 0x/.test(line))
  const first = lines.findIndex(isFatal)
  return lines.slice(first >= 0 ? first : -3).slice(0, 6).join(' | ').slice(0, 600)
}
