import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import type { MqttClient } from 'mqtt'
import type { Connection, Publication } from '../../../lib/broker/publication.ts'
import { RuleTable } from '../../../lib/mapping/rules/rule-table.ts'
import type { TopicRule } from '../../../lib/mapping/topic-rule.ts'
import { flowsStarted } from '../../../lib/registry/registry.ts'
import { openBroker, openIntake, type Heard, type TestBroker } from '../../helpers/broker.ts'
import { closing, once, until } from '../../helpers/events.ts'
import { claim, publish } from '../../helpers/intake.ts'
import { reading } from '../../helpers/messages.ts'
import { rawClient } from '../../helpers/raw-client.ts'

const sensor: TopicRule = { topic: 'tele/{uuid}/SENSOR', format: 'json', time: { path: 'at', unit: 's' } }
const lwt: TopicRule = { topic: 'tele/{uuid}/LWT', format: 'presence', presence: { online: 'Online', offline: 'Offline' } }
const tableOf = (...rules: TopicRule[]): RuleTable => {
  const table = new RuleTable(rules)
  assert.deepEqual(table.problems, [])
  return table
}
const intakeOf = (t: TestContext, broker: TestBroker, ...rules: TopicRule[]) => openIntake(t, broker.id, { otherTopics: tableOf(...rules) })
const kinds = (heard: Heard[]) => heard.map(({ kind, incoming, rejected }) => `${kind} ${incoming?.payload.agent.uuid ?? rejected?.reason}`)
/** A packet on another connection goes the same way; its acknowledgement shows that the broker had time for what came before. */
const turn = async (broker: TestBroker): Promise<void> => { await (await broker.client()).publishAsync('other', '', { qos: 1 }) }

/** What a client with a subscription gets. */
async function listen (broker: TestBroker, filter: string): Promise<string[]> {
  const client = await broker.client()
  const got: string[] = []
  client.on('message', (topic, payload, { retain }) => { got.push(`${topic} ${payload.toString()}${retain ? ' retained' : ''}`) })
  await client.subscribeAsync(filter, { qos: 2 })
  return got
}

for (const qos of [1, 2] as const) {
  test(`QoS ${qos}: subscribers get it at once, and the publisher its acknowledgement once it is stored`, async t => {
    const broker = await openBroker(t)
    const { heard } = intakeOf(t, broker, sensor)
    const got = await listen(broker, 'tele/#')
    const sent = publish(await broker.client({ clientId: 'c1' }), 'tele/plug/SENSOR', '{"at":1764547200,"power":5}', qos)
    await until(() => got, all => all.length > 0)
    await until(() => heard, all => all.length > 0)
    await turn(broker)
    assert.equal(sent.acknowledged, false)
    const { topic, payload, delivery, source } = heard[0]?.incoming ?? assert.fail('nothing')
    assert.deepEqual([topic, payload], ['agent/message', { agent: { uuid: 'plug' }, metrics: [{ type: 'power', value: 5 }], timestamp: 1_764_547_200_000 }])
    assert.deepEqual([delivery.clientId, delivery.qos, source], ['c1', qos, { topic: 'tele/plug/SENSOR', payload: '{"at":1764547200,"power":5}' }])
    claim(heard[0]).settle()
    await sent.done
    assert.equal(sent.acknowledged, true)
    assert.deepEqual(got, ['tele/plug/SENSOR {"at":1764547200,"power":5}'])
  })
}

test('what is retained stays retained, and is news only when it is published', async t => {
  const broker = await openBroker(t)
  const { heard } = intakeOf(t, broker, sensor)
  const sent = publish(await broker.client(), 'tele/plug/SENSOR', '{"power":5}')
  await until(() => heard.length, n => n === 1)
  claim(heard[0]).settle()
  await sent.done
  const client = await broker.client()
  const retained = client.publishAsync('tele/plug/SENSOR', '{"power":6}', { qos: 1, retain: true })
  await until(() => heard.length, n => n === 2)
  assert.equal(heard[1]?.incoming?.delivery.retain, true)
  claim(heard[1]).settle()
  await retained
  const got = await listen(broker, 'tele/#')
  await until(() => got, all => all.length > 0)
  assert.deepEqual(got, ['tele/plug/SENSOR {"power":6} retained'])
  assert.equal(heard.length, 2)
})

