import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, afterEach, before, test, type TestContext } from 'node:test'
import helper from 'node-red-node-test-helper'
import { hashPassword } from '../../lib/broker/access/passwords.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import bridgeNode from '../../nodes/platziverse-bridge/platziverse-bridge.ts'
import brokerNode from '../../nodes/platziverse-broker/platziverse-broker.ts'
import { closeAll } from '../../nodes/shared/broker.ts'
import { openBroker, type TestBroker } from '../helpers/broker.ts'
import { makeAuthority, withoutOpenssl } from '../helpers/certificates.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { called, loadNodes, withText } from '../helpers/loaded-nodes.ts'
import { freePort } from '../helpers/node-red.ts'
import { answers, scriptedBroker } from '../helpers/scripted-broker.ts'

// Node-RED 5 does not run on Node 20.
const nodeRed = Number.parseInt(process.versions.node) >= 22 ? 'node-red' : 'node-red-4'
const require = createRequire(import.meta.url)
helper.init(require.resolve(nodeRed))
const tlsNode = require(createRequire(require.resolve(nodeRed)).resolve('@node-red/nodes/core/network/05-tls.js')) as unknown
before(() => new Promise<void>(resolve => helper.startServer(resolve)))
after(() => new Promise<void>(resolve => helper.stopServer(resolve)))
afterEach(async () => { await helper.unload(); await closeAll() })

const topics = [{ direction: 'both', filter: 'a/#', qos: '1', localPrefix: '', remotePrefix: 'far/' }]

type Message = { topic: string, payload: Record<string, unknown> }

/** Deploy a broker and a bridge of it. */
async function load (t: TestContext, config: object, credentials = {}, others: object[] = []) {
  helper.settings({ userDir: await temporaryFolder(t) })
  const flow = [
    { id: 'bridge1', type: 'platziverse-bridge', broker: 'broker1', url: 'mqtt://127.0.0.1:1', topics, clientId: `bridge-${process.pid}`, wires: [['out']], ...config },
    { id: 'broker1', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'out', type: 'helper' }
  ]
  await loadNodes([tlsNode, bridgeNode, brokerNode], [...flow, ...others], { bridge1: credentials })
  const sent: Message[] = []
  helper.getNode('out').on('input', message => { sent.push(message as Message) })
  return { node: helper.getNode('bridge1'), sent, local: findBroker('broker1') }
}

async function connected (remote: TestBroker): Promise<void> {
  await until(() => remote.place.clients(), clients => clients.some(({ subscriptions }) => subscriptions.length > 0))
}

test('messages cross both ways, and the status and the output tell of it', async t => {
  const remote = await openBroker(t)
  const { node, sent, local } = await load(t, { url: remote.url, statistics: '1' })
  await connected(remote)
  const [here, there]: string[][] = [[], []]
  local.subscribe('#', ({ topic, payload }) => { here?.push(`${topic} ${payload}`) })
  remote.place.subscribe('#', ({ topic, payload }) => { there?.push(`${topic} ${payload}`) })
  await local.publish({ topic: 'a/1', payload: 'out', qos: 1, retain: false })
  await remote.place.publish({ topic: 'far/a/2', payload: 'in', qos: 1, retain: false })
  await until(() => [here, there], () => here?.length === 2 && there?.length === 2)
  assert.deepEqual(here?.sort(), ['a/1 out', 'a/2 in'])
  assert.deepEqual(there?.sort(), ['far/a/1 out', 'far/a/2 in'])
  const { fill } = await called(node, 'status', withText(/status\.connected/))
  assert.equal(fill, 'green')
  await until(() => sent, messages => messages.some(({ topic, payload }) => topic === 'statistics' && payload['sent'] === 1 && payload['received'] === 1))
  const from = sent.length
  remote.place.control.disconnect(remote.place.clients()[0]?.clientId ?? '')
  const states = () => sent.slice(from).filter(({ topic }) => topic === 'state').map(({ payload }) => [payload['state'], (payload['error'] as { code?: string } | undefined)?.code])
  await until(states, ({ length }) => length === 2)
  assert.deepEqual(states(), [['connecting', 'BRIDGE_UNREACHABLE'], ['connected', undefined]])
})

for (const [saved, spoken] of [[{}, [5, 4]], [{ version: '3.1.1' }, [4]], [{ version: '5' }, [5]]] as const) {
  test(`${JSON.stringify(saved)} is spoken to in ${spoken.join(', then ')}`, async t => {
    const remote = await scriptedBroker(t, peer => {
      if (peer.version === 4) return answers(peer)
      peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 1, reasonCode: 1 })
      peer.socket.end()
    })
    await load(t, { url: remote.url, ...saved })
    await until(() => remote.consumers, ({ length }) => length >= spoken.length)
    assert.deepEqual(remote.consumers.slice(0, spoken.length).map(({ version }) => version), spoken)
  })
}

