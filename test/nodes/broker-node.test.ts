import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import helper from 'node-red-node-test-helper'
import { hashPassword } from '../../lib/broker/access/passwords.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import { closing, once, until } from '../helpers/events.ts'
import { useNodeRed, type TestFlow } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { rawSocket } from '../helpers/raw-client.ts'
import { rawWebSocket, upgradeRequest } from '../helpers/raw-web-socket.ts'
import { upgradeStatus } from '../helpers/web-socket.ts'

const load = useNodeRed()

/** The address of Node-RED's own server under test. */
function serverPort (): number {
  return (helper as unknown as { _server: { address (): { port: number } } })._server.address().port
}

async function brokerFlow (config: object, credentials: object = {}) {
  return await load([
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', x: 1, y: 1, type: 'platziverse-broker', port: 0, wires: [['clients'], ['answers']], ...config },
    { id: 'errors', z: 'tab', x: 1, y: 1, type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    ...['clients', 'answers', 'caught'].map(id => ({ id, z: 'tab', x: 1, y: 1, type: 'helper' }))
  ], { broker: credentials })
}

/** The answer to a message to the broker's input. */
async function ask (flow: TestFlow, topic: string, payload?: object): Promise<unknown> {
  const before = flow.received('answers').length
  flow.node('broker').receive({ topic, payload })
  const message = await until(() => flow.received('answers')[before], message => message !== undefined)
  return message?.payload
}

async function connect (t: TestContext, url: string, options: object = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

test('the users in the credentials are those who come in', async t => {
  const flow = await brokerFlow({}, { users: JSON.stringify([{ username: 'ana', hash: await hashPassword('right') }]) })
  const url = await flow.url('broker')
  await connect(t, url, { username: 'ana', password: 'right' })
  await assert.rejects(connect(t, url, { username: 'ana', password: 'wrong' }))
  await until(() => flow.received('clients').map(({ topic }) => topic), topics => topics.join() === 'client/connected,client/refused')
})

test('a client id writes no lines of the log', async t => {
  const flow = await brokerFlow({}, { users: JSON.stringify([{ username: 'ana', hash: await hashPassword('right') }]) })
  const url = await flow.url('broker')
  await assert.rejects(connect(t, url, { clientId: 'x\n1 Jan 00:00:00 - [error] forged', username: 'ana', password: 'wrong' }))
  const logged = (): string[] => (helper.log().args as Array<[{ msg: unknown }]>).map(([{ msg }]) => String(msg))
  const lines = await until(logged, all => all.some(line => line.startsWith('refused')))
  assert.ok(lines.some(line => line.startsWith('refused "x\\n1 Jan 00:00:00 - [error] forged" from ')), lines.join('|'))
})

test('users that cannot be read let nobody in, and are told without what is in them', async t => {
  const flow = await brokerFlow({}, { users: '{"secret' })
  const url = await flow.url('broker')
  await assert.rejects(connect(t, url))
  assert.match(flow.log().join('\n'), /BROKER_USERS_INVALID/)
  assert.doesNotMatch(flow.log().join('\n'), /secret/)
})

test('a broker whose users were lost with the credentials lets nobody in, and says so', async t => {
  const flow = await brokerFlow({ userCount: 2 })
  const url = await flow.url('broker')
  await assert.rejects(connect(t, url), /Not authorized/i)
  await assert.rejects(connect(t, url, { username: 'ana', password: 'right' }))
  await assert.rejects(connect(t, url, { username: '', password: '' }))
  assert.match(flow.log().join('\n'), / 2 users.*\(BROKER_USERS_LOST\)/)
  await until(() => flow.status('broker')?.text, text => text === 'BROKER_USERS_LOST')
})

test('a rule that cannot be read denies everything and is told', async t => {
  const flow = await brokerFlow({ rules: [{ subject: 'everyone', username: '', access: 'deny', topic: 'a#' }, { subject: 'everyone', username: '', access: 'readwrite', topic: '#' }] })
  const client = await connect(t, await flow.url('broker'))
  await assert.rejects(client.subscribeAsync('anything'))
  assert.match(flow.log().join('\n'), /"a#".*\(BROKER_RULE_INVALID\)/)
})

test('the input lists clients, hangs up on one and clears what is retained', async t => {
  const flow = await brokerFlow({})
  const url = await flow.url('broker')
  const client = await connect(t, url, { clientId: 'one' })
  await client.subscribeAsync('a/#', { qos: 1 })
  await client.publishAsync('a/b', 'kept', { qos: 1, retain: true })
  const [{ connectedAt, ...info }] = await ask(flow, 'clients') as [Record<string, unknown>]
  assert.equal(typeof connectedAt, 'number')
  assert.deepEqual(JSON.parse(JSON.stringify(info)), { clientId: 'one', address: '127.0.0.1', clean: true, version: '3.1.1', subscriptions: [{ topic: 'a/#', qos: 1 }] })
  assert.deepEqual(await ask(flow, 'clearRetained', { topic: 'a/b' }), { topic: 'a/b', cleared: true })
  assert.deepEqual(await ask(flow, 'clearRetained', { topic: 'a/b' }), { topic: 'a/b', cleared: false })
  const closed = closing(client)
  assert.deepEqual(await ask(flow, 'disconnect', { clientId: 'one', seconds: 60 }), { clientId: 'one', seconds: 60, disconnected: true })
  await closed
  await assert.rejects(connect(t, url, { clientId: 'one' }))
  assert.equal((await ask(flow, 'statistics') as { clients: number }).clients, 0)
})

test('the input ends a session and forgets whose an agent is, and another user has them then', async t => {
  const users = await Promise.all(['ana', 'bob'].map(async username => ({ username, hash: await hashPassword(username) })))
  const flow = await load([
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', x: 1, y: 1, type: 'platziverse-broker', port: 0, persistence: 'disk', folder: join(await temporaryFolder(t), 'broker'), wires: [[], ['answers']] },
    { id: 'agents', z: 'tab', x: 1, y: 1, type: 'agent-in', broker: 'broker', acknowledge: 'arrival', wires: [[], [], ['messages'], ['rejected']] },
    ...['answers', 'messages', 'rejected'].map(id => ({ id, z: 'tab', x: 1, y: 1, type: 'helper' }))
  ], { broker: { users: JSON.stringify(users) } })
  const url = await flow.url('broker')
  const speakAs = async (username: string): Promise<void> => {
    const client = await connect(t, url, { username, password: username, clientId: 'device', clean: false })
    await client.subscribeAsync('a', { qos: 1 })
    await client.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'agent-1' }, metrics: [{ type: 'a', value: 1 }] }), { qos: 1 })
    await client.endAsync()
  }
  await speakAs('ana')
  await assert.rejects(speakAs('bob'))
  assert.deepEqual(await ask(flow, 'endSession', { clientId: 'device' }), { clientId: 'device', disconnected: false, ended: true })
  await speakAs('bob')
  const rejected = await until(() => flow.received('rejected')[0], message => message !== undefined)
  assert.equal((rejected?.payload as { reason?: string }).reason, 'AGENT_NOT_THEIRS')
  assert.deepEqual(await ask(flow, 'forgetAgent', { uuid: 'agent-1' }), { uuid: 'agent-1', username: 'ana' })
  await speakAs('bob')
  await until(() => flow.received('messages').length, count => count === 2)
  assert.equal(flow.received('rejected').length, 1)
})

