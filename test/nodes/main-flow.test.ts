import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import helper from 'node-red-node-test-helper'
import { connectAsync } from 'mqtt'
import knexFactory from 'knex'
import agentIn from '../../nodes/agent-in/agent-in.ts'
import agentOut from '../../nodes/agent-out/agent-out.ts'
import database from '../../nodes/platziverse-database/platziverse-database.ts'
import broker from '../../nodes/platziverse-broker/platziverse-broker.ts'
import metricStore from '../../nodes/metric-store/metric-store.ts'
import { brokerUrl, closeAllBrokers } from '../../nodes/shared/broker.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { until } from '../helpers/events.ts'
import { reading } from '../helpers/messages.ts'

helper.init(createRequire(import.meta.url).resolve('node-red'))
before(() => new Promise<void>(resolve => helper.startServer(resolve)))
after(() => new Promise<void>(resolve => helper.stopServer(resolve)))
afterEach(async () => { await helper.unload(); await closeAllBrokers() })

test('a reading is stored, acknowledged and sent to listeners', async t => {
  const folder = await temporaryFolder(t)
  const filename = join(folder, 'a.sqlite')
  const flow = [
    { id: 'b', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'd', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'i', type: 'agent-in', broker: 'b', wires: [['s'], ['s'], ['s'], []] },
    { id: 's', type: 'metric-store', database: 'd', wires: [['o']] },
    { id: 'o', type: 'agent-out', broker: 'b' }
  ]
  await helper.load([broker, agentIn, database, metricStore, agentOut] as never, flow as never)
  const url = await until(() => brokerUrl('b'), url => url !== undefined)
  const listener = await connectAsync(url as string)
  const heard: string[] = []
  listener.on('message', (topic, payload) => { heard.push(`${topic} ${payload.toString()}`) })
  await listener.subscribeAsync('#', { qos: 1 })
  const sender = await connectAsync(url as string)
  const payload = reading('a1')
  await sender.publishAsync('agent/message', payload, { qos: 1 })
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  assert.equal((await knex('metrics')).length, 3)
  await until(() => heard, heard => heard.length === 1)
  assert.deepEqual(JSON.parse(heard[0]?.slice('agent/message '.length) ?? ''), JSON.parse(payload))
  sender.end(true)
  await until(() => heard, heard => heard.length === 2)
  assert.match(heard[1] ?? '', /^agent\/disconnected \{"agent":\{"uuid":"a1"\}\}$/)
  listener.end(true)
})
