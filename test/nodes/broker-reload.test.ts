import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MqttClient } from 'mqtt'
import { hashPassword } from '../../lib/broker/access/passwords.ts'
import type { Rule } from '../../lib/broker/access/rules.ts'
import { LoginQuestions } from '../../lib/broker/login/login-questions.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import { attachBroker, findBroker, type RegisteredBroker } from '../../lib/registry/registry.ts'
import { obey } from '../../nodes/platziverse-broker/control.ts'
import { brokerOptions, openBroker, type TestBroker } from '../helpers/broker.ts'
import { closing, until } from '../helpers/events.ts'

const hashes = await Promise.all(['ana', 'bob', 'carl'].map(name => hashPassword(`${name}'s secret`)))
const [ana, bob, carl] = ['ana', 'bob', 'carl'].map((username, i) => ({ username, hash: hashes[i] ?? '' })) as [User, User, User]
const as = (username: string): { username: string, password: string, clientId: string } => ({ username, password: `${username}'s secret`, clientId: username })
const rules: Rule[] = [{ subject: 'everyone', access: 'readwrite', topic: 'plant/#' }]

interface User { username: string, hash: string }

function reload (place: RegisteredBroker, payload: unknown): Promise<unknown> {
  return obey(place, new LoginQuestions(() => undefined), 'reload', payload)
}

function left (broker: TestBroker): string[] {
  return broker.events.flatMap(event => event.event === 'disconnected' ? [`${event.clientId}: ${event.reason}`] : [])
}

async function mayRead (client: MqttClient, filter: string): Promise<boolean> {
  return await client.subscribeAsync(filter).then(() => true, () => false)
}

test('a password file takes the place of the users, and hangs up on those alone who were removed or changed', async t => {
  const broker = await openBroker(t, { users: [ana, bob, carl], rules })
  const [first, second, third] = await Promise.all(['ana', 'bob', 'carl'].map(name => broker.client(as(name)))) as [MqttClient, MqttClient, MqttClient]
  const gone = Promise.all([closing(second), closing(third)])
  const file = `# of today\nana:${ana.hash}\nbob:${await hashPassword('new')}\ndora:${carl.hash}\n`
  assert.deepEqual(await reload(broker.place, { users: file }), { users: 3, rules: 1 })
  await gone
  assert.deepEqual(left(broker).sort(), ['bob: its user was changed or removed', 'carl: its user was changed or removed'])
  await assert.rejects(broker.client(as('bob')))
  await broker.client({ ...as('bob'), password: 'new' })
  await broker.client({ ...as('dora'), password: 'carl\'s secret' })
  assert.equal(await mayRead(first, 'other'), false, 'the rules stayed')
  assert.equal(left(broker).length, 2)
})

test('a list may have passwords: who keeps the password stays connected', async t => {
  const broker = await openBroker(t, { users: [ana, bob] })
  const [first, second] = await Promise.all(['ana', 'bob'].map(name => broker.client(as(name)))) as [MqttClient, MqttClient]
  const gone = closing(second)
  const users = [{ username: 'ana', password: 'ana\'s secret' }, { username: 'bob', password: 'new' }, carl]
  assert.deepEqual(await reload(broker.place, { users }), { users: 3, rules: 0 })
  await gone
  await first.publishAsync('a', 'still here', { qos: 1 })
  assert.deepEqual(left(broker), ['bob: its user was changed or removed'])
  for (const client of [as('ana'), { ...as('bob'), password: 'new' }, as('carl')]) await broker.client({ ...client, clientId: `${client.clientId} again` })
})

test('other rules hold at once for who is connected, and hang up on nobody', async t => {
  const broker = await openBroker(t, { users: [ana, bob], rules })
  const [first, second] = await Promise.all(['ana', 'bob'].map(name => broker.client(as(name)))) as [MqttClient, MqttClient]
  assert.equal(await mayRead(first, 'plant/a'), true)
  assert.deepEqual(await reload(broker.place, { rules: 'user ana\ntopic readwrite lab/#\n\npattern write plant/%u\n' }), { users: 2, rules: 2 })
  const heard: string[] = []
  first.on('message', topic => { heard.push(topic) })
  assert.deepEqual(await Promise.all([mayRead(first, 'lab/a'), mayRead(second, 'lab/a'), mayRead(first, 'plant/b')]), [true, false, false])
  await second.publishAsync('plant/a', 'what ana may not hear any more', { qos: 1 })
  await first.publishAsync('lab/a', 'a', { qos: 1 })
  await until(() => heard, ([topic]) => topic !== undefined)
  assert.deepEqual(heard, ['lab/a'])
  assert.deepEqual(await reload(broker.place, { rules: [{ subject: 'user', username: 'bob', access: 'read', topic: 'lab/#' }] }), { users: 2, rules: 1 })
  assert.deepEqual(await Promise.all([mayRead(first, 'lab/b'), mayRead(second, 'lab/b')]), [false, true])
  assert.deepEqual(left(broker), [])
})