test('a publication that becomes several messages is acknowledged when all are stored', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = intakeOf(t, broker, sensor)
  const values = Object.fromEntries(Array.from({ length: 2_300 }, (_, i) => [`v${i}`, i]))
  const sent = publish(await broker.client(), 'tele/plug/SENSOR', JSON.stringify({ at: 1_764_547_200, ...values }))
  await until(() => heard.length, n => n === 3)
  const metrics = heard.map(({ incoming }) => 'metrics' in incoming!.payload ? incoming!.payload.metrics.length : 0)
  assert.deepEqual(metrics, [1000, 1000, 300])
  assert.equal(new Set(heard.map(({ incoming }) => incoming?.delivery.fingerprint)).size, 3)
  assert.equal(intake.statistics().unsettled, 3)
  for (const index of [2, 0]) claim(heard[index]).settle()
  await turn(broker)
  assert.equal(sent.acknowledged, false)
  claim(heard[1]).settle()
  await sent.done
  assert.equal(sent.acknowledged, true)
})

test('if one of them is not stored the publisher sends all of it again, and each is recognised', async t => {
  const broker = await openBroker(t)
  const taken = intakeOf(t, broker, { topic: 'csv/{site}', format: 'csv', uuid: '{$.id}', columns: ['id', 'power', 'at'], time: { path: 'at', unit: 's' } })
  // Without those that say that the connection ended.
  const messages = () => taken.heard.filter(({ kind }) => kind === 'message')
  const text = 'a,1,1764547200\nb,2,1764547200'
  const first = await broker.client()
  const sent = publish(first, 'csv/plant', text)
  await until(() => messages().length, n => n === 2)
  claim(messages()[0]).settle(new Error('no'))
  await turn(broker)
  assert.equal(first.connected, true, 'the other one is not settled yet')
  claim(messages()[1]).settle()
  await closing(first)
  assert.equal(sent.acknowledged, false)
  const again = publish(await broker.client(), 'csv/plant', text)
  await until(() => messages().length, n => n === 4)
  for (const each of messages().slice(2)) claim(each).settle()
  await again.done
  assert.equal(again.acknowledged, true)
  const prints = messages().map(({ incoming }) => [incoming?.payload.agent.uuid, incoming?.delivery.fingerprint])
  assert.deepEqual(prints.slice(2), prints.slice(0, 2))
})

test('QoS 2: subscribers do not get it again when it is sent again because it was not stored', async t => {
  const broker = await openBroker(t)
  const taken = intakeOf(t, broker, sensor)
  // Without those that say that the connection ended.
  const messages = () => taken.heard.filter(({ kind }) => kind === 'message')
  const got = await listen(broker, 'tele/#')
  const payload = '{"at":1764547200,"power":5}'
  const publishOf = (dup: boolean) => generate({ cmd: 'publish', topic: 'tele/plug/SENSOR', payload, qos: 2, dup, retain: false, messageId: 7 } as Packet)
  const send = async (dup: boolean) => {
    const socket = await rawClient(t, broker.port, 'plug', { clean: false })
    socket.write(publishOf(dup))
    return socket
  }
  const first = await send(false)
  await until(() => messages().length, n => n === 1)
  claim(messages()[0]).settle(new Error('no'))
  await closing(first)
  const second = await send(true)
  await until(() => messages().length, n => n === 2)
  claim(messages()[1]).settle()
  const [pubrec] = await once(second, 'data') as [Buffer]
  assert.deepEqual([...pubrec], [0x50, 2, 0, 7])
  // The same words under the same id are another message once the first was released.
  second.write(Buffer.from([0x62, 2, 0, 7]))
  await once(second, 'data')
  // … whose first attempt may have got lost.
  second.write(publishOf(true))
  await until(() => messages().length, n => n === 3)
  claim(messages()[2]).settle()
  await until(() => got.length, n => n >= 2)
  assert.equal(got.length, 2)
})

test('what cannot be read is rejected as it came, and acknowledged', async t => {
  for (const protocolVersion of [4, 5] as const) {
    const broker = await openBroker(t)
    const { heard, intake } = intakeOf(t, broker, sensor, { topic: 'many/{uuid}', format: 'csv', uuid: '{$.id}', columns: ['id', 'v'] })
    const client = await broker.client({ protocolVersion })
    const refused: Array<[topic: string, payload: string, reason: string]> = [
      ['tele/plug/SENSOR', '{"power":', 'PAYLOAD_NOT_JSON'], ['tele/plug/SENSOR', '{"at":"noon","power":1}', 'TIMESTAMP_INVALID'], ['tele//SENSOR', '{"power":1}', 'FIELD_INVALID'],
      ['many/x', Array.from({ length: 1_001 }, (_, i) => `a${i},1`).join('\n'), 'PAYLOAD_TOO_LARGE']
    ]
    for (const [topic, payload, reason] of refused) {
      await client.publishAsync(topic, payload, { qos: 1 })
      const { rejected } = heard.pop() ?? assert.fail(reason)
      assert.deepEqual([rejected?.topic, rejected?.payload, rejected?.reason, heard.length], [topic, payload, reason, 0])
    }
    assert.equal(intake.statistics().rejected, 4)
  }
})

