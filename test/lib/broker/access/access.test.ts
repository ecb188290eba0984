import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MqttClient } from 'mqtt'
import { hashPassword } from '../../../../lib/broker/access/passwords.ts'
import type { Rule } from '../../../../lib/broker/access/rules.ts'
import { attachBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, openIntake, type TestBroker } from '../../../helpers/broker.ts'
import { closing, until } from '../../../helpers/events.ts'

const users = await Promise.all(['sensor-1', 'sensor-2', 'application', 'operator'].map(async username => ({ username, hash: await hashPassword(`${username}'s secret`) })))
const as = (username: string): { username: string, password: string } => ({ username, password: `${username}'s secret` })

const rules: Rule[] = [
  { subject: 'everyone', access: 'write', topic: 'sensor_data/%u' },
  { subject: 'everyone', access: 'read', topic: 'config_change/%u' },
  { subject: 'user', username: 'application', access: 'read', topic: 'sensor_data/#' },
  { subject: 'user', username: 'operator', access: 'write', topic: 'config_change/#' }
]

function listen (client: MqttClient): string[] {
  const heard: string[] = []
  client.on('message', (topic, payload) => { heard.push(`${topic} ${payload}`) })
  return heard
}

/** What one filter was granted: a QoS, or 128 for none. */
async function granted (client: MqttClient, filter: string): Promise<number | undefined> {
  try {
    return (await client.subscribeAsync(filter, { qos: 1 }))[0]?.qos
  } catch {
    return 128
  }
}

test('with users, a client needs the right password, from this machine too', async t => {
  const broker = await openBroker(t, { users })
  await broker.client({ ...as('sensor-1'), clientId: 'good' })
  await assert.rejects(broker.client({ ...as('sensor-1'), password: 'wrong', clientId: 'bad' }), /Bad username or password|Not authorized/i)
  await assert.rejects(broker.client({ username: 'nobody', password: 'x', clientId: 'unknown' }))
  await assert.rejects(broker.client({ clientId: 'anonymous' }), /Not authorized/i)
  const { refusedBy, clients } = broker.place.statistics()
  assert.equal(clients, 1)
  assert.deepEqual(refusedBy, { credentials: 2, anonymous: 1 })
  const refused = broker.events.filter(({ event }) => event === 'refused')
  assert.deepEqual(refused.map(event => 'clientId' in event && event.clientId), ['bad', 'unknown', 'anonymous'])
  assert.doesNotMatch(JSON.stringify(broker.events), /secret|wrong/)
})

test('sensors, an application and an operator see what the rules grant and nothing else', async t => {
  const broker = await openBroker(t, { users, rules })
  const sensor = await broker.client(as('sensor-1'))
  const other = await broker.client(as('sensor-2'))
  const application = await broker.client(as('application'))
  const operator = await broker.client(as('operator'))
  const heard = { application: listen(application), other: listen(other), sensor: listen(sensor) }

  assert.equal(await granted(application, 'sensor_data/#'), 1)
  assert.equal(await granted(sensor, 'config_change/sensor-1'), 1)
  for (const filter of ['config_change/sensor-1', 'config_change/+', '#', '$SYS/#', 'sensor_data/sensor-2']) assert.equal(await granted(other, filter), 128, filter)
  assert.equal(await granted(other, 'config_change/sensor-2'), 1)

  await sensor.publishAsync('sensor_data/sensor-1', '21', { qos: 1 })
  await sensor.publishAsync('sensor_data/sensor-2', 'a lie', { qos: 1 })
  await sensor.publishAsync('config_change/sensor-2', 'a takeover', { qos: 1 })
  await operator.publishAsync('config_change/sensor-1', 'interval=5', { qos: 1 })
  await until(() => [heard.application.length, heard.sensor.length], ([data, config]) => data === 1 && config === 1)
  await application.publishAsync('sensor_data/sensor-1', 'not mine', { qos: 1 })
  assert.deepEqual(heard, { application: ['sensor_data/sensor-1 21'], other: [], sensor: ['config_change/sensor-1 interval=5'] })
  assert.equal(broker.place.statistics().droppedBy['rules'], 3)
})