test('what the input does not understand goes to catch nodes with a code', async () => {
  const flow = await brokerFlow({})
  await flow.url('broker')
  for (const [topic, payload] of [['dance', {}], ['disconnect', {}], ['disconnect', { clientId: 'a', seconds: -1 }], ['clearRetained', 'a'], ['endSession', { clientId: 'nobody' }], ['forgetAgent', { uuid: 'nobody' }], [undefined, undefined]] as const) {
    const before = flow.received('caught').length
    flow.receive('broker', { topic, payload })
    const caught = await until(() => flow.received('caught')[before], message => message !== undefined)
    assert.match((caught?.['error'] as { message: string }).message, /^BROKER_COMMAND_INVALID/)
  }
})

test('MQTT is spoken on a path of Node-RED\'s own server, to users only', async t => {
  const flow = await brokerFlow({ listeners: [{ transport: 'path', host: '', port: '', path: '/mqtt', certificates: 'none' }] })
  const url = await flow.url('broker')
  const client = await connect(t, `ws://127.0.0.1:${serverPort()}/mqtt`)
  const other = await connect(t, url)
  await client.subscribeAsync('a')
  const heard = once(client, 'message')
  await other.publishAsync('a', 'hello')
  assert.equal((await heard)[1].toString(), 'hello')
  // Behind a proxy nobody is known to be of this machine.
  await assert.rejects(connect(t, `ws://127.0.0.1:${serverPort()}/mqtt`, { wsOptions: { headers: { 'x-forwarded-for': '192.0.2.1' } } }), /Not authorized/i)
  assert.equal(findBroker('broker').statistics().refusedBy['anonymous'], 1)
})

