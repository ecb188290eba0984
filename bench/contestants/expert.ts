import type { Contestant } from './contestant.ts'
import { comparators, flowOf, prepareNodeRed } from './node-red.ts'
import { brokerNode, mqttIn, once, sqliteNodes } from './palette-nodes.ts'

/**
 * (b) The same nodes in an expert's hands: the function turns a message into rows of JSON text, `join` makes batches of
 * 1,000 messages (or of what came in 0.1 s; joined text spares the deep copy that it makes of arrays), one statement
 * stores a batch, and the database is in WAL mode with synchronous=NORMAL, because this flow acknowledges on arrival anyway.
 */
export const expert: Contestant = {
  id: 'b',
  name: 'expert\'s flow of palette nodes',
  acknowledges: 'on arrival',
  rows: 'select count(*) as n from metrics',
  progress: 'select max(id) as n from metrics',
  prepare: place => prepareNodeRed(place, flowOf([
    ...brokerNode(place),
    ...mqttIn(place, 'rows'),
    {
      id: 'rows',
      type: 'function',
      name: 'rows as JSON text',
      outputs: 1,
      func: `const { agent, metrics, timestamp } = msg.payload
msg.payload = JSON.stringify(metrics.map(({ type, value }) => [agent.uuid, type, value, timestamp])).slice(1, -1)
return msg`,
      wires: [['join']]
    },
    { id: 'join', type: 'join', mode: 'custom', build: 'string', property: 'payload', propertyType: 'msg', joiner: ',', joinerType: 'str', count: '1000', timeout: '0.1', useparts: false, accumulate: false, wires: [['batch']] },
    { id: 'batch', type: 'function', name: 'one batch', outputs: 1, func: 'return { params: { $rows: `[${msg.payload}]` } }', wires: [['insert']] },
    ...sqliteNodes(place, 'insert into metrics (uuid, type, value, timestamp) select value->>0, value->>1, value->>2, value->>3 from json_each($rows)'),
    ...once(`pragma journal_mode = wal; pragma synchronous = normal;
      create table if not exists metrics (id integer primary key, uuid text, type text, value, timestamp integer)`)
  ]), comparators)
}
