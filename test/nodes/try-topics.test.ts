import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, afterEach, before, test } from 'node:test'
import mqtt from 'mqtt'
import helper from 'node-red-node-test-helper'
import { brokerUrl } from '../../lib/registry/broker-url.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import agentIn from '../../nodes/agent-in/agent-in.ts'
import broker from '../../nodes/platziverse-broker/platziverse-broker.ts'
import { closeAll } from '../../nodes/shared/broker.ts'
import { until } from '../helpers/events.ts'
import { loadNodes } from '../helpers/loaded-nodes.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'

helper.init(createRequire(import.meta.url).resolve('node-red'))
before(() => new Promise<void>(resolve => { helper.startServer(resolve) }))
after(() => new Promise<void>(resolve => { helper.stopServer(resolve) }))
afterEach(async () => {
  await helper.unload()
  await closeAll()
})

interface Answer { ok: boolean, code?: string, detail?: string, problems?: string[], messages?: Array<{ topic: string, payload: string, lines?: unknown[], detail?: string }> }

async function tryOn (brokerId: unknown, rules: unknown, language = 'en'): Promise<Answer> {
  const { body } = await helper.request().post('/platziverse/topics/try').set('Accept-Language', language).send({ broker: brokerId, rules })
  return body as Answer
}

const flow = [{ id: 'tab', type: 'tab' }, { id: 'b', z: 'tab', type: 'platziverse-broker', port: 0, x: 1, y: 1, wires: [[], []] }]
const sensor = { topic: 'tele/{uuid}/SENSOR', format: 'json', take: ['ENERGY'], time: { path: 'at', unit: 's' } }
const lwt = { topic: 'tele/{uuid}/LWT', format: 'presence', presence: { online: 'Online', offline: 'Offline' } }

test('rows are tried on what the broker retained, and on what it saw since the first look, newest first', async t => {
  await loadNodes([broker, agentIn], flow)
  const url = await until(() => brokerUrl('b'), url => url !== undefined) as string
  const client = await mqtt.connectAsync(url)
  t.after(() => client.endAsync(true))
  await client.publishAsync('tele/plug/LWT', 'Online', { retain: true, qos: 1 })
  await client.publishAsync('tele/plug/SENSOR', '{"at":1764547200,"ENERGY":{"Power":1}}', { qos: 1 })
  const first = await tryOn('b', [lwt, sensor])
  assert.deepEqual(first, { ok: true, problems: [], messages: [{ topic: 'tele/plug/LWT', payload: 'Online', lines: [{ uuid: 'plug', is: 'connected' }] }] })

  await client.publishAsync('tele/plug/SENSOR', '{"at":1764547200,"ENERGY":{"Power":2}}', { qos: 1 })
  await client.publishAsync('tele/plug/SENSOR', '{"at":"noon","ENERGY":{"Power":3}}', { qos: 1 })
  await client.publishAsync('tele/lamp/SENSOR', '{"at":1764547200,"ENERGY":{"Power":4}}', { qos: 1 })
  await client.publishAsync('tele/plug/STATE', 'x'.repeat(5_000), { qos: 1 })
  await client.publishAsync('tele/long/SENSOR', 'x'.repeat(5_000), { qos: 1 })
  const { messages = [], problems } = await tryOn('b', [lwt, sensor, { topic: 'x{' }], 'es')
  assert.deepEqual(messages, [
    { topic: 'tele/long/SENSOR', payload: '', lines: [], detail: 'El mensaje es demasiado largo para probarlo aquí.' },
    { topic: 'tele/plug/STATE', payload: '' },
    { topic: 'tele/lamp/SENSOR', payload: '{"at":1764547200,"ENERGY":{"Power":4}}', lines: ['lamp 2025-12-01T00:00:00.000Z: ENERGY.Power = 4'] },
    { topic: 'tele/plug/SENSOR', payload: '{"at":"noon","ENERGY":{"Power":3}}', lines: [], detail: 'La hora "noon" no es un número de s.' },
    { topic: 'tele/plug/LWT', payload: 'Online', lines: [{ uuid: 'plug', is: 'connected' }] }
  ])
  assert.match(problems?.[0] ?? '', /^Fila 3: En el tema "x\{"/)
})

test('rows are tried on what a broker elsewhere retained, and gives since the first look', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t)
  const url = `mqtt://127.0.0.1:${port}`
  const client = await mqtt.connectAsync(url)
  t.after(() => client.endAsync(true))
  await client.publishAsync('tele/plug/LWT', 'Online', { retain: true, qos: 1 })
  await loadNodes([broker, agentIn], flow.map(node => node.id === 'b' ? { ...node, mode: 'elsewhere', url } : node))
  await until(() => findBroker('b').listener.state, state => state === 'connected')
  assert.deepEqual(await tryOn('b', [lwt, sensor]), { ok: true, problems: [], messages: [{ topic: 'tele/plug/LWT', payload: 'Online', lines: [{ uuid: 'plug', is: 'connected' }] }] })
  await client.publishAsync('tele/plug/SENSOR', '{"at":1764547200,"ENERGY":{"Power":2}}', { qos: 1 })
  const lines = await until(async () => (await tryOn('b', [lwt, sensor])).messages?.map(({ lines }) => lines), all => all?.length === 2)
  assert.deepEqual(lines, [['plug 2025-12-01T00:00:00.000Z: ENERGY.Power = 2'], [{ uuid: 'plug', is: 'connected' }]])
})

test('the last message of fifty topics is kept, and nothing while nobody looks', async t => {
  await loadNodes([broker, agentIn], flow)
  const url = await until(() => brokerUrl('b'), url => url !== undefined) as string
  const client = await mqtt.connectAsync(url)
  t.after(() => client.endAsync(true))
  assert.equal(findBroker('b').hasSubscribers, false)
  assert.deepEqual((await tryOn('b', [])).messages, [])
  assert.equal(findBroker('b').hasSubscribers, true)
  for (let i = 0; i < 60; i++) await client.publishAsync(`t/${i}`, '1', { qos: 1 })
  const { messages = [] } = await tryOn('b', [{ topic: 't/{uuid}', format: 'value', type: 'v' }])
  assert.deepEqual(messages.map(({ lines }) => lines), Array.from({ length: 50 }, (_, i) => [`${59 - i}: v = 1`]))
})

test('what cannot be tried is refused', async () => {
  await loadNodes([broker, agentIn], flow)
  for (const rules of [undefined, {}, Array(1_001).fill(sensor)]) assert.equal((await tryOn('b', rules)).code, 'ADMIN_REQUEST_INVALID')
  for (const id of ['x', undefined, 5, '__proto__']) assert.equal((await tryOn(id, [])).code, 'BROKER_MISSING')
})
