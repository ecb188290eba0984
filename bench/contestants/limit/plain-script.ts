import { hash } from 'node:crypto'
import { createServer } from 'node:net'
import { requireFromRoot } from '../../from-root.ts'
import { insertRows, openDatabase, type Row } from './database.ts'

// d3: node plain-script.ts <port> <database>. The shortest thing that keeps promises 1 and 2 of the design: a PUBACK after the
// commit, a key that recognises a redelivery. No checks, no presence, no limits, no listeners.
const { Aedes } = requireFromRoot('aedes') as typeof import('aedes')

const database = await openDatabase(process.argv[3] ?? '')
const broker = await Aedes.createBroker()
const series = new Map<string, number>()
let rows: Row[] = []
let waiting: Array<(error?: Error | null) => void> = []
let flushing = false

broker.authorizePublish = (_client, packet, callback) => {
  const text = packet.payload.toString()
  const { agent, metrics, timestamp } = JSON.parse(text)
  const seq = hash('sha1', text, 'buffer').readUIntBE(0, 6)
  for (const { type, value } of metrics) {
    rows.push([seriesOf(agent.uuid, type), timestamp, seq, typeof value === 'string' ? null : Number(value), typeof value === 'string' ? value : null])
  }
  waiting.push(callback)
  if (!flushing) flush()
}

function flush (): void {
  const [batch, callbacks] = [rows, waiting]
  rows = []
  waiting = []
  flushing = true
  database.run(insertRows, [JSON.stringify(batch)], error => {
    for (const callback of callbacks) callback(error)
    flushing = false
    if (waiting.length > 0) flush()
  })
}

function seriesOf (uuid: string, type: string): number {
  const key = `${uuid} ${type}`
  const known = series.get(key)
  if (known !== undefined) return known
  const id = series.size + 1
  series.set(key, id)
  database.run('insert into series (id, uuid, type) values (?, ?, ?)', [id, uuid, type])
  return id
}

createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1')
