import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectAsync } from 'mqtt'
import { attachBroker, attachIntake, detachBroker, findBroker, type BrokerPlace } from '../../../lib/broker/hub.ts'
import { hashPassword, type UserRecord } from '../../../lib/broker/passwords.ts'
import { openPersistence } from '../../../lib/broker/persistence.ts'
import { openDiskJournal } from '../../../lib/broker/persistence/journal.ts'
import type { StoredRecord } from '../../../lib/broker/persistence/records.ts'
import { obey } from '../../../nodes/platziverse-broker/control.ts'
import { Logins } from '../../../nodes/platziverse-broker/login.ts'
import { brokerOptions, openBroker, openIntake, type TestBroker } from '../../helpers/broker.ts'
import { waitFor } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { reading } from '../../helpers/messages.ts'

const limits = { retainedMessages: 0, offlineMessages: 0, offlineBytes: 0, sessionExpiry: 0 }
const program = fileURLToPath(import.meta.url)

function forget (place: BrokerPlace, payload: unknown): Promise<unknown> {
  return obey(place, new Logins(() => undefined), 'forgetAgent', payload)
}

/** A broker with an agent-in in a process of its own, to be told to forget agents, and to be killed. */
async function beKilled (options: { folder: string, users: UserRecord[] }): Promise<void> {
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

if (process.argv[2] === 'be killed') await beKilled(JSON.parse(process.argv[3]!) as { folder: string, users: UserRecord[] })
else defineTests()

function defineTests (): void {
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
    await detachBroker(broker.id, true)
    await assert.rejects(forget(broker.place, { uuid: 'agent-1' }), { code: 'BROKER_MISSING' })
  })

  test('an agent-in that comes later knows whose the agents are, and a deploy does not change it', async t => {
    const users = await makeUsers()
    const broker = await openBroker(t, { users })
    assert.deepEqual(await speak(t, broker, 'agent-1', 'ada', 'bob'), ['message', 'AGENT_NOT_THEIRS'])
    await attachBroker(broker.id, brokerOptions({ users, sys: 10 }))
    assert.deepEqual(await speak(t, broker, 'agent-1', 'bob', 'ada'), ['AGENT_NOT_THEIRS', 'message'])
  })

  test('each agent is on the disk once, and beyond the limit the one remembered longest is forgotten there too', async t => {
    const folder = await temporaryFolder(t)
    const first = await openPersistence({ folder, limits })
    for (const name of ['0', '1', '0']) assert.equal(first.owners.claim(name, 'ada'), true)
    await first.close()
    assert.equal((await records(folder)).length, 2)

    const second = await openPersistence({ folder, limits })
    for (let i = 0; i <= 100_000; i++) second.owners.claim(String(i), 'ada')
    await second.close()
    assert.equal((await records(folder)).length, 100_000)

    const third = await openPersistence({ folder, limits })
    assert.deepEqual(['1', '100000', '0'].map(uuid => third.owners.claim(uuid, 'bob')), [false, false, true])
    // It took the place of the oldest that was left.
    assert.equal(third.owners.claim('1', 'bob'), true)
    await third.close()
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
