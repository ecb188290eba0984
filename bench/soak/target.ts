import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { exampleFlow } from '../../test/helpers/main-flow.ts'
import { freePort, startNodeRed, type DeployType, type NodeRed } from '../../test/helpers/node-red.ts'
import { benchFolder } from '../from-root.ts'
import { timeOf } from './time.ts'

/** A time in which Node-RED was not there, ms since 1970; `to` is when its flows ran again. */
export interface Outage { from: number, to: number, why: string }

/** ms since 1970. */
export interface Deploy { from: number, to: number, what: string }

export interface Target {
  readonly port: number
  readonly webSocketPort: number
  readonly editorPort: number
  readonly editor: string
  readonly database: string
  /** File of the memory probe. */
  readonly memory: string
  readonly outages: readonly Outage[]
  /** Those that nobody ordered, with the end of the log. */
  readonly exits: readonly string[]
  /** Lines of the log that tell of an error, with how often each came. */
  errors (): Map<string, number>
  /** Prometheus' lines of what was dropped or refused since the last start. */
  counters (): Promise<string[]>
  readonly deploys: readonly Deploy[]
  /** Deploys a change in a node of this type. False: Node-RED ended meanwhile. */
  deploy (kind: DeployType, type: string): Promise<boolean>
  /** SIGKILL, and start again. */
  kill (): Promise<void>
  stop (): Promise<void>
}

/** The heap of a small machine, MB. */
export const heapLimit = 512

/** After so many exits nothing more is learned by starting again. */
const mostExits = 20

/** Start Node-RED with the example "Monitor agents", and start it again whenever it ends. */
export async function startTarget (folder: string): Promise<Target> {
  const [port, webSocketPort, editorPort] = [await freePort(), await freePort(), await freePort()]
  const userDir = join(folder, 'node-red')
  const memory = join(folder, 'memory.jsonl')
  const flow = await exampleFlow('Monitor agents', {
    'platziverse-broker': {
      port,
      // What a limit drops is owed to nobody: a subscriber that comes back after a storm is to stay within it.
      limits: { offlineMessages: 100_000 },
      prometheus: true,
      listeners: [
        { transport: 'ws', host: '', port: webSocketPort, path: '', certificates: 'none' },
        { transport: 'path', host: '', port: '', path: '/mqtt', certificates: 'none' }
      ]
    }
  }, ['platziverse-agent', 'debug'])
  const env = { NODE_OPTIONS: `--max-old-space-size=${heapLimit} --import ${pathToFileURL(join(benchFolder, 'soak', 'memory-probe.ts')).href}`, SOAK_MEMORY: memory }

  const outages: Outage[] = []
  const exits: string[] = []
  const logs: string[] = []
  let stopped = false
  let killing = false
  const deploys: Deploy[] = []
  let nodeRed = await start(true)
  let restarted = Promise.resolve()

  async function start (first: boolean): Promise<NodeRed> {
    const started = await startNodeRed({ userDir, port: editorPort, env, ...first ? { flows: flow } : {} })
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
        exits.push(`${timeOf(Date.now())} while it started: ${endOf((error as Error).message)}`)
      }
    }
  }

  return {
    port,
    webSocketPort,
    editorPort,
    editor: `http://127.0.0.1:${editorPort}/`,
    database: join(userDir, 'platziverse.sqlite'),
    memory,
    outages,
    exits,
    async counters () {
      const text = await nodeRed.api<string>('platziverse/metrics', { headers: { accept: 'text/plain' } }).catch(() => '')
      return text.split('\n').filter(line => /^platziverse_broker_\w*(dropped|refused|rejected)/.test(line) && !line.endsWith(' 0'))
    },
    deploys,
    errors: () => errorsIn([...logs, nodeRed.log].join('\n')),
    async deploy (kind, type) {
      await restarted
      const current = nodeRed
      const node = flow.find(node => node.type === type)
      if (node !== undefined) node['name'] = `deploy ${deploys.length}`
      const from = Date.now()
      const gone = current.ended.then(() => false)
      const done = current.deploy(flow, kind).then(() => true)
      // A connection breaks before the end of its process is known.
      const failed = done.catch(async () => { await Promise.race([gone, pause(2_000)]) }).then(() => done)
      failed.catch(() => undefined)
      if (!await Promise.race([failed, gone])) return false
      deploys.push({ from, to: Date.now(), what: `deploy: ${kind}, ${type}` })
      return true
    },
    async kill () {
      await restarted
      killing = true
      await nodeRed.kill('SIGKILL')
      // The end is noticed in a turn of its own.
      await new Promise(resolve => setImmediate(resolve))
      await restarted
    },
    async stop () {
      stopped = true
      await restarted.catch(() => undefined)
      await nodeRed.stop()
    }
  }
}

const fatal = /Uncaught|Unhandled|FATAL ERROR|RangeError|TypeError|ReferenceError|MaxListenersExceeded|ERR_INTERNAL/

/** Of a log: what was written last, without stack and blank lines. */
function endOf (log: string): string {
  const lines = log.split('\n').filter(line => line.trim() !== '' && !/^\s+at |^\s*\d+: 0x/.test(line))
  const first = lines.findIndex(line => fatal.test(line))
  return lines.slice(first >= 0 ? first : -3).slice(0, 6).join(' | ').slice(0, 600)
}

function errorsIn (log: string): Map<string, number> {
  const errors = new Map<string, number>()
  for (const line of log.split('\n')) {
    if (!line.includes('[error]') && !fatal.test(line)) continue
    const kind = line.replace(/^\d+ \w+ [\d:]+ - /, '').replace(/\d{2,}/g, 'N').slice(0, 200)
    errors.set(kind, (errors.get(kind) ?? 0) + 1)
  }
  return errors
}

export const isFatal = (line: string): boolean => fatal.test(line)
