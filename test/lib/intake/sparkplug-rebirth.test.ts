import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPublishPacket, MqttClient } from 'mqtt'
import { hashPassword } from '../../../lib/broker/access/passwords.ts'
import { presets } from '../../../lib/mapping/presets/presets.ts'
import { RuleTable } from '../../../lib/mapping/rules/rule-table.ts'
import { flowsStarted } from '../../../lib/registry/registry.ts'
import { decode, encode } from '../../fixtures/devices/sparkplug.ts'
import { openBroker, openIntake, type TestBroker } from '../../helpers/broker.ts'
import { until } from '../../helpers/events.ts'

const otherTopics = (): RuleTable => new RuleTable(presets.find(({ id }) => id === 'sparkplug')?.rules)
const birth = (...more: Array<Parameters<typeof encode>[0]['metrics']>): Buffer => encode({ timestamp: Date.now(), seq: 0, metrics: [{ name: 'bdSeq', type: 'UInt64', value: 1 }, { name: 't', alias: 1, type: 'Double', value: 1 }, ...more.flatMap(metrics => metrics ?? [])] })
const data = (seq = 1, alias = 1): Buffer => encode({ timestamp: Date.now(), seq, metrics: [{ alias, type: 'Double', value: 2 }] })
const users = ['plant', 'stranger', 'mute']
const login = (username: string) => ({ username, password: username })
const opened = async (t: Parameters<typeof openBroker>[0], options: Parameters<typeof openBroker>[1] = {}): Promise<TestBroker> =>
  openBroker(t, { users: await Promise.all(users.map(async username => ({ username, hash: await hashPassword(username) }))), ...options })

/** The commands that a client gets. */
async function commands (client: MqttClient, filter = 'spBv1.0/+/NCMD/#'): Promise<IPublishPacket[]> {
  const got: IPublishPacket[] = []
  client.on('message', (_topic, _payload, packet) => { got.push(packet) })
  await client.subscribeAsync(filter)
  return got
}

test('a node whose birth was not seen is asked for it, once however many data come, and not retained', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id, { otherTopics: otherTopics(), acknowledge: 'arrival' })
  const node = await broker.client()
  const got = await commands(node, 'spBv1.0/Plant/NCMD/Line')
  for (let seq = 1; seq <= 20; seq++) await node.publishAsync(`spBv1.0/Plant/${seq % 2 === 0 ? 'NDATA/Line' : 'DDATA/Line/Press'}`, data(seq), { qos: 1 })
  await until(() => got.length, n => n > 0)
  const [{ topic, payload, qos, retain } = assert.fail()] = got
  assert.deepEqual([topic, qos, retain], ['spBv1.0/Plant/NCMD/Line', 0, false])
  assert.deepEqual((decode(payload as Buffer) as { metrics: unknown[] }).metrics.map(metric => ({ ...metric as object, timestamp: 0 })), [{ name: 'Node Control/Rebirth', type: 'Boolean', value: true, timestamp: 0 }])
  assert.deepEqual(heard.map(({ rejected }) => rejected?.reason), Array.from({ length: 20 }, () => 'BIRTH_UNKNOWN'))
  // It answers, and what comes is read.
  await node.publishAsync('spBv1.0/Plant/NBIRTH/Line', birth(), { qos: 1 })
  await node.publishAsync('spBv1.0/Plant/NDATA/Line', data(), { qos: 1 })
  assert.deepEqual(heard.slice(20).map(({ kind }) => kind), ['connected', 'message', 'message'])
  assert.equal(got.length, 1)
})

test('a deploy that changes the rows forgets births, one that does not keeps them', async t => {
  const broker = await openBroker(t)
  const options = { otherTopics: otherTopics(), acknowledge: 'arrival' as const }
  const taken = openIntake(t, broker.id, options)
  const node = await broker.client()
  const got = await commands(node)
  await node.publishAsync('spBv1.0/Plant/NBIRTH/Line', birth(), { qos: 1 })
  taken.detach()
  taken.attach()
  await node.publishAsync('spBv1.0/Plant/NDATA/Line', data(), { qos: 1 })
  assert.deepEqual([got.length, taken.heard.at(-1)?.kind], [0, 'message'])
  taken.detach()
  options.otherTopics = new RuleTable([{ topic: 'spBv1.0/{group}/+/{node}/#', format: 'sparkplug' }])
  taken.attach()
  await node.publishAsync('spBv1.0/Plant/NDATA/Line', data(), { qos: 1 })
  await until(() => got.length, n => n === 1)
})

