import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import { connectAsync } from 'mqtt'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const load = useNodeRed()

async function platform (t: TestContext) {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const flow = await load([
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', wires: [['store'], ['store'], ['store'], ['rejected']] },
    { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['stored']] },
    ...['stored', 'rejected'].map(id => ({ id, z: 'tab', type: 'helper' }))
  ].map(node => ({ ...node, ...'z' in node ? { x: 1, y: 1 } : {} })))
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const types = async () => await knex('metrics').join('series', 'series.id', 'series_id').orderBy('type').pluck<string[]>('type')
  return { flow, types }
}

const message = '{"agent":{"uuid":"a"},"metrics":[{"type":"a","value":1},{"type":"b","value":null},{"type":"c","value":NaN},{"type":"d","value":2}],"timestamp":1700000000000}'

test('one bad metric of several is reported with its place, and the others are stored and acknowledged', async t => {
  const { flow, types } = await platform(t)
  const sender = await connectAsync(await flow.url('broker'), { reconnectPeriod: 0, clientId: 'c1' })
  t.after(() => { sender.end(true) })
  await sender.publishAsync('agent/message', message, { qos: 1 })
  assert.deepEqual(await types(), ['a', 'd'])
  const rejected = await until(() => flow.received('rejected'), messages => messages.length === 2)
  assert.deepEqual(rejected.map(({ payload }) => payload), [
    { topic: 'agent/message', payload: message, reason: 'FIELD_INVALID', index: 1, detail: 'metrics[1].value must be a finite number, a boolean, or a string of at most 1 KiB.' },
    { topic: 'agent/message', payload: message, reason: 'FIELD_INVALID', index: 2, detail: 'metrics[2].value must be a finite number, a boolean, or a string of at most 1 KiB.' }
  ])
  assert.equal((rejected[0]?.delivery as { clientId: string }).clientId, 'c1')
  // Came again, as after a broken connection: nothing new.
  await sender.publishAsync('agent/message', message, { qos: 1 })
  assert.deepEqual(await types(), ['a', 'd'])
})

test('metric-store keeps the good metrics of any other node, and warns of what it left out', async t => {
  const { flow, types } = await platform(t)
  for (let i = 0; i < 20; i++) flow.receive('store', { topic: 'agent/message', payload: message })
  await until(() => flow.received('stored').length, n => n === 20)
  assert.deepEqual(await types(), ['a', 'd'])
  assert.deepEqual(flow.log().filter(line => line.startsWith('Metrics')), ['Metrics were left out, and the others of their message stored: metrics[1].value must be a finite number, a boolean, or a string of at most 1 KiB. metrics[2].value must be a finite number, a boolean, or a string of at most 1 KiB.'])
})