test('values that break the contract are left out one by one, twenty are reported, and the others go on', async t => {
  const broker = await openBroker(t)
  const { heard } = intakeOf(t, broker, { topic: 'many/{uuid}', format: 'csv', uuid: '{$.id}', columns: ['id', 'v', 'w'] })
  const sent = publish(await broker.client(), 'many/x', Array.from({ length: 50 }, (_, i) => `a${i},1,${'x'.repeat(2_000)}`).join('\n'))
  await until(() => heard.length, n => n === 70)
  const rejected = heard.flatMap(({ rejected }) => rejected ?? [])
  assert.equal(rejected.length, 20)
  assert.match(rejected.at(-1)?.detail ?? '', / 30 more metrics or messages of the publication were left out\.$/)
  for (const each of heard) if (each.kind === 'message') claim(each).settle()
  await sent.done
  assert.equal(sent.acknowledged, true)
})

test('a payload says that an agent is there, and a last will that it went', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = intakeOf(t, broker, lwt, sensor)
  const got = await listen(broker, 'tele/+/LWT')
  const client = await broker.client({ will: { topic: 'tele/plug/LWT', payload: Buffer.from('Offline'), qos: 1, retain: true } })
  const settleNext = async (count: number): Promise<void> => {
    await until(() => heard.length, n => n === count)
    claim(heard.at(-1)).settle()
  }
  const online = client.publishAsync('tele/plug/LWT', 'Online', { qos: 1, retain: true })
  await settleNext(1)
  await online
  const value = client.publishAsync('tele/plug/SENSOR', '{"power":1}', { qos: 1 })
  await settleNext(2)
  await value
  assert.equal(intake.statistics().agents, 1)
  client.stream.destroy()
  await settleNext(3)
  assert.deepEqual(kinds(heard), ['connected plug', 'message plug', 'disconnected plug'])
  assert.deepEqual(heard[2]?.incoming?.source, { topic: 'tele/plug/LWT', payload: 'Offline' })
  await until(() => got, all => all.length === 2)
  assert.deepEqual(got, ['tele/plug/LWT Online', 'tele/plug/LWT Offline'])
  const late = await listen(broker, 'tele/+/LWT')
  await until(() => late, all => all.length > 0)
  assert.deepEqual(late, ['tele/plug/LWT Offline retained'])
  assert.equal(heard.length, 3, 'the end of its connection is no second goodbye')
})

test('the devices of a gateway are there until it says that one went, or goes itself', async t => {
  const broker = await openBroker(t)
  const { heard, intake } = openIntake(t, broker.id, {
    acknowledge: 'arrival',
    otherTopics: tableOf({ topic: 'zigbee2mqtt/{uuid}', format: 'json' }, { topic: 'zigbee2mqtt/{uuid}/availability', format: 'presence', presence: { online: 'online', offline: 'offline', path: 'state' } })
  })
  const gateway = await broker.client()
  for (const device of ['a', 'b', 'c']) await gateway.publishAsync(`zigbee2mqtt/${device}`, '{"temperature":21}', { qos: 1 })
  await gateway.publishAsync('zigbee2mqtt/b/availability', '{"state":"offline"}', { qos: 1 })
  await gateway.publishAsync('zigbee2mqtt/b/availability', '{"state":"offline"}', { qos: 1 })
  assert.equal(intake.statistics().agents, 2)
  assert.deepEqual(kinds(heard).slice(3), ['disconnected b'])
  await gateway.endAsync()
  await until(() => heard.length, n => n === 6)
  assert.deepEqual(kinds(heard).slice(4), ['disconnected a', 'disconnected c'])
})

