import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectAsync, type MqttClient } from 'mqtt'
import sqlite3 from 'sqlite3'
import { hashPassword, type UserRecord } from '../../../../lib/broker/access/passwords.ts'
import type { Rule } from '../../../../lib/broker/access/rules.ts'
import { limitDefaults } from '../../../../lib/broker/limits.ts'
import { LoginQuestions } from '../../../../lib/broker/login/login-questions.ts'
import { AgentOwners } from '../../../../lib/broker/persistence/agent-owners.ts'
import { openDiskJournal } from '../../../../lib/broker/persistence/journal/journal.ts'
import { openPersistence } from '../../../../lib/broker/persistence/persistence.ts'
import type { StoredRecord } from '../../../../lib/broker/persistence/journal/records.ts'
import { attachBroker, attachIntake, findBroker, type RegisteredBroker } from '../../../../lib/registry/registry.ts'
import { obey } from '../../../../nodes/platziverse-broker/control.ts'
import { brokerOptions, openBroker, openIntake, removeBroker, type TestBroker, type TestOptions } from '../../../helpers/broker.ts'
import { until, waitFor } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { reading } from '../../../helpers/messages.ts'

const limits = { retainedMessages: 0, retainedBytes: 0, offlineTotalBytes: 0, offlineMessages: 0, offlineBytes: 0, sessionExpiry: 0 }
const program = fileURLToPath(import.meta.url)

function forget (place: RegisteredBroker, payload: unknown): Promise<unknown> {
  return obey(place, new LoginQuestions(() => undefined), 'forgetAgent', payload)
}

/** A broker with an agent-in in a process of its own, to be told to forget agents, and to be killed. */
async function beKilled (options: TestOptions): Promise<void> {
  const place = findBroker('broker')
  place.on('listener', state => { if (state.state === 'listening') process.send?.({ port: state.port }) })
  attachIntake('agent-in', 'broker', { message: () => undefined, rejected: () => undefined, unsettled: () => undefined }, { acknowledge: 'arrival', timeLimit: 10_000, clientWindow: 100, totalWindow: 100 })
  process.on('message', payload => { forget(place, payload).then(answer => process.send?.({ answer }), () => process.exit(1)) })
  process.on('disconnect', () => { process.exit() })
  await attachBroker('broker', brokerOptions(options))
}

async function makeUsers (): Promise<UserRecord[]> {
  return await Promise.all(['ada', 'bob'].map(async username => ({ username, hash: await hashPassword(`${username}'s secret`) })))
}

const as = (username: string): { username: string, password: string } => ({ username, password: `${username}'s secret` })
const message = (uuid: string): string => reading(uuid, { agent: { uuid } })

/** What becomes of a message of each user for the agent. */
async function speak (t: TestContext, broker: TestBroker, uuid: string, ...names: string[]): Promise<string[]> {
  const { heard, detach } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  for (const name of names) {
    const client = await broker.client(as(name))
    await client.publishAsync('agent/message', message(uuid), { qos: 1 })
  }
  const kinds = heard.filter(({ kind }) => kind !== 'disconnected').map(({ kind, rejected }) => rejected?.reason ?? kind)
  detach(true)
  return kinds
}

if (process.argv[2] === 'be killed') await beKilled(JSON.parse(process.argv[3]!) as TestOptions)
else defineTests()

