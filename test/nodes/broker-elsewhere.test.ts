import assert from 'node:assert/strict'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import { connectAsync, type MqttClient } from 'mqtt'
import helper from 'node-red-node-test-helper'
import { findBroker } from '../../lib/registry/registry.ts'
import { makeAuthority, withoutOpenssl } from '../helpers/certificates.ts'
import { until } from '../helpers/events.ts'
import { useNodeRed, type TestFlow } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { reading } from '../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { packageDir } from '../helpers/node-red.ts'

const load = useNodeRed()

async function client (t: TestContext, url: string, options: object = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

/** The nodes of the main flow, with helper nodes at their ends. */
function nodesOf (filename: string, broker: object, changes: Record<string, object> = {}): object[] {
  return [
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', type: 'platziverse-broker', mode: 'elsewhere', wires: [['clients'], ['answers']], ...broker },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename },
    { id: 'in', z: 'tab', type: 'agent-in', broker: 'broker', wires: [['store'], ['store'], ['store'], ['rejected']] },
    { id: 'store', z: 'tab', type: 'metric-store', database: 'database', wires: [['out', 'stored']] },
    { id: 'out', z: 'tab', type: 'agent-out', broker: 'broker', topic: 'platform/{uuid}' },
    { id: 'errors', z: 'tab', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    ...['clients', 'answers', 'rejected', 'stored', 'caught'].map(id => ({ id, z: 'tab', type: 'helper' }))
  ].map(node => ({ ...node, ...'z' in node ? { x: 1, y: 1 } : {}, ...changes[node.id] }))
}

async function connected (flow: TestFlow): Promise<void> {
  await until(() => flow.status('broker')?.fill, fill => fill === 'green')
}

/** As mosquitto_passwd writes it. */
function passwordFile (username: string, password: string): string {
  const salt = randomBytes(12)
  return `${username}:$7$101$${salt.toString('base64')}$${pbkdf2Sync(password, salt, 101, 64, 'sha512').toString('base64')}\n`
}

/** How many metrics are in the database. */
async function stored (filename: string): Promise<number> {
  const knex = knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  try {
    const [row] = await knex('metrics').count({ count: '*' }) as Array<{ count: number }>
    return row?.count ?? 0
  } finally {
    await knex.destroy()
  }
}

describe('a platziverse-broker that is elsewhere', { skip: withoutMosquitto }, () => {
  test('what agents publish there is stored, and agent-out publishes it there', async t => {
    const { port } = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${port}`
    const filename = join(await temporaryFolder(t), 'test.sqlite')
    const flow = await load(nodesOf(filename, { url }))
    await connected(flow)
    assert.equal(flow.status('broker')?.text, 'platziverse-broker.status.connected')
    await until(() => flow.status('in')?.text, text => text === 'agent-in.status.none')
    const subscriber = await client(t, url)
    const heard: string[] = []
    subscriber.on('message', (topic, payload) => { heard.push(`${topic} ${payload.toString()}`) })
    await subscriber.subscribeAsync('platform/#', { qos: 1 })
    const payload = reading('a1')
    await subscriber.publishAsync('agent/message', payload, { qos: 1 })
    await until(() => heard, ({ length }) => length === 1)
    assert.deepEqual(heard, [`platform/a1 ${payload}`])
    assert.equal(await stored(filename), 3)
    await until(() => flow.status('in')?.text, text => text === 'agent-in.status.messages')

    flow.receive('broker', { topic: 'statistics' })
    const [answer] = await until(() => flow.received('answers'), ({ length }) => length === 1)
    const { received, delivered, messages, rejected } = answer?.payload as Record<string, number>
    assert.deepEqual({ received, delivered, messages, rejected }, { received: 1, delivered: 1, messages: 1, rejected: 0 })
    assert.deepEqual(flow.log().filter(line => /[A-Z]{3,}_[A-Z]/.test(line)), [])
  })

  test('what agent-out says of its messages reaches subscribers that speak MQTT 5, and with 3.1.1 only the messages go there', async t => {
    const { port } = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${port}`
    const filename = join(await temporaryFolder(t), 'test.sqlite')
    const subscriber = await client(t, url, { protocolVersion: 5 })
    const heard: Array<object | undefined> = []
    subscriber.on('message', (_topic, _payload, { properties }) => { heard.push(properties && { ...properties, ...properties.userProperties && { userProperties: { ...properties.userProperties } } }) })
    await subscriber.subscribeAsync('platform/#', { qos: 1 })
    for (const version of ['5', '3.1.1']) {
      const out = { topic: 'platform/all', expiry: 60, responseTopic: 'answers', userProperties: [{ name: 'plant', value: 'north' }] }
      const flow = await load(nodesOf(filename, { url, version }, { out }))
      await connected(flow)
      flow.receive('out', { payload: { a: 1 } })
      await until(() => heard, ({ length }) => length === (version === '5' ? 1 : 2))
      await helper.unload()
    }
    const [{ messageExpiryInterval: left, ...others }, without] = heard as [{ messageExpiryInterval: number }, undefined]
    assert.deepEqual(others, { payloadFormatIndicator: true, contentType: 'application/json', responseTopic: 'answers', userProperties: { plant: 'north' } })
    assert.ok(left > 0 && left <= 60)
    assert.equal(without, undefined)
  })

  test('the access rules of docs/scaling.md are enough for a worker and an agent', async t => {
    const page = await readFile(join(packageDir, 'docs', 'scaling.md'), 'utf8')
    const acl = /```\n(user worker\n[^`]*)```/.exec(page)?.[1] ?? ''
    const passwords = passwordFile('worker', 'one') + passwordFile('sensor-01', 'two') + passwordFile('stranger', 'three')
    const { port } = await openMosquitto(t, 'allow_anonymous false\npassword_file FOLDER/passwords\nacl_file FOLDER/acl', { passwords, acl })
    const url = `mqtt://127.0.0.1:${port}`
    const filename = join(await temporaryFolder(t), 'test.sqlite')
    const deaf = await load(nodesOf(filename, { url }), { broker: { user: 'stranger', password: 'three' } })
    await connected(deaf)
    await until(() => deaf.status('in'), status => status?.text === 'agent-in.status.none' && status.fill === 'yellow')
    await helper.unload()
    for (const version of ['5', '3.1.1']) {
      const flow = await load(nodesOf(filename, { url, version, group: 'platziverse' }), { broker: { user: 'worker', password: 'one' } })
      await connected(flow)
      const agent = await client(t, url, { username: 'sensor-01', password: 'two' })
      await agent.publishAsync('agent/message', reading('a1'), { qos: 1 })
      // What the flow before had stored and not acknowledged when it ended comes once more.
      await until(() => flow.received<{ stored: { duplicates: number } }>('stored').filter(({ stored }) => stored.duplicates === 0), ({ length }) => length === 1)
      await agent.endAsync()
      assert.deepEqual(flow.log().filter(line => /[A-Z]{3,}_[A-Z]/.test(line)).map(line => /\w+(?=\)$)/.exec(line)?.[0]), ['BROKER_WORKER_ALONE'], 'which stores in a file')
      await helper.unload()
    }
  })

  test('commands that are for a broker inside Node-RED are refused', async t => {
    const { port } = await openMosquitto(t)
    const flow = await load(nodesOf(join(await temporaryFolder(t), 'test.sqlite'), { url: `mqtt://127.0.0.1:${port}` }))
    await connected(flow)
    const commands = ['clients', 'disconnect', 'endSession', 'forgetAgent', 'clearRetained', 'reload', 'login']
    for (const topic of commands) flow.receive('broker', { topic, payload: { clientId: 'a', topic: 'a', uuid: 'a' } })
    await until(() => flow.received('caught'), ({ length }) => length === commands.length)
    for (const message of flow.received<{ error: { message: string } }>('caught')) assert.match(message.error.message, /^BROKER_COMMAND_INVALID: The broker runs elsewhere: /)
    assert.deepEqual(flow.received('answers'), [])
  })

  for (const [topic, suggested, config] of [
    ['', 'platform/{kind}', {}],
    ['agent/message', 'platform/message', {}],
    ['agent/{uuid}', 'platform/{uuid}', {}],
    ['{username}/{kind}', 'platform/{username}/{kind}', {}],
    ['agent/{uuid}/{type}', 'platform/{uuid}/{type}', { shards: 'north, south' }],
    ['agent/north/{kind}', 'platform/north/{kind}', { shards: 'north, south' }]
  ] as const) {
    test(`agent-out refuses the topic "${topic}"${'shards' in config ? ' where there are shards' : ''} before a message comes`, async t => {
      const { port } = await openMosquitto(t)
      const flow = await load(nodesOf(join(await temporaryFolder(t), 'test.sqlite'), { url: `mqtt://127.0.0.1:${port}`, ...config }, { out: { topic } }))
      const said = await until(() => flow.log().find(line => line.includes('AGENT_OUT_LOOP')), line => line !== undefined)
      assert.ok(said?.includes(`Use a topic such as ${suggested}. `), said)
      assert.equal(flow.status('out')?.fill, 'red')
      flow.receive('out', { topic: 'agent/message', payload: reading() })
      await until(() => flow.received('caught'), ({ length }) => length === 1)
      const { received, delivered } = findBroker('broker').statistics()
      assert.deepEqual({ received, delivered }, { received: 0, delivered: 0 })
    })
  }

  test('agent-out publishes whatever its topic is where no agent-in reads from the broker, also by another node', async t => {
    const { port } = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${port}`
    const filename = join(await temporaryFolder(t), 'test.sqlite')
    const second = { id: 'second', z: 'tab', x: 1, y: 1, type: 'platziverse-broker', mode: 'elsewhere', url, wires: [[], []] }
    const flow = await load([...nodesOf(filename, { url }, { in: { d: true }, out: { topic: '', broker: 'second' } }), second])
    await until(() => flow.status('second')?.fill, fill => fill === 'green')
    const subscriber = await client(t, url)
    const heard: string[] = []
    subscriber.on('message', topic => { heard.push(topic) })
    await subscriber.subscribeAsync('agent/#', { qos: 1 })
    flow.receive('out', { topic: 'agent/message', payload: reading() })
    await until(() => heard, ({ length }) => length === 1)
    assert.deepEqual(heard, ['agent/message'])
    assert.deepEqual(flow.log().filter(line => /[A-Z]{3,}_[A-Z]/.test(line)), [])
  })

  test('agent-out notices that agent-in reads from the same broker by another node', async t => {
    const { port } = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${port}`
    const second = { id: 'second', z: 'tab', x: 1, y: 1, type: 'platziverse-broker', mode: 'elsewhere', url, wires: [[], []] }
    const flow = await load([...nodesOf(join(await temporaryFolder(t), 'test.sqlite'), { url }, { out: { topic: '', broker: 'second' } }), second])
    await until(() => flow.log(), lines => lines.some(line => line.includes('AGENT_OUT_LOOP')))
    assert.equal(flow.status('out')?.fill, 'red')
  })

  test('a wrong password is red and told once; the right one comes in', async t => {
    const { port } = await openMosquitto(t, 'allow_anonymous false\npassword_file FOLDER/passwords', { passwords: passwordFile('ana', 'right') })
    const url = `mqtt://127.0.0.1:${port}`
    const filename = join(await temporaryFolder(t), 'test.sqlite')
    const flow = await load(nodesOf(filename, { url }), { broker: { user: 'ana', password: 'wrong' } })
    const lines = await until(() => flow.log(), lines => lines.some(line => line.includes('BROKER_REFUSED')))
    assert.equal(lines.filter(line => line.includes('BROKER_REFUSED')).length, 1)
    await until(() => flow.status('broker')?.fill, fill => fill === 'red')
    await until(() => flow.status('out')?.text, text => text === 'agent-out.status.waiting')
    await helper.unload()
    const right = await load(nodesOf(filename, { url }), { broker: { user: 'ana', password: 'right' } })
    await connected(right)
  })

  for (const [url, said] of [
    ['${PLATZIVERSE_UNSET}', 'The property "url" is the variable PLATZIVERSE_UNSET, which is not set. '],
    ['mqtt://${PLATZIVERSE_UNSET}:1883', 'The property "url" has a variable in it, which is not replaced there. ']
  ] as const) {
    test(`a broker at ${url} connects to nothing, and says so`, async t => {
      const flow = await load(nodesOf(join(await temporaryFolder(t), 'test.sqlite'), { url }))
      const lines = await until(() => flow.log(), lines => lines.some(line => line.endsWith('(VARIABLE_UNSET)')))
      assert.ok(lines.some(line => line.startsWith(said)), lines.join('\n'))
      assert.deepEqual([flow.status('broker')?.fill, findBroker('broker').listener.state], ['red', 'closed'])
    })
  }

  test('a broker in this Node-RED does not mind what belongs to one elsewhere', async t => {
    const flow = await load(nodesOf(join(await temporaryFolder(t), 'test.sqlite'), { mode: 'embedded', url: '${PLATZIVERSE_UNSET}', port: 0 }))
    await until(() => flow.status('broker')?.fill, fill => fill === 'green')
  })

  test('a broker whose login was lost with the credentials connects to nothing, and says so', async t => {
    const { port } = await openMosquitto(t)
    const flow = await load(nodesOf(join(await temporaryFolder(t), 'test.sqlite'), { url: `mqtt://127.0.0.1:${port}`, hasLogin: true }))
    await until(() => flow.log(), lines => lines.some(line => line.endsWith('(CREDENTIALS_LOST)')))
    assert.deepEqual([flow.status('broker')?.fill, findBroker('broker').listener.state], ['red', 'closed'])
  })

  test('the tls-config node says which certificate is trusted', { skip: withoutOpenssl }, async t => {
    const folder = await temporaryFolder(t)
    const authority = makeAuthority(folder)
    const { cert, key } = authority.issue('server')
    const { port } = await openMosquitto(t, 'allow_anonymous true\ncafile FOLDER/ca.crt\ncertfile FOLDER/server.crt\nkeyfile FOLDER/server.key', { 'ca.crt': authority.cert, 'server.crt': cert, 'server.key': key })
    const url = `mqtts://localhost:${port}`
    const filename = join(folder, 'test.sqlite')
    const stranger = await load(nodesOf(filename, { url }))
    await until(() => stranger.log(), lines => lines.some(line => line.includes('BROKER_CERTIFICATE_REFUSED')))
    await helper.unload()
    const tls = { id: 'tls', type: 'tls-config', ca: join(folder, 'ca.crt'), verifyservercert: true }
    await connected(await load([...nodesOf(filename, { url, tls: 'tls' }), tls]))
  })

  test('messages in flight when the flows are deployed again are stored once each, also from one mode to the other', async t => {
    const { port } = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${port}`
    const filename = join(await temporaryFolder(t), 'test.sqlite')
    const elsewhere = nodesOf(filename, { url, clientId: 'worker' })
    await connected(await load(elsewhere))
    const sender = await client(t, url)
    let sent = 0
    const send = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++, sent++) await sender.publishAsync('agent/message', reading(`a${i % 7}`), { qos: 1 })
    }
    for (let deploy = 0; deploy < 3; deploy++) {
      const sending = send(200)
      await until(() => sent, sent => sent % 200 > 50)
      await helper.unload()
      await connected(await load(elsewhere))
      await sending
    }
    await until(() => stored(filename), count => count >= sent * 3)
    assert.equal(await stored(filename), sent * 3)

    await helper.unload()
    const inside = await load(nodesOf(filename, { mode: 'embedded', port: 0 }))
    const local = await client(t, await inside.url('broker'))
    await local.publishAsync('agent/message', reading('here'), { qos: 1 })
    assert.equal(await stored(filename), sent * 3 + 3)
    // Meanwhile the broker elsewhere keeps what comes.
    await send(20)
    assert.equal(await stored(filename), sent * 3 + 3 - 60)
    await helper.unload()
    await connected(await load(elsewhere))
    await until(() => stored(filename), count => count >= sent * 3 + 3)
    assert.equal(await stored(filename), sent * 3 + 3)
  })

  test('an agent of these flows reports there by the broker\'s address and login, or says why not', async t => {
    const { port } = await openMosquitto(t, 'allow_anonymous false\npassword_file FOLDER/passwords', { passwords: passwordFile('ana', 'right') })
    const url = `mqtt://127.0.0.1:${port}`
    const filename = join(await temporaryFolder(t), 'test.sqlite')
    const agent = { id: 'agent', z: 'tab', x: 1, y: 1, type: 'platziverse-agent', broker: 'broker', uuid: 'host-1', interval: 1, cpu: false, memory: true, temperature: false, disk: false, network: false, wires: [[]] }
    const flow = await load([...nodesOf(filename, { url }), agent], { broker: { user: 'ana', password: 'right' } })
    const [first] = await until(() => flow.received('stored'), ({ length }) => length > 0)
    assert.equal((first?.payload as { agent: { uuid: string } }).agent.uuid, 'host-1')
    await helper.unload()
    const sharded = await load([...nodesOf(filename, { url, shards: 'north' }), agent], { broker: { user: 'ana', password: 'right' } })
    await until(() => sharded.log(), lines => lines.some(line => /its broker takes the messages of shards alone.*\(AGENT_UNREACHABLE\)/.test(line)))
  })
})
