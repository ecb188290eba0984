import { hash, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Node, NodeDef } from 'node-red'
import { agentForgotten } from '../../lib/registry/forgotten-agents.ts'
import { sqliteDriver } from '../../lib/sqlite/driver.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { feedOf } from '../../lib/store/feed.ts'
import { Forgetting } from '../../lib/store/forgetting/forgetting.ts'
import { MetricCount } from '../../lib/store/metric-count.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { SettlingLoop } from '../../lib/store/settling/settling.ts'
import { Store } from '../../lib/store/store.ts'
import { Spool, type SpoolOptions } from '../../lib/store/writer/spool.ts'
import { databases } from '../shared/databases.ts'
import { tellingOf } from '../shared/language.ts'
import { serveMetrics } from '../shared/metrics.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import type { RED } from '../shared/red.ts'
import { orRefuse } from '../shared/refusing.ts'
import { tlsSettingsOf } from '../shared/tls.ts'
import { registerAdmin } from './admin.ts'
import type { DatabaseConfig, DatabaseCredentials } from './config.ts'
import { databaseOptionsOf } from './options.ts'

/** ms that closing waits for a slice of long work after the store was closed: a database that is away may never answer. */
const slicePatience = 300

/** Stands for this process. A name would not: a container gets a new host name with each start. */
const instance = randomUUID()

type SavedConfig = NodeDef & DatabaseConfig

/** The database, shared by the nodes that refer to it. */
export interface DatabaseNode extends Node<DatabaseCredentials> {
  store: Store
  retention: Retention | undefined
  count: MetricCount
  forgetting: Forgetting
  /** The same text for the same database, whatever node stands for it. */
  database: string
  /** Whether it is a file of this machine. */
  isFile: boolean
}

export default function (RED: RED): void {
  registerAdmin(RED)
  const metrics = serveMetrics(RED)

  function DatabaseNode (this: DatabaseNode, config: SavedConfig): void {
    RED.nodes.createNode(this, config)
    tellPlainly(RED, this)
    const { userDir } = RED.settings
    const surroundings = { id: this.id, userDir, tls: tlsSettingsOf(RED, config.tls) }
    const options = orRefuse(RED, this, () => {
      const read = databaseOptionsOf(config, this.credentials ?? {}, surroundings)
      return { ...read, dialect: dialectOf(read.database) }
    })
    if (options === undefined) return
    const { database, dialect, identity, gather, spool, prometheus, retention } = options
    this.database = identity
    this.isFile = database.client === 'sqlite'
    this.store = new Store(dialect, { instance, home: homeOf(userDir), feed: feedOf(identity), gather, spool: spool && openSpool(spool) })
    this.count = new MetricCount(this.store, () => (this.retention?.statistics().deleted.metrics ?? 0) + this.forgetting.statistics().metrics)
    this.store.on('problem', error => { this.error(error) })
    if (database.client === 'sqlite' && isOnNodeSqlite()) this.warn(RED._('platziverse-database.status.nodeSqlite'))
    try {
      this.retention = new Retention(this.store, retention)
      this.retention.start(problem => { this.error(RED._('platziverse-database.status.retention', { message: tellingOf(RED, problem) })) })
    } catch (error) {
      // Deleting by a guess cannot be undone.
      this.error(error)
    }
    const settling = new SettlingLoop(this.store)
    settling.start(problem => { this.error(RED._('platziverse-database.status.settling', { message: tellingOf(RED, problem) })) })
    this.store.on('forgotten', agentForgotten)
    this.forgetting = new Forgetting(this.store)
    this.forgetting.start(problem => { this.error(RED._('platziverse-database.status.forgetting', { message: tellingOf(RED, problem) })) })
    databases.add(this)
    const unwatched = prometheus > 0 ? metrics.addDatabase({ id: this.id, name: config.name ?? '', most: prometheus, read: () => this.store.read('newest') }) : undefined
    this.on('close', (done: (error?: Error) => void) => {
      databases.delete(this)
      unwatched?.()
      // Together: a slice may wait for a database that is away, and ends when the store closes.
      const stopped = Promise.all([this.retention?.stop(), this.forgetting.stop(), settling.stop()])
      const patience = () => Promise.race([stopped, pause(slicePatience, undefined, { ref: false })])
      this.store.close().then(patience).then(() => { done() }, done)
    })
  }

  RED.nodes.registerType<DatabaseNode, SavedConfig, unknown, DatabaseCredentials>('platziverse-database', DatabaseNode, {
    credentials: { user: { type: 'text' }, password: { type: 'password' }, url: { type: 'password' } }
  })
}

/** Whether Node's own SQLite stands in for the package sqlite3. */
function isOnNodeSqlite (): boolean {
  try {
    return sqliteDriver() === 'node:sqlite'
  } catch {
    // There is neither: the store says so.
    return false
  }
}

function openSpool (options: SpoolOptions): Spool {
  try {
    mkdirSync(dirname(options.filename), { recursive: true })
  } catch { /* opening the spool reports what is wrong */ }
  return new Spool(options)
}

/** The same for the same user directory of the same machine, whenever it runs. */
function homeOf (userDir = '.'): string {
  return hash('sha1', `${hostname()}:${resolve(userDir)}`)
}