test('what a deploy lost has the names that births gave then, not those of a later one', async t => {
  const broker = await openBroker(t)
  const { heard } = openIntake(t, broker.id, { otherTopics: otherTopics() })
  const node = await broker.client()
  const publish = (topic: string, payload: Buffer): void => { node.publish(`spBv1.0/Plant/${topic}/Line`, payload, { qos: 1 }) }
  publish('NBIRTH', birth())
  publish('NDATA', data())
  publish('NBIRTH', encode({ timestamp: Date.now(), seq: 0, metrics: [{ name: 'other', alias: 1, type: 'Double', value: 1 }] }))
  await until(() => heard.filter(({ kind }) => kind === 'message').length, n => n === 3)
  const payloads = (): unknown[] => heard.map(({ incoming }) => structuredClone(incoming?.payload))
  const before = payloads()
  flowsStarted()
  await until(() => heard.length, n => n === before.length * 2)
  assert.deepEqual(payloads().slice(before.length), before)
})

test('who may not speak for a node does not make us ask it', async t => {
  const broker = await opened(t)
  const { heard } = openIntake(t, broker.id, { otherTopics: otherTopics(), acknowledge: 'arrival' })
  const [plant, stranger] = await Promise.all([broker.client(login('plant')), broker.client(login('stranger'))])
  const got = await commands(plant)
  await plant.publishAsync('spBv1.0/Plant/NBIRTH/Line', birth(), { qos: 1 })
  await stranger.publishAsync('spBv1.0/Plant/NDATA/Line', data(), { qos: 1 })
  await stranger.publishAsync('spBv1.0/Plant/DDATA/Line/Press', data(), { qos: 1 })
  await plant.publishAsync('spBv1.0/Plant/NDATA/Line', data(), { qos: 1 })
  assert.deepEqual(heard.map(({ kind, rejected }) => rejected?.reason ?? kind), ['connected', 'message', 'BIRTH_UNKNOWN', 'BIRTH_UNKNOWN', 'message'])
  assert.deepEqual(got, [])
  // Its own user does.
  await plant.publishAsync('spBv1.0/Plant/NDATA/Line', data(1, 5), { qos: 1 })
  await until(() => got.length, n => n === 1)
})

test('only who may read the command gets it, and whoever may not write it can still make us send it', async t => {
  const broker = await opened(t, { rules: [
    { subject: 'everyone', access: 'readwrite', topic: '#' },
    { subject: 'user', username: 'mute', access: 'deny', topic: 'spBv1.0/+/NCMD/#' }
  ] })
  openIntake(t, broker.id, { otherTopics: otherTopics(), acknowledge: 'arrival' })
  const [plant, mute] = await Promise.all([broker.client(login('plant')), broker.client(login('mute'))])
  await assert.rejects(commands(mute))
  const got = await commands(plant)
  await mute.publishAsync('spBv1.0/Plant/NCMD/Line', data(), { qos: 1 })
  await mute.publishAsync('spBv1.0/Plant/NDATA/Line', data(), { qos: 1 })
  await until(() => got.length, n => n > 0)
  assert.deepEqual(got.map(({ payload }) => (decode(payload as Buffer) as { metrics: Array<{ name: string }> }).metrics[0]?.name), ['Node Control/Rebirth'])
})

test('whoever invents nodes makes us send no more than a thousand commands in five seconds', async t => {
  const broker = await openBroker(t)
  openIntake(t, broker.id, { otherTopics: otherTopics(), acknowledge: 'arrival' })
  let sent = 0
  t.after(broker.place.subscribe('spBv1.0/+/NCMD/#', () => { sent++ }))
  const attacker = await broker.client()
  const started = performance.now()
  for (let i = 0; i < 5_000; i++) attacker.publish(`spBv1.0/g/NDATA/n${i}`, data())
  await attacker.publishAsync('spBv1.0/g/NDATA/last', data(), { qos: 1 })
  await until(() => sent, n => n >= 1_000)
  assert.ok(sent <= 1_000 * (1 + Math.floor((performance.now() - started) / 5_000)), `${sent}`)
})
