import { hash } from 'node:crypto'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { NodeDef } from 'node-red'
import { dialectOf } from '../../lib/store/database.ts'
import { Store } from '../../lib/store/store.ts'
import type { RED, RedNode } from '../shared/red.ts'
import { databaseDefaults, type DatabaseConfig } from './config.ts'

/** The database, shared by the nodes that refer to it. */
export interface DatabaseNode extends RedNode {
  store: Store
  /** Says the same for the same database, whatever node stands for it. */
  database: string
}

export default function (RED: RED): void {
  function DatabaseNode (this: DatabaseNode, config: NodeDef & DatabaseConfig): void {
    RED.nodes.createNode(this, config)
    this.database = resolve(RED.settings.userDir ?? '.', config.filename || databaseDefaults.filename)
    this.store = new Store(dialectOf({ client: 'sqlite', filename: this.database }), { instance: instanceOf(RED) })
    this.on('close', (done: () => void) => { this.store.close().then(done, done) })
  }

  RED.nodes.registerType('platziverse-database', DatabaseNode as never)
}

/** The same for the same user directory of the same machine, whenever it runs. */
function instanceOf (RED: RED): string {
  return hash('sha1', `${hostname()}:${resolve(RED.settings.userDir ?? '.')}`)
}
