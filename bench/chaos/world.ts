import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exampleFlow } from '../../test/helpers/main-flow.ts'
import { freePort } from '../../test/helpers/node-red.ts'
import { tcpProxy, type TcpProxy } from '../../test/helpers/tcp-proxy.ts'
import { startDatabase, type Database } from './database.ts'
import type { Deployment } from './deployments.ts'
import { openDisk, type Disk } from './disk.ts'
import { startWorker, type FlowNode, type Outage, type Worker } from './worker.ts'

/** A deployment that runs. */
export interface World {
  readonly deployment: Deployment
  /** Of the broker: its first listener, one that comes and goes, and one for WebSocket. */
  readonly ports: { first: number, second: number, webSocket: number }
  /** Leads to the first listener. */
  readonly network: TcpProxy
  readonly workers: readonly Worker[]
  readonly database: Database
  /** Absent where this process may not mount one. */
  readonly disk: Disk | undefined
  readonly outages: readonly Outage[]
  /** The broker's listeners beside the first. */
  listeners (second: boolean): object[]
  stop (): Promise<void>
}

export interface WorldOptions {
  /** For everything that is written; the caller removes it. */
  folder: string
  /** What the nodes of the flow save differently, by their types. */
  changes?: Record<string, Record<string, unknown>>
  /** Whether the database gets a disk that can be full. */
  disk: boolean
}

/** Seconds that agents have to come back after a start. */
export const grace = 10

/** Start everything that a deployment is made of: the disk, the database, the broker and Node-RED with the example "Monitor agents". */
export async function startWorld (deployment: Deployment, { folder, changes = {}, disk: wantsDisk }: WorldOptions): Promise<World> {
  const closers: Array<() => unknown> = []
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    // Database servers become another user.
    await chmod(folder, 0o755)
    const place = join(folder, 'database')
    await mkdir(place)
    const disk = wantsDisk ? openDisk(place) : undefined
    closers.push(() => disk?.remove())
    const database = await startDatabase(deployment.database, place)
    closers.push(() => database.end())

    const ports = { first: await freePort(), second: await freePort(), webSocket: await freePort() }
    const listeners = (second: boolean): object[] => [
      { transport: 'ws', host: '', port: ports.webSocket, path: '', certificates: 'none' },
      { transport: 'path', host: '', port: '', path: '/mqtt', certificates: 'none' },
      ...second ? [{ transport: 'tcp', host: '', port: ports.second, path: '', certificates: 'none' }] : []
    ]
    const standard: Record<string, Record<string, unknown>> = {
      'platziverse-broker': {
        port: ports.first,
        // What a limit drops is owed to nobody: a subscriber that comes back after a storm is to stay within it.
        limits: { offlineMessages: 100_000 },
        prometheus: true,
        listeners: listeners(true)
      },
      'platziverse-database': database.saved,
      'metric-store': { grace }
    }
    for (const [type, change] of [deployment.saved ?? {}, changes].flatMap(Object.entries<Record<string, unknown>>)) standard[type] = { ...standard[type], ...change }

    const network = await tcpProxy({ after: close => { closers.push(close as () => void) } }, ports.first)
    const outages: Outage[] = []
    const workers: Worker[] = []
    for (let i = 0; i < deployment.workers; i++) {
      const flow: FlowNode[] = await exampleFlow('Monitor agents', standard, ['platziverse-agent', 'debug'])
      const node = flow.find(({ type }) => type === 'platziverse-database')
      const credentials = node === undefined || database.credentials === undefined ? {} : { [node.id]: database.credentials }
      const home = join(folder, `worker-${i}`)
      await mkdir(home)
      const worker = await startWorker({ folder: home, editorPort: await freePort(), flow, credentials, outages })
      closers.push(() => worker.stop())
      workers.push(worker)
    }
    return { deployment, ports, network, workers, database, disk, outages, listeners, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
