import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { exampleFlow } from '../../test/helpers/main-flow.ts'
import { freePort } from '../../test/helpers/node-red.ts'
import { tcpProxy, type TcpProxy } from '../../test/helpers/tcp-proxy.ts'
import { startBroker, type Broker } from './broker.ts'
import { startDatabase, type Database } from './database.ts'
import type { Deployment } from './deployments.ts'
import { openDisk, type Disk } from './disk.ts'
import { startWorker, type FlowNode, type Outage, type Worker } from './worker.ts'

/** A deployment that runs. */
export interface World {
  readonly deployment: Deployment
  readonly broker: Broker
  /** Leads to the broker's first listener. */
  readonly network: TcpProxy
  readonly workers: readonly Worker[]
  readonly database: Database
  /** Absent where this process may not mount one. */
  readonly disk: Disk | undefined
  /** Of Node-RED, and of a broker of its own. */
  readonly outages: Outage[]
  stop (): Promise<void>
}

export interface WorldOptions {
  /** For everything that is written; the caller removes it. */
  folder: string
  /** What the nodes of the flow save differently, by their types. */
  changes?: Record<string, Record<string, unknown>>
  /** Whether the database gets a disk that can be full. */
  disk: boolean
  /** Of PostgreSQL, such as `name=value`, beside those of the tests, which do without fsync. */
  postgresqlSettings?: string[]
}

/** Seconds that agents have to come back after a start. */
export const grace = 10

/** Start everything that a deployment is made of: the disk, the database, the broker and Node-RED with the example "Monitor agents". */
export async function startWorld (deployment: Deployment, { folder, changes = {}, disk: wantsDisk, postgresqlSettings = [] }: WorldOptions): Promise<World> {
  const closers: Array<() => unknown> = []
  const t: Pick<TestContext, 'after'> = { after: close => { closers.push(close as () => unknown) } }
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    // Database servers become another user.
    await chmod(folder, 0o755)
    const place = join(folder, 'database')
    await mkdir(place)
    const disk = wantsDisk ? openDisk(place) : undefined
    t.after(() => disk?.remove())
    const database = await startDatabase(deployment.database, place, postgresqlSettings)
    t.after(() => database.end())

    const broker = await startBroker(deployment, t)
    const network = await tcpProxy(t, broker.ports.first)
    const outages: Outage[] = []
    const workers: Worker[] = []
    for (let i = 0; i < deployment.workers; i++) {
      const saved: Record<string, Record<string, unknown>> = {}
      for (const [type, properties] of [broker.saved(i), { 'platziverse-database': database.saved, 'metric-store': { grace } }, deployment.saved ?? {}, changes].flatMap(Object.entries<Record<string, unknown>>)) {
        saved[type] = { ...saved[type], ...properties }
      }
      const flow: FlowNode[] = await exampleFlow('Monitor agents', saved, ['platziverse-agent', 'debug'])
      const node = flow.find(({ type }) => type === 'platziverse-database')
      const credentials = node === undefined || database.credentials === undefined ? {} : { [node.id]: database.credentials }
      const home = join(folder, `worker-${i}`)
      await mkdir(home)
      const worker = await startWorker({ folder: home, editorPort: await freePort(), flow, credentials, outages })
      t.after(() => worker.stop())
      workers.push(worker)
    }
    return { deployment, broker, network, workers, database, disk, outages, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