test('what is wrong changes nothing, and is told by its line or entry, and without a password', async t => {
  const broker = await openBroker(t, { users: [ana], rules })
  const client = await broker.client(as('ana'))
  const good = { subject: 'everyone', access: 'readwrite', topic: '#' }
  const cases: Array<[payload: unknown, expected: RegExp]> = [
    [{ users: `bob:${bob.hash}\ncarl:hunter2\n`, rules: 'topic #' }, /users, line 2: .*"carl".*plain text/],
    [{ users: `bob:${bob.hash}\nhunter2\n` }, /users, line 2: /],
    [{ users: `bob:${bob.hash}\nbob:${ana.hash}\n` }, /users, line 2: .*repeated/],
    [{ users: [bob], rules: 'topic read a\n\ntopik deny b\n' }, /rules, line 3: /],
    [{ users: [bob], rules: [good, { ...good, topic: 'a#' }] }, /rules, entry 2: .*not a filter/],
    [{ users: [bob], rules: [good, null] }, /rules, entry 2: /],
    [{ users: [bob, { username: '', hash: bob.hash }] }, /users, entry 2: the username/],
    [{ users: [bob, { ...carl, username: 'bob' }] }, /users, entry 2: .*twice/],
    [{ users: [bob, { username: 'carl', hash: 'hunter2' }] }, /users, entry 2: the hash/],
    [{ users: [bob, { username: 'carl', hash: `${carl.hash}\neve:${carl.hash}` }] }, /users, entry 2: the hash/],
    [{ users: [bob, { username: 'carl' }] }, /users, entry 2: .*hash or a password/],
    [{ users: [bob, { ...carl, password: 'hunter2' }] }, /users, entry 2: .*not both/],
    [{ users: [bob, { username: 'carl', password: '' }] }, /users, entry 2: the password/],
    [{ users: [bob, { username: 'carl', password: 'hunter2'.repeat(10_000) }] }, /users, entry 2: the password/],
    [{ users: 7 }, /users must be/],
    [{ users: null }, /users must be/],
    [{ users: '#'.repeat(1_048_577) }, /users: a text/],
    [{ users: Array(10_001).fill(bob) }, /users must be/],
    [{}, /needs users, rules or both/],
    ['users', /needs users, rules or both/],
    [undefined, /needs users, rules or both/]
  ]
  for (const [payload, expected] of cases) {
    await assert.rejects(reload(broker.place, payload), (error: PlatziverseError) => {
      assert.equal(error.code, 'BROKER_COMMAND_INVALID')
      assert.match(error.detail, expected)
      assert.doesNotMatch(error.message, /hunter2/)
      return true
    })
  }
  assert.equal(client.connected, true)
  await assert.rejects(broker.client(as('bob')))
  assert.deepEqual(await Promise.all([mayRead(client, 'plant/a'), mayRead(client, 'other')]), [true, false])
})

test('what would open the broker by accident is refused: a text without users, and no rules', async t => {
  const broker = await openBroker(t, { users: [ana], rules })
  const client = await broker.client(as('ana'))
  for (const payload of [{ users: '' }, { users: '# nobody\n' }, { rules: '' }, { rules: [] }]) {
    await assert.rejects(reload(broker.place, payload), { code: 'BROKER_COMMAND_INVALID' }, JSON.stringify(payload))
  }
  assert.equal(client.connected, true)
  await assert.rejects(broker.client({ clientId: 'anonymous' }))
  assert.equal(await mayRead(client, 'other'), false)
})

test('an empty list leaves no user, and nobody from the network can come', async t => {
  const broker = await openBroker(t, { users: [ana] })
  const listening = (): string | undefined => broker.place.listener.state === 'listening' ? broker.place.listener.host : undefined
  assert.match(listening() ?? '', /^(::|0\.0\.0\.0)$/)
  const gone = closing(await broker.client(as('ana')))
  assert.deepEqual(await reload(broker.place, { users: [] }), { users: 0, rules: 0 })
  await gone
  await until(listening, host => host === '127.0.0.1')
  assert.deepEqual(await reload(broker.place, { users: [ana] }), { users: 1, rules: 0 })
  await until(listening, host => /^(::|0\.0\.0\.0)$/.test(host ?? ''))
})

test('a deploy brings back what the node saved, and what it overtook is not reloaded', async t => {
  const broker = await openBroker(t, { users: [ana], rules })
  await reload(broker.place, { users: [ana, bob], rules: 'topic read a' })
  await broker.client(as('bob'))
  const deploy = (): Promise<void> => attachBroker(broker.id, brokerOptions({ users: [ana], rules }))
  await deploy()
  await assert.rejects(broker.client(as('bob')))
  assert.deepEqual(await reload(broker.place, { rules: [...rules, ...rules] }), { users: 1, rules: 2 })
  const overtaken = broker.place.control.reload(async () => {
    await deploy()
    return { users: [bob] }
  })
  await assert.rejects(overtaken, { code: 'BROKER_COMMAND_INVALID' })
  await broker.client(as('ana'))
})

test('of two reloads the later one holds, however long the first takes', async t => {
  const broker = await openBroker(t, { users: [ana] })
  const slow = reload(broker.place, { users: [{ username: 'bob', password: 'new' }] })
  const quick = reload(broker.place, { users: [carl] })
  assert.deepEqual(await Promise.all([slow, quick]), [{ users: 1, rules: 0 }, { users: 1, rules: 0 }])
  await broker.client(as('carl'))
  await assert.rejects(broker.client({ ...as('bob'), password: 'new' }))
})

test('without a broker nothing is reloaded', async () => {
  await assert.rejects(reload(findBroker('nobody\'s'), { users: [ana] }), { code: 'BROKER_MISSING' })
})
