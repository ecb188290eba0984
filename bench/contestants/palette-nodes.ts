import type { Place } from './contestant.ts'
import type { Flow } from './node-red.ts'

/** The nodes that contestants (a) and (b) share, with their editors' defaults. */

export function brokerNode (place: Place): Flow {
  return [{ id: 'broker', type: 'aedes broker', name: '', mqtt_port: place.port, mqtt_ws_bind: 'port', mqtt_ws_port: '', mqtt_ws_path: '', dburl: '', usetls: false, wires: [[], []] }]
}

export function mqttIn (place: Place, to: string): Flow {
  return [
    { id: 'connection', type: 'mqtt-broker', name: '', broker: '127.0.0.1', port: place.port, clientid: '', autoConnect: true, usetls: false, protocolVersion: '4', keepalive: '60', cleansession: true },
    { id: 'in', type: 'mqtt in', name: '', topic: 'agent/message', qos: '2', datatype: 'auto-detect', broker: 'connection', nl: false, rap: true, rh: 0, inputs: 0, wires: [[to]] }
  ]
}

/** The SQLite node with a prepared statement, id `insert`, and its database, id `database`. */
export function sqliteNodes (place: Place, sql: string): Flow {
  return [
    { id: 'database', type: 'sqlitedb', db: place.database, mode: 'RWC' },
    { id: 'insert', type: 'sqlite', mydb: 'database', sqlquery: 'prepared', sql, name: '', wires: [[]] }
  ]
}

/** Run `sql` when the flow starts, as the SQLite node's "batch without response" does. */
export function once (sql: string): Flow {
  return [
    { id: 'start', type: 'inject', name: '', props: [{ p: 'topic', vt: 'str' }], topic: sql, repeat: '', crontab: '', once: true, onceDelay: 0.1, wires: [['create']] },
    { id: 'create', type: 'sqlite', mydb: 'database', sqlquery: 'batch', sql: '', name: '', wires: [[]] }
  ]
}