test('a path of Node-RED\'s own server takes web pages of the same host and of listed origins alone', async t => {
  const flow = await brokerFlow({ listeners: [{ transport: 'path', host: '', port: '', path: '/mqtt', certificates: 'none' }], origins: 'https://one.example, https://two.example/' })
  await flow.url('broker')
  const url = `ws://127.0.0.1:${serverPort()}/mqtt`
  for (const origin of ['https://one.example', 'https://two.example', `http://127.0.0.1:${serverPort()}`]) assert.equal(await upgradeStatus(url, { origin }), 101)
  for (const origin of ['https://evil.example', 'http://evil.example']) assert.equal(await upgradeStatus(url, { origin, host: 'evil.example' }), 403)
  assert.equal(findBroker('broker').statistics().refusedBy['origin'], 2)
  // nginx's bare proxy_pass with the name that the client used.
  await assert.rejects(connect(t, url, { wsOptions: { headers: { host: 'mqtt.example.org' } } }), /Not authorized/i)
})

test('Prometheus is served for brokers that ask for it, and to nobody else', async t => {
  const flow = await brokerFlow({ prometheus: true, name: 'plant' })
  await connect(t, await flow.url('broker'))
  const { status, text } = await helper.request().get('/platziverse/metrics')
  assert.equal(status, 200)
  assert.match(text, /platziverse_broker_clients_connected\{broker="plant"\} 1/)
  await helper.unload()
  await brokerFlow({})
  assert.equal((await helper.request().get('/platziverse/metrics')).status, 404)
})

test('retained messages on disk are there again after the broker was removed and made anew', async t => {
  const folder = join(await temporaryFolder(t), 'broker')
  const config = { persistence: 'disk', folder }
  const flow = await brokerFlow(config)
  const client = await connect(t, await flow.url('broker'))
  await client.publishAsync('a', 'kept', { qos: 1, retain: true })
  client.end(true)
  await helper.unload()
  const again = await brokerFlow(config)
  const reader = await connect(t, await again.url('broker'))
  const heard = once(reader, 'message')
  await reader.subscribeAsync('a')
  assert.equal((await heard)[1].toString(), 'kept')
})

test('no upgrade request to Node-RED\'s own server ends the process, and a path of others is left to them', async t => {
  await brokerFlow({ listeners: [{ transport: 'path', host: '', port: '', path: '/mqtt', certificates: 'none' }] })
  const port = serverPort()
  for (const target of ['//', '///', '//mqtt', 'http:///', '*', 'mqtt', '/%', '/mqtt%00', '?', '/\\', 'http://%zz/mqtt', 'x:y', '/mqtt/../mqtt']) {
    const socket = await rawSocket(t, port)
    socket.write(upgradeRequest(target))
    let answer = ''
    socket.on('data', (bytes: Buffer) => { answer += bytes.toString('latin1') })
    await new Promise(resolve => setTimeout(resolve, 20))
    // Node itself declines what no URL can be. Else nobody has the path, so nobody may answer.
    assert.ok(answer === '' || answer.startsWith('HTTP/1.1 400'), `${target}: ${answer}`)
    socket.resetAndDestroy()
  }
  for (const target of ['/mqtt', '/mqtt?a=//', 'http://localhost/mqtt', 'http://localhost:1880/mqtt?x']) {
    const { answer, socket } = await rawWebSocket(t, port, target)
    assert.match(answer, /^HTTP\/1\.1 101 /, target)
    socket.resetAndDestroy()
  }
  // A refused one has nobody who listens to its errors but us.
  for (let i = 0; i < 20; i++) {
    const socket = await rawSocket(t, port)
    socket.write(upgradeRequest('/mqtt', { 'Sec-WebSocket-Protocol': 'chat' }))
    if (i % 2 === 0) socket.resetAndDestroy()
    else await once(socket.resume(), 'close', { signal: AbortSignal.timeout(4_000) })
  }
  await connect(t, `ws://127.0.0.1:${port}/mqtt`)
})
