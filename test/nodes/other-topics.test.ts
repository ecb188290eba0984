import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const load = useNodeRed()
const tasmota = { topic: 'tele/{uuid}/SENSOR', format: 'json', take: ['ENERGY'], rename: { 'ENERGY.Power': 'power' } }
const reading = '{"Time":"2026-11-30T12:00:00","ENERGY":{"Power":5,"Today":0.1}}'

interface Given { otherTopics?: object[], intake?: object, middle?: string[] }

async function platform (t: TestContext, { otherTopics = [tasmota], intake = {}, middle = ['store'] }: Given = {}) {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const flow = await load([
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', otherTopics, wires: [['store'], ['store'], middle, ['rejected']], ...intake },
    { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['stored']] },
    { id: 'stored', z: 'tab', type: 'helper' },
    { id: 'rejected', z: 'tab', type: 'helper' },
    // Breaks the first message, as a flow with a mistake does.
    { id: 'broken', z: 'tab', type: 'function', func: 'if (!context.get("was")) { context.set("was", true); msg.payload = {} } return msg', outputs: 1, wires: [['store']] }
  ].map(node => ({ ...node, ...'z' in node ? { x: 1, y: 1 } : {} })))
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const url = await flow.url('broker')
  const connect = async (options: IClientOptions = {}): Promise<MqttClient> => {
    const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options })
    t.after(() => client.endAsync(true))
    return client
  }
  return { flow, knex, connect, port: Number(new URL(url).port) }
}

for (const protocolVersion of [4, 5] as const) {
  for (const qos of [0, 1, 2] as const) {
    test(`what Tasmota publishes is stored, and subscribers get it as it is: MQTT ${protocolVersion}, QoS ${qos}`, async t => {
      const { flow, knex, connect } = await platform(t)
      const subscriber = await connect({ protocolVersion })
      await subscriber.subscribeAsync('tele/#', { qos: 2 })
      const heard: unknown[] = []
      subscriber.on('message', (topic, payload, packet) => { heard.push([topic, payload.toString(), packet.qos, packet.retain]) })
      const plug = await connect({ protocolVersion, clientId: 'plug' })
      await plug.publishAsync('tele/plug/SENSOR', reading, { qos })
      if (qos > 0) assert.equal((await knex('metrics')).length, 2, 'the acknowledgement came after the commit')
      const [message] = await until(() => flow.received('stored'), messages => messages.length > 0)
      assert.equal(message?.topic, 'agent/message')
      assert.deepEqual(message?.source, { topic: 'tele/plug/SENSOR', payload: reading })
      const { agent, metrics } = message?.payload as { agent: object, metrics: object[] }
      assert.deepEqual([agent, metrics], [{ uuid: 'plug' }, [{ type: 'power', value: 5 }, { type: 'ENERGY.Today', value: 0.1 }]])
      await until(() => heard, all => all.length > 0)
      assert.deepEqual(heard, [['tele/plug/SENSOR', reading, qos, false]])
      assert.equal(flow.received('rejected').length, 0)
    })
  }
}

test('what could not be stored is not acknowledged, comes again, and is stored once', async t => {
  const timed = { ...tasmota, time: { path: 'at', unit: 's' } }
  const { flow, knex, connect } = await platform(t, { otherTopics: [timed], middle: ['broken'] })
  const plug = await connect({ clientId: 'plug', clean: false, reconnectPeriod: 50 })
  const at = Math.floor(Date.now() / 1000)
  await plug.publishAsync('tele/plug/SENSOR', JSON.stringify({ at, ENERGY: { Power: 5 } }), { qos: 1 })
  assert.match(flow.log().join('\n'), /FIELD_INVALID/)
  assert.equal((await knex('metrics')).length, 1)
  // As if the acknowledgement had got lost.
  await plug.publishAsync('tele/plug/SENSOR', JSON.stringify({ at, ENERGY: { Power: 5 } }), { qos: 1 })
  assert.equal((await knex('metrics')).length, 1)
})

test('a row that is wrong is named, in the log and in the status, and the others are read', async t => {
  const { flow, knex, connect } = await platform(t, { otherTopics: [{ topic: 'x/{', format: 'json' }, tasmota] })
  const plug = await connect()
  await plug.publishAsync('tele/plug/SENSOR', reading, { qos: 1 })
  assert.equal((await knex('metrics')).length, 2)
  assert.match(flow.log().join('\n'), /Row 1: In the topic "x\/\{"/)
  assert.match((await until(() => flow.status('in'), status => status !== undefined))?.text ?? '', /TOPIC_RULE_INVALID/)
})