test('who may speak for an agent is the same as on agent/message', async t => {
  const users = [{ username: 'ana', password: 'a' }, { username: 'eva', password: 'e' }]
  const { hashPassword } = await import('../../../lib/broker/access/passwords.ts')
  const broker = await openBroker(t, { users: await Promise.all(users.map(async ({ username, password }) => ({ username, hash: await hashPassword(password) }))) })
  const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival', otherTopics: tableOf(sensor, { topic: 'of-eva/{uuid}', format: 'json', username: 'eva' }) })
  const [ana, eva] = await Promise.all(users.map(user => broker.client(user))) as [MqttClient, MqttClient]
  await ana.publishAsync('tele/plug/SENSOR', '{"power":1}', { qos: 1 })
  await eva.publishAsync('tele/plug/SENSOR', '{"power":2}', { qos: 1 })
  await ana.publishAsync('of-eva/lamp', '{"power":3}', { qos: 1 })
  await eva.publishAsync('of-eva/lamp', '{"power":4}', { qos: 1 })
  assert.deepEqual(kinds(heard), ['message plug', 'rejected AGENT_NOT_THEIRS', 'rejected AGENT_NOT_THEIRS', 'message lamp'])
  assert.deepEqual(heard[3]?.incoming?.payload.agent, { uuid: 'lamp', username: 'eva' })
})

test('what a deploy lost is given again, as it was', async t => {
  const broker = await openBroker(t)
  const { heard } = intakeOf(t, broker, sensor)
  const sent = publish(await broker.client(), 'tele/plug/SENSOR', '{"power":5}')
  await until(() => heard.length, n => n === 1)
  const first = heard[0]?.incoming ?? assert.fail('nothing')
  const before = structuredClone(first)
  // A flow may change what it gets.
  Object.assign(first.payload, { metrics: [], agent: {} })
  Object.assign(first.source ?? {}, {})
  flowsStarted()
  await until(() => heard.length, n => n === 2)
  assert.deepEqual(heard[1]?.incoming, before)
  claim(heard[1]).settle()
  await sent.done
  assert.equal(sent.acknowledged, true)
})

test('the rows of a deploy hold from then on, and others of another agent-in beside them', async t => {
  const broker = await openBroker(t)
  const options = { acknowledge: 'arrival', otherTopics: tableOf(sensor) } as const
  const one = openIntake(t, broker.id, options)
  const other = openIntake(t, broker.id, { acknowledge: 'arrival', otherTopics: tableOf({ topic: 'tele/{uuid}/+', format: 'json' }) })
  const client = await broker.client()
  await client.publishAsync('tele/plug/SENSOR', '{"power":1}', { qos: 1 })
  await client.publishAsync('tele/plug/STATE', '{"power":2}', { qos: 1 })
  assert.deepEqual([kinds(one.heard), kinds(other.heard)], [['message plug'], ['message plug', 'message plug']])
  one.detach()
  const waiting = publish(client, 'tele/plug/SENSOR', '{"power":3}')
  await until(() => other.heard.length, n => n === 3)
  assert.equal(waiting.acknowledged, false)
  one.attach()
  await waiting.done
  assert.equal(one.heard.length, 2)
})

test('the three topics, other topics without a row, and what this process publishes are as ever', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival', otherTopics: tableOf({ topic: '#', format: 'json', uuid: 'x' }) })
  const got = await listen(broker, '#')
  const client = await broker.client()
  await client.publishAsync('agent/message', reading('a1'), { qos: 1 })
  await broker.place.publish({ topic: 'tele/plug/SENSOR', payload: '{"power":1}', qos: 1, retain: false })
  await until(() => got, all => all.length > 0)
  assert.deepEqual(kinds(heard), ['message a1'])
  assert.deepEqual(got, ['tele/plug/SENSOR {"power":1}'])
})

test('what a bridge brings is read, but not what was retained before, and subscribers get it once however often it is tried', async t => {
  const broker = await openBroker(t)
  const { heard } = intakeOf(t, broker, sensor)
  const got = await listen(broker, 'tele/#')
  const connection: Connection = { number: -1, clientId: 'bridge', username: undefined, verified: false, address: undefined, gone: false, origin: 'b' }
  const publication = (payload: string, retainedBefore = false): Publication => ({ topic: 'tele/plug/SENSOR', payload: Buffer.from(payload), qos: 1, retain: retainedBefore, will: false, connection, retainedBefore })
  await broker.place.bring(publication('{"power":0}', true))
  assert.equal(heard.length, 0)
  const news = publication('{"power":1}')
  const failing = broker.place.bring(news)
  await until(() => heard.length, n => n === 1)
  claim(heard[0]).settle(new Error('no'))
  await assert.rejects(failing, { code: 'DELIVERY_UNSETTLED' })
  const again = broker.place.bring(news)
  await until(() => heard.length, n => n === 2)
  claim(heard[1]).settle()
  await again
  assert.equal(heard[0]?.incoming?.delivery.fingerprint, heard[1]?.incoming?.delivery.fingerprint)
  await until(() => got, all => all.length >= 2)
  assert.deepEqual(got, ['tele/plug/SENSOR {"power":0}', 'tele/plug/SENSOR {"power":1}'])
})