test('a last will and a retained message are under the rules as well', async t => {
  const broker = await openBroker(t, { users, rules })
  const application = await broker.client(as('application'))
  const heard = listen(application)
  await application.subscribeAsync('sensor_data/#', { qos: 1 })
  const liar = await broker.client({ ...as('sensor-1'), will: { topic: 'sensor_data/sensor-2', payload: Buffer.from('a lie'), qos: 1, retain: true } })
  const honest = await broker.client({ ...as('sensor-2'), will: { topic: 'sensor_data/sensor-2', payload: Buffer.from('gone'), qos: 1, retain: true } })
  liar.stream.destroy()
  await until(() => broker.place.statistics().droppedBy['rules'], count => count === 1)
  honest.stream.destroy()
  await until(() => heard, ([first]) => first !== undefined)
  assert.deepEqual(heard, ['sensor_data/sensor-2 gone'])
  assert.equal(broker.place.snapshot()?.retained, 1)
})

test('users and rules change without hanging up on anybody whose rights did not change', async t => {
  const broker = await openBroker(t, { users, rules })
  const names = ['sensor-1', 'sensor-2', 'application', 'operator']
  const [sensor, , application, operator] = await Promise.all(names.map(name => broker.client({ ...as(name), clientId: name })))
  const heard = listen(application as MqttClient)
  await application?.subscribeAsync('sensor_data/#', { qos: 1 })
  const gone = closing(operator as MqttClient)
  const changed = users.filter(({ username }) => username !== 'operator')
  await attachBroker(broker.id, brokerOptions({ users: changed, rules: rules.filter(({ username }) => username !== 'application') }))
  await gone
  const left = broker.events.filter(({ event }) => event === 'disconnected')
  assert.deepEqual(left.map(event => 'reason' in event && 'clientId' in event && `${event.clientId}: ${event.reason}`), ['operator: its user was changed or removed'])
  // The application may not read any more what it subscribed to.
  await sensor?.publishAsync('sensor_data/sensor-1', '22', { qos: 1 })
  assert.deepEqual(heard, [])
  assert.equal(broker.place.statistics().droppedBy['rules'], 1)
})

test('without users a username proves nothing: no rule for a user holds', async t => {
  const broker = await openBroker(t, { rules })
  const impostor = await broker.client({ username: 'application' })
  assert.equal(await granted(impostor, 'sensor_data/#'), 128)
})

test('a user speaks only for agents of its own, and for none that another user spoke for before', async t => {
  const broker = await openBroker(t, { users })
  const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  const agent = (uuid: string, username?: string): string => JSON.stringify({ agent: { uuid, ...username === undefined ? {} : { username } }, metrics: [{ type: 'a', value: 1 }] })
  const sensor = await broker.client(as('sensor-1'))
  const other = await broker.client(as('sensor-2'))
  await sensor.publishAsync('agent/message', agent('one', 'sensor-1'), { qos: 1 })
  await sensor.publishAsync('agent/message', agent('two', 'sensor-2'), { qos: 1 })
  await other.publishAsync('agent/message', agent('one'), { qos: 1 })
  await other.publishAsync('agent/disconnected', JSON.stringify({ agent: { uuid: 'one' } }), { qos: 1 })
  await other.publishAsync('agent/message', agent('three'), { qos: 1 })
  assert.deepEqual(heard.map(({ kind, rejected }) => rejected?.reason ?? kind), ['message', 'AGENT_NOT_THEIRS', 'AGENT_NOT_THEIRS', 'AGENT_NOT_THEIRS', 'message'])
})

test('a client that is disconnected by an operator is kept out for as long as was said', async t => {
  const broker: TestBroker = await openBroker(t)
  const client = await broker.client({ clientId: 'noisy' })
  const closed = closing(client)
  assert.equal(broker.place.control.disconnect('noisy', 60), true)
  await closed
  await assert.rejects(broker.client({ clientId: 'noisy' }), /Not authorized/i)
  assert.equal(broker.place.control.disconnect('nobody'), false)
  assert.equal(broker.place.statistics().refusedBy['banned'], 1)
  await broker.client({ clientId: 'quiet' })
  assert.deepEqual(broker.place.clients().map(({ clientId }) => clientId), ['quiet'])
})

test('a client id is taken over by its own user only', async t => {
  const broker = await openBroker(t, { users, anonymous: true })
  const first = await broker.client({ ...as('sensor-1'), clientId: 'mine' })
  await assert.rejects(broker.client({ ...as('sensor-2'), clientId: 'mine' }), /Identifier rejected/i)
  await assert.rejects(broker.client({ clientId: 'mine' }), /Identifier rejected/i)
  await first.publishAsync('a', 'still here', { qos: 1 })
  const closed = closing(first)
  await broker.client({ ...as('sensor-1'), clientId: 'mine' })
  await closed
  assert.equal(broker.place.statistics().refusedBy['clientIdTaken'], 2)
})