test('user and password log in', async t => {
  const remote = await openBroker(t, { users: [{ username: 'ana', hash: await hashPassword('secret') }] })
  await load(t, { url: remote.url }, { user: 'ana', password: 'secret' })
  await connected(remote)
  assert.equal(remote.place.clients()[0]?.username, 'ana')
})

test('the tls-config node says whom to trust', { skip: withoutOpenssl }, async t => {
  const folder = await temporaryFolder(t)
  const authority = makeAuthority(folder)
  const remote = await openBroker(t, { listeners: [{ transport: 'tls', host: '', port: 0, tls: authority.issue('server') }] })
  const url = remote.url.replace('mqtt:', 'mqtts:')
  const stranger = await load(t, { url })
  await called(stranger.node, 'status', withText(/^BRIDGE_CERTIFICATE_REFUSED/))
  await helper.unload()
  const tls = { id: 'tls1', type: 'tls-config', ca: join(folder, 'ca.crt'), verifyservercert: true }
  await load(t, { url, tls: 'tls1' }, {}, [tls])
  await connected(remote)
})

test('an address where nobody answers is red and warned of once', async t => {
  const { node } = await load(t, { url: `mqtt://127.0.0.1:${await freePort()}` })
  const { fill } = await called(node, 'status', withText(/^BRIDGE_UNREACHABLE/))
  assert.equal(fill, 'red')
  assert.match(await called<string>(node, 'warn', () => true), /\(BRIDGE_UNREACHABLE\)$/)
})

for (const [code, config] of [
  ['BROKER_MISSING', { broker: '' }],
  ['BRIDGE_OPTION_INVALID', { url: 'nowhere' }],
  ['BRIDGE_OPTION_INVALID', { topics: [] }]
] as const) {
  test(`${JSON.stringify(config)} is ${code}`, async t => {
    const { node } = await load(t, config)
    assert.equal((await called(node, 'status', withText(new RegExp(`^${code}$`)))).fill, 'red')
    assert.match(await called<string>(node, 'error', () => true), new RegExp(`\\(${code}\\)$`))
  })
}

test('what waits for the other broker survives a deploy', async t => {
  const url = `mqtt://127.0.0.1:${await freePort()}`
  const first = await load(t, { url })
  for (let i = 0; i < 5; i++) await first.local.publish({ topic: 'a', payload: String(i), qos: 1, retain: false })
  await called(first.node, 'status', withText(/status\.waiting/))
  await helper.unload()
  const remote = await openBroker(t, { port: Number(new URL(url).port) })
  const there: string[] = []
  remote.place.subscribe('#', ({ topic, payload }) => { there.push(`${topic} ${payload}`) })
  await load(t, { url })
  await until(() => there, ({ length }) => length === 5)
  assert.deepEqual(there, ['0', '1', '2', '3', '4'].map(i => `far/a ${i}`))
})

test('a bridge whose login was lost with the credentials connects to nothing, and says so', async t => {
  const remote = await openBroker(t)
  const { node } = await load(t, { url: remote.url, hasLogin: true })
  await called(node, 'status', withText(/^CREDENTIALS_LOST$/))
  await called<unknown>(node, 'error', error => String(error).endsWith('(CREDENTIALS_LOST)'))
  assert.equal(remote.place.statistics().connections, 0)
})

test('PKCS#12 files of tls-config nodes serve a listener, and say who the bridge is', { skip: withoutOpenssl }, async t => {
  const folder = await temporaryFolder(t)
  const authority = makeAuthority(folder)
  for (const name of ['server', 'bridge']) {
    authority.issue(name)
    authority.bundle(name, 'open sesame')
  }
  const port = await freePort()
  const listeners = [{ transport: 'tls', host: '127.0.0.1', port, path: '', certificates: 'username' }]
  const tls = (name: string) => ({ id: `tls-${name}`, type: 'tls-config', certType: 'pfx', p12: join(folder, `${name}.p12`), verifyservercert: true })
  helper.settings({ userDir: folder })
  const flow = [
    { id: 'far', type: 'platziverse-broker', port: 0, tls: 'tls-server', listeners, wires: [[], []] },
    { id: 'near', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'bridge1', type: 'platziverse-bridge', broker: 'near', url: `mqtts://localhost:${port}`, tls: 'tls-bridge', topics, wires: [[]] },
    tls('server'), tls('bridge')
  ]
  const secret = { passphrase: 'open sesame' }
  await loadNodes([tlsNode, bridgeNode, brokerNode], flow, { 'tls-server': secret, 'tls-bridge': secret })
  await until(() => findBroker('far').clients().map(({ username }) => username), ([username]) => username === 'bridge')
})
