import type { Contestant } from './contestant.ts'
import { comparators, flowOf, prepareNodeRed } from './node-red.ts'
import { brokerNode, mqttIn, once, sqliteNodes } from './palette-nodes.ts'

/**
 * (a) What people build today, as the nodes' READMEs show it and with every node's defaults: the aedes broker node, core
 * `mqtt in`, a function node that makes one message per metric, the SQLite node with a prepared insert. A plain table
 * without an index, SQLite's own journal mode: nothing in it is slower than what comes out of the box.
 */
export const handBuilt: Contestant = {
  id: 'a',
  name: 'hand-built flow',
  acknowledges: 'on arrival',
  rows: 'select count(*) as n from metrics',
  progress: 'select max(id) as n from metrics',
  prepare: place => prepareNodeRed(place, flowOf([
    ...brokerNode(place),
    ...mqttIn(place, 'split'),
    {
      id: 'split',
      type: 'function',
      name: 'one message per metric',
      outputs: 1,
      func: `const { agent, metrics, timestamp } = msg.payload
return [metrics.map(({ type, value }) => ({ params: { $uuid: agent.uuid, $type: type, $value: value, $timestamp: timestamp } }))]`,
      wires: [['insert']]
    },
    ...sqliteNodes(place, 'insert into metrics (uuid, type, value, timestamp) values ($uuid, $type, $value, $timestamp)'),
    ...once('create table if not exists metrics (id integer primary key, uuid text, type text, value, timestamp integer)')
  ]), comparators)
}
