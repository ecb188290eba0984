import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerOptions } from '../../lib/store/dialects/options.ts'
import { rootFolder } from '../from-root.ts'
import { storedInFile } from '../stored-rows.ts'
import type { Contestant, Place } from './contestant.ts'
import { flowOf, prepareNodeRed, thisPackage } from './node-red.ts'

const main = 'dist/nodes/metric-store/metric-store.js'

/** (c) This package's main flow: broker, agent-in "once stored", metric-store, agent-out. Defaults but for port and file. */
export const platziverse: Contestant = { ...inFlow(({ database }) => ({ client: 'sqlite', filename: database })), rows: storedInFile }

/** The same, on a database server; whoever measures counts the rows there. */
export function platziverseOn ({ client, host, port, database, user, password }: ServerOptions): Contestant {
  const saved = { client, connection: 'fields', host, port, database, hasLogin: true }
  return inFlow(() => saved, { database: { user, password } })
}

/** What people put into the main flow: rows of "Other topics", and rules of a metric-alert beside the store. */
export interface Additions { otherTopics?: object[], rules?: object[] }

/** (c) with additions. */
export function platziverseWith (additions: Additions): Contestant {
  return { ...inFlow(({ database }) => ({ client: 'sqlite', filename: database }), {}, additions), rows: storedInFile }
}

/** @param saved what the database node saves, and, by the ids of nodes, what they keep secret */
function inFlow (saved: (place: Place) => Record<string, unknown>, credentials: Record<string, object> = {}, { otherTopics = [], rules }: Additions = {}): Contestant {
  return {
    id: 'c',
    name: 'this package in Node-RED',
    acknowledges: 'once stored',
    async prepare (place) {
      await access(join(rootFolder, main)).catch(() => {
        throw new Error(`There is no ${main}: run "npm run build" in the root first.`)
      })
      await writeFile(join(place.folder, 'flows_cred.json'), JSON.stringify(credentials))
      return await prepareNodeRed(place, flowOf([
        { id: 'broker', type: 'platziverse-broker', name: '', host: '', port: place.port, anonymous: false, statistics: 0, wires: [[], []] },
        { id: 'in', type: 'agent-in', name: '', broker: 'broker', acknowledge: 'stored', timeLimit: 30, clientWindow: 1000, totalWindow: 10_000, otherTopics, wires: [['store'], ['store'], ['store'], []] },
        { id: 'store', type: 'metric-store', name: '', database: 'database', grace: 60, wires: [['out']] },
        { id: 'out', type: 'agent-out', name: '', broker: 'broker', topic: '', qos: 1, retain: false, wires: [] },
        ...rules === undefined ? [] : [{ id: 'alert', type: 'metric-alert', name: '', database: 'database', rules, maintenance: [], digest: 10, digestWithin: 60, link: '', wires: [[], [], []] }],
        { id: 'database', type: 'platziverse-database', name: '', ...saved(place) }
      ]), thisPackage)
    }
  }
}