function defineTests (): void {
  test('an agent belongs to the user that spoke for it first', () => {
    const owners = new AgentOwners()
    assert.deepEqual([owners.claim('one', 'a'), owners.claim('one', 'b'), owners.claim('one', 'a'), owners.claim('two', 'b')], ['theirs', 'another', 'theirs', 'theirs'])
  })

  test('agents whose user is remembered are bounded for each user, and none is forgotten for another', () => {
    const owners = new AgentOwners()
    owners.configure({ mostPerUser: limitDefaults.agentsPerUser, enforced: true })
    owners.claim('mine', 'b')
    for (let i = 0; i < 100_000; i++) assert.equal(owners.claim(String(i), 'a'), 'theirs')
    assert.deepEqual([owners.claim('100000', 'a'), owners.claim('mine', 'a'), owners.claim('0', 'b')], ['tooMany', 'another', 'another'])
    assert.deepEqual([owners.claim('100000', 'b'), owners.claim('0', 'a')], ['theirs', 'theirs'])
  })

  test('on disk, the user that an agent belongs to is known after a kill, and so is who was forgotten', async t => {
    const options = { folder: await temporaryFolder(t), users: await makeUsers() }
    const child = fork(program, ['be killed', JSON.stringify(options)])
    t.after(() => child.kill('SIGKILL'))
    const { port } = await waitFor<{ port: number }>(child, 'message')
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { ...as('ada'), reconnectPeriod: 0 })
    t.after(() => { client.end(true) })
    client.on('error', () => undefined)
    for (const uuid of ['agent-1', 'forgotten']) await client.publishAsync('agent/message', message(uuid), { qos: 1 })
    // It is acknowledged when it is on the disk, and so is what came before.
    await client.publishAsync('state', 'retained', { qos: 1, retain: true })
    const answered = waitFor<{ answer: unknown }>(child, 'message')
    child.send({ uuid: 'forgotten' })
    assert.deepEqual((await answered).answer, { uuid: 'forgotten', username: 'ada' })
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit

    const broker = await openBroker(t, options)
    assert.deepEqual(await speak(t, broker, 'agent-1', 'bob', 'ada'), ['AGENT_NOT_THEIRS', 'message'])
    for (const uuid of ['agent-2', 'forgotten']) assert.deepEqual(await speak(t, broker, uuid, 'bob', 'ada'), ['message', 'AGENT_NOT_THEIRS'])
  })

  test('after a kill a last will speaks for its user, by the rules as they are then, and one of an earlier version for nobody', async t => {
    const rules: Rule[] = ['agent/#', 'letters/#'].map(topic => ({ subject: 'everyone', access: 'readwrite', topic }))
    const options = { folder: await temporaryFolder(t), users: await makeUsers(), anonymous: true, rules }
    const child = fork(program, ['be killed', JSON.stringify(options)])
    t.after(() => child.kill('SIGKILL'))
    const { port } = await waitFor<{ port: number }>(child, 'message')
    const connect = async (clientId: string, who: object, topic: string, payload: string): Promise<MqttClient> => {
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { ...who, clientId, reconnectPeriod: 0, will: { topic, payload: Buffer.from(payload), qos: 1, retain: false } })
      t.after(() => { client.end(true) })
      client.on('error', () => undefined)
      return client
    }
    const goodbye = (uuid: string): string => JSON.stringify({ agent: { uuid } })
    const lie = message('victim')
    const [own, old] = await Promise.all([
      connect('own', as('ada'), 'agent/disconnected', goodbye('own')),
      connect('old', as('ada'), 'agent/disconnected', goodbye('old')),
      connect('bad', as('bob'), 'agent/disconnected', goodbye('victim')),
      connect('worse', as('bob'), 'agent/message', lie),
      connect('nobody', {}, 'agent/disconnected', goodbye('victim')),
      connect('stranger', {}, 'agent/disconnected', goodbye('nobody’s')),
      connect('older', {}, 'agent/disconnected', goodbye('nobody’s, too')),
      connect('bob', as('bob'), 'letters/bob', 'allowed'),
      connect('back', as('bob'), 'letters/back', 'not published'),
      connect('ada', as('ada'), 'letters/ada', 'forbidden since')
    ])
    for (const uuid of ['own', 'old', 'victim']) await own.publishAsync('agent/message', message(uuid), { qos: 1 })
    await old.publishAsync('letters/ada', 'retained', { qos: 1, retain: true })
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
    await query(options.folder, "update records set value = json_remove(value, '$.owner') where value->>'kind' = 'will' and value->>'client' in ('old', 'older')")

    t.mock.timers.enable({ apis: ['setInterval'] })
    const broker = await openBroker(t, { ...options, rules: [...rules, { subject: 'user', username: 'ada', access: 'deny', topic: 'letters/#' }] })
    const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
    const letters: string[] = []
    t.after(broker.place.subscribe('letters/#', ({ payload }) => { letters.push(payload.toString()) }))
    await broker.client({ ...as('bob'), clientId: 'back' })
    // Nobody keeps another user's will from being published.
    for (const clientId of ['own', 'ada']) await broker.client({ ...as('bob'), clientId })
    // aedes looks for wills after four heartbeats.
    t.mock.timers.tick(60_000)
    await until(() => heard.length, count => count === 7)
    await until(() => letters.length, count => count > 0)
    assert.deepEqual(letters, ['allowed'])
    assert.deepEqual(heard.map(({ kind, incoming, rejected }) => `${incoming?.delivery.clientId ?? ''} ${incoming?.payload.agent.uuid ?? rejected?.payload} ${rejected?.reason ?? kind}`).sort(), [
      ` ${goodbye('old')} AGENT_NOT_THEIRS`,
      ` ${goodbye('victim')} AGENT_NOT_THEIRS`,
      ` ${goodbye('victim')} AGENT_NOT_THEIRS`,
      ` ${lie} AGENT_NOT_THEIRS`,
      'older nobody’s, too disconnected',
      'own own disconnected',
      'stranger nobody’s disconnected'
    ].sort())
    assert.equal(broker.place.statistics().droppedBy['rules'], 1)
  })

  test('an agent that is forgotten belongs to the next user who speaks for it', async t => {
    const broker = await openBroker(t, { users: await makeUsers() })
    assert.deepEqual(await speak(t, broker, 'agent-1', 'ada', 'bob'), ['message', 'AGENT_NOT_THEIRS'])
    assert.deepEqual(await speak(t, broker, 'agent-2', 'ada'), ['message'])
    assert.deepEqual(await forget(broker.place, { uuid: 'agent-1' }), { uuid: 'agent-1', username: 'ada' })
    assert.deepEqual(await speak(t, broker, 'agent-1', 'bob', 'ada'), ['message', 'AGENT_NOT_THEIRS'])
    assert.deepEqual(await speak(t, broker, 'agent-2', 'bob'), ['AGENT_NOT_THEIRS'])
  })

  test('to forget an agent that is nobody\'s, none, or one of a broker that is not there is an error with a code', async t => {
    const broker = await openBroker(t)
    for (const payload of [{ uuid: 'agent-1' }, { uuid: '' }, { uuid: 1 }, {}, undefined]) await assert.rejects(forget(broker.place, payload), { code: 'BROKER_COMMAND_INVALID' })
    await removeBroker(broker.id)
    await assert.rejects(forget(broker.place, { uuid: 'agent-1' }), { code: 'BROKER_MISSING' })
  })

  test('an agent-in that comes later knows whose the agents are, and a deploy does not change it', async t => {
    const users = await makeUsers()
    const broker = await openBroker(t, { users })
    assert.deepEqual(await speak(t, broker, 'agent-1', 'ada', 'bob'), ['message', 'AGENT_NOT_THEIRS'])
    await attachBroker(broker.id, brokerOptions({ users, sys: 10 }))
    assert.deepEqual(await speak(t, broker, 'agent-1', 'bob', 'ada'), ['AGENT_NOT_THEIRS', 'message'])
  })

  test('each agent is on the disk once', async t => {
    const folder = await temporaryFolder(t)
    const persistence = await openPersistence({ folder, limits })
    for (const name of ['0', '1', '0']) assert.equal(persistence.owners.claim(name, 'ada'), 'theirs')
    await persistence.close()
    assert.equal((await records(folder)).length, 2)
  })

  test('however many agents a user invents, those of other users stay theirs', async t => {
    const broker = await openBroker(t, { users: await makeUsers() })
    assert.deepEqual(await speak(t, broker, 'agent-1', 'ada'), ['message'])
    const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival', clientWindow: 10_000 })
    const bob = await broker.client(as('bob'))
    const agents = 100_001
    // 64 kB at a time, as one who is in a hurry sends it: QoS 0, and an acknowledged one at the end.
    for (let i = 0; i < agents; i++) bob.publish('agent/disconnected', JSON.stringify({ agent: { uuid: `invented-${i}` } }), { qos: i % 5_000 === 0 ? 1 : 0 })
    await bob.publishAsync('agent/message', message('agent-1'), { qos: 1 })
    assert.equal(heard.at(-1)?.rejected?.reason, 'AGENT_NOT_THEIRS')
    assert.deepEqual(await speak(t, broker, 'agent-1', 'ada'), ['message'])
  })

  test('a goodbye makes nobody an owner, and nobody may say goodbye for an agent of another user', async t => {
    const broker = await openBroker(t, { users: await makeUsers(), anonymous: true })
    const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
    const [ada, bob, stranger] = await Promise.all([broker.client(as('ada')), broker.client(as('bob')), broker.client()])
    const goodbye = JSON.stringify({ agent: { uuid: 'agent-1' } })
    await bob.publishAsync('agent/disconnected', goodbye, { qos: 1 })
    await ada.publishAsync('agent/message', message('agent-1'), { qos: 1 })
    await bob.publishAsync('agent/disconnected', goodbye, { qos: 1 })
    await stranger.publishAsync('agent/disconnected', goodbye, { qos: 1 })
    await ada.publishAsync('agent/disconnected', goodbye, { qos: 1 })
    assert.deepEqual(heard.map(({ kind, rejected }) => rejected?.reason ?? kind), ['disconnected', 'message', 'AGENT_NOT_THEIRS', 'AGENT_NOT_THEIRS', 'disconnected'])
  })

  test('an anonymous client does not speak for an agent that belongs to a user, until it is forgotten or there are no users', async t => {
    const users = await makeUsers()
    const broker = await openBroker(t, { users, anonymous: true })
    const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
    const [ada, stranger] = await Promise.all([broker.client(as('ada')), broker.client()])
    await ada.publishAsync('agent/message', message('agent-1'), { qos: 1 })
    for (const uuid of ['agent-1', 'agent-2']) await stranger.publishAsync('agent/message', message(uuid), { qos: 1 })
    assert.deepEqual(heard.map(({ kind, rejected }) => rejected?.reason ?? kind), ['message', 'AGENT_NOT_THEIRS', 'message'])
    await attachBroker(broker.id, brokerOptions({ anonymous: true }))
    await stranger.publishAsync('agent/message', message('agent-1'), { qos: 1 })
    assert.equal(heard.at(-1)?.kind, 'message')
  })

  test('beyond the limit a user gets no new agents, and keeps those it has; other users get theirs', async t => {
    const options = { folder: await temporaryFolder(t), users: await makeUsers(), limits: { agentsPerUser: 2 } }
    const broker = await openBroker(t, options)
    const claims = async (of: TestBroker): Promise<string[]> => {
      const kinds: string[] = []
      for (const [uuid, name] of [['a', 'ada'], ['b', 'ada'], ['c', 'ada'], ['a', 'ada'], ['c', 'bob'], ['b', 'bob']] as const) kinds.push(...await speak(t, of, uuid, name))
      return kinds
    }
    const expected = ['message', 'message', 'AGENTS_TOO_MANY', 'message', 'message', 'AGENT_NOT_THEIRS']
    assert.deepEqual(await claims(broker), expected)
    assert.deepEqual(await forget(broker.place, { uuid: 'b' }), { uuid: 'b', username: 'ada' })
    assert.deepEqual(await speak(t, broker, 'd', 'ada', 'bob'), ['message', 'AGENT_NOT_THEIRS'])
    await removeBroker(broker.id)
    // A smaller limit takes nothing away.
    const again = await openBroker(t, { ...options, limits: { agentsPerUser: 1 } })
    assert.deepEqual(await speak(t, again, 'd', 'ada', 'bob'), ['message', 'AGENT_NOT_THEIRS'])
    assert.deepEqual(await speak(t, again, 'e', 'ada', 'bob'), ['AGENTS_TOO_MANY', 'AGENTS_TOO_MANY'])
  })

  test('all agents of a user can be forgotten at once', async t => {
    const broker = await openBroker(t, { users: await makeUsers(), limits: { agentsPerUser: 2 } })
    for (const uuid of ['a', 'b']) assert.deepEqual(await speak(t, broker, uuid, 'ada'), ['message'])
    assert.deepEqual(await forget(broker.place, { username: 'ada' }), { username: 'ada', agents: 2 })
    await assert.rejects(forget(broker.place, { username: 'ada' }), { code: 'BROKER_COMMAND_INVALID' })
    assert.deepEqual(await speak(t, broker, 'a', 'bob', 'ada'), ['message', 'AGENT_NOT_THEIRS'])
    for (const uuid of ['c', 'd']) assert.deepEqual(await speak(t, broker, uuid, 'ada'), ['message'])
  })

  test('what comes and goes before it was written is not written, and nobody waits for it in vain', async t => {
    const folder = await temporaryFolder(t)
    const journal = await openDiskJournal(folder, () => undefined, () => undefined)
    const [kept, gone] = [journal.next(), journal.next()]
    journal.put(gone, { kind: 'agent', uuid: 'gone', username: 'ada' })
    const written = journal.committed()
    journal.delete(gone)
    await written
    journal.put(kept, { kind: 'agent', uuid: 'kept', username: 'ada' })
    await journal.committed()
    await journal.close()
    assert.deepEqual(await records(folder), [{ kind: 'agent', uuid: 'kept', username: 'ada' }])
  })
}

async function records (folder: string): Promise<StoredRecord[]> {
  const all: StoredRecord[] = []
  await (await openDiskJournal(folder, () => undefined, (_id, record) => { all.push(record) })).close()
  return all
}

function query (folder: string, sql: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const db = new sqlite3.Database(join(folder, 'broker.sqlite'))
    db.exec(sql, error => { db.close(() => { if (error === null) resolve(); else reject(error) }) })
  })
}
