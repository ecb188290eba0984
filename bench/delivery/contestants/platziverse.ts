import { flowOf, prepareNodeRed, thisPackage } from '../../contestants/node-red.ts'
import { limits, rules } from './options.ts'
import { program, type Broker } from './contestant.ts'

/** (p) This package's broker in a plain process: what lib/broker costs. */
export const platziverseBroker: Broker = { id: 'p', name: 'this package\'s broker', version: 4, prepare: program('platziverse') }

/** (n) The same as people run it: the broker node, alone in Node-RED. */
export const brokerNode: Broker = {
  id: 'n',
  name: 'this package\'s broker node in Node-RED',
  version: 4,
  prepare: place => prepareNodeRed(place, flowOf([
    { id: 'broker', type: 'platziverse-broker', name: '', host: '', port: place.port, anonymous: false, statistics: 0, rules, limits, wires: [[], []] }
  ]), thisPackage)
}
