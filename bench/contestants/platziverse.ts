import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { rootFolder } from '../from-root.ts'
import { storedInFile } from '../stored-rows.ts'
import type { Contestant } from './contestant.ts'
import { flowOf, prepareNodeRed, thisPackage } from './node-red.ts'

const main = 'dist/nodes/metric-store/metric-store.js'

/** (c) This package's main flow: broker, agent-in "once stored", metric-store, agent-out. Defaults but for port and file. */
export const platziverse: Contestant = {
  id: 'c',
  name: 'this package in Node-RED',
  acknowledges: 'once stored',
  rows: storedInFile,
  async prepare (place) {
    await access(join(rootFolder, main)).catch(() => {
      throw new Error(`There is no ${main}: run "npm run build" in the root first.`)
    })
    return await prepareNodeRed(place, flowOf([
      { id: 'broker', type: 'platziverse-broker', name: '', host: '', port: place.port, anonymous: false, statistics: 0, wires: [[], []] },
      { id: 'in', type: 'agent-in', name: '', broker: 'broker', acknowledge: 'stored', timeLimit: 30, clientWindow: 1000, totalWindow: 10_000, wires: [['store'], ['store'], ['store'], []] },
      { id: 'store', type: 'metric-store', name: '', database: 'database', grace: 60, wires: [['out']] },
      { id: 'out', type: 'agent-out', name: '', broker: 'broker', topic: '', qos: 1, retain: false, wires: [] },
      { id: 'database', type: 'platziverse-database', name: '', client: 'sqlite', filename: place.database }
    ]), thisPackage)
  }
}
