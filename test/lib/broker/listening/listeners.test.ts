import assert from 'node:assert/strict'
import { get } from 'node:http'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import type { ListenerOptions } from '../../../../lib/broker/broker-options.ts'
import { attachBroker, type RegisteredBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker } from '../../../helpers/broker.ts'
import { makeAuthority, withoutOpenssl, type SubjectName } from '../../../helpers/certificates.ts'
import { closing, once, until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { upgradeStatus } from '../../../helpers/web-socket.ts'

const here = { host: '127.0.0.1', port: 0 }

/** The ports of all listeners, once each of them listens. */
async function portsOf (place: RegisteredBroker): Promise<number[]> {
  const states = await until(() => [...place.listenerStates], states => states.every(({ state }) => state === 'listening'))
  return states.map(state => state.state === 'listening' ? state.port : 0)
}

async function roundTrip (t: { after (fn: () => unknown): void }, url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  await client.subscribeAsync('room/+', { qos: 1 })
  const heard = once(client, 'message')
  await client.publishAsync('room/1', 'x'.repeat(100_000), { qos: 1 })
  assert.equal((await heard)[1].length, 100_000)
  return client
}

test('one broker listens on TCP, TLS, WebSocket and secure WebSocket, and clients of each hear the others', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const tls = authority.issue('server')
  const broker = await openBroker(t)
  const first = { transport: 'tcp', host: '', port: 0 } as const
  await attachBroker(broker.id, brokerOptions({ listeners: [first, { transport: 'tls', ...here, tls }, { transport: 'ws', ...here }, { transport: 'wss', ...here, tls }] }))
  const [tcp, secure, ws, wss] = await portsOf(broker.place)
  const ca = authority.cert
  const clients = [
    await roundTrip(t, `mqtt://127.0.0.1:${tcp}`),
    await roundTrip(t, `mqtts://localhost:${secure}`, { ca }),
    await roundTrip(t, `ws://127.0.0.1:${ws}`),
    await roundTrip(t, `wss://localhost:${wss}`, { ca, wsOptions: { ca } })
  ]
  const heard = clients.map(client => once(client, 'message'))
  await clients[0]?.publishAsync('room/2', 'to all', { qos: 1 })
  assert.deepEqual((await Promise.all(heard)).map(([topic, payload]) => `${topic} ${payload}`), Array(4).fill('room/2 to all'))
  assert.equal(broker.place.statistics().clients, 4)
})

test('certificate and key may come in a PKCS#12 file with a passphrase, with the authority of client certificates in it', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  authority.issue('server')
  const tls = { pfx: authority.bundle('server', 'open sesame'), passphrase: 'open sesame' }
  const broker = await openBroker(t, { listeners: [{ transport: 'tls', ...here, tls }, { transport: 'wss', ...here, tls }, { transport: 'tls', ...here, tls, certificates: 'username' }] })
  const [secure, wss, known] = await portsOf(broker.place)
  const ca = authority.cert
  await roundTrip(t, `mqtts://localhost:${secure}`, { ca })
  await roundTrip(t, `wss://localhost:${wss}`, { ca, wsOptions: { ca } })
  await roundTrip(t, `mqtts://localhost:${known}`, { ca, ...authority.issue('sensor-7') })
  assert.ok(broker.place.clients().some(({ username }) => username === 'sensor-7'))
  await assert.rejects(connectAsync(`mqtts://localhost:${known}`, { ca, reconnectPeriod: 0 }))
})

test('a PKCS#12 file that is damaged, locked or expired is an error with a code', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  authority.issue('server')
  authority.issue('old', -1)
  const pfx = authority.bundle('server', 'right')
  const codeOf = async (tls: ListenerOptions['tls']): Promise<string> => {
    const broker = await openBroker(t)
    await attachBroker(broker.id, brokerOptions({ listeners: [{ transport: 'tls', ...here, ...tls === undefined ? {} : { tls } }] }))
    const state = await until(() => broker.place.listener, ({ state }) => state === 'failed')
    return state.state === 'failed' ? state.error.code : ''
  }
  assert.equal(await codeOf({ pfx, passphrase: 'wrong' }), 'BROKER_CERTIFICATE_INVALID')
  assert.equal(await codeOf({ pfx: Buffer.from('no file of that kind'), passphrase: 'right' }), 'BROKER_CERTIFICATE_INVALID')
  assert.equal(await codeOf({ pfx: authority.bundle('old', 'right'), passphrase: 'right' }), 'BROKER_CERTIFICATE_EXPIRED')
})

test('a client certificate is required, and its common name is the username', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const tls = { ...authority.issue('server'), ca: authority.cert }
  const broker = await openBroker(t, { listeners: [{ transport: 'tls', ...here, tls, certificates: 'username' }] })
  const [port] = await portsOf(broker.place)
  const { cert, key } = authority.issue('sensor-7')
  const client = await connectAsync(`mqtts://localhost:${port}`, { ca: authority.cert, cert, key, reconnectPeriod: 0, username: 'somebody else', password: 'x' })
  t.after(() => { client.end(true) })
  const connected = broker.events.find(({ event }) => event === 'connected')
  assert.equal(connected?.event === 'connected' && connected.username, 'sensor-7')

  // TLS 1.3 clients learn of it only after their side of the handshake.
  const knock = (options: object): void => {
    const socket = connect({ host: 'localhost', port: port as number, ca: authority.cert, ...options }).on('error', () => undefined)
    t.after(() => { socket.destroy() })
  }
  knock({})
  await until(() => broker.place.statistics().refusedBy['tls'], count => count === 1)
  knock(makeAuthority(await temporaryFolder(t)).issue('sensor-7'))
  await until(() => broker.place.statistics().refusedBy['tls'], count => count === 2)
  assert.equal(broker.place.statistics().clients, 1)
})

for (const [what, subject] of Object.entries<SubjectName[][]>({
  'nothing': [],
  'an empty common name': [[{ value: '' }]],
  'two common names': [[{ value: 'admin' }], [{ value: 'other' }]],
  'two common names in one': [[{ value: 'admin' }, { value: 'other' }]],
  'a NUL in its common name': [[{ value: 'admin\0other' }]],
  'a line in its common name': [[{ value: 'other\nconnected: admin' }]],
  'a name that is not common': [[{ oid: [0x2a, 3], value: 'admin' }]]
})) {
  test(`a client certificate that says ${what} lets nobody in`, { skip: withoutOpenssl }, async t => {
    const authority = makeAuthority(await temporaryFolder(t))
    const tls = { ...authority.issue('server'), ca: authority.cert }
    const broker = await openBroker(t, { listeners: [{ transport: 'tls', ...here, tls, certificates: 'username' }] })
    const [port] = await portsOf(broker.place)
    const connecting = connectAsync(`mqtts://localhost:${port}`, { ca: authority.cert, ...authority.forge(subject), reconnectPeriod: 0, username: 'admin', password: 'x' })
    await assert.rejects(connecting, { code: 5 })
    assert.equal(broker.place.statistics().refusedBy['certificate'], 1)
  })
}

test('any other common name is the username', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const tls = { ...authority.issue('server'), ca: authority.cert }
  const broker = await openBroker(t, { listeners: [{ transport: 'tls', ...here, tls, certificates: 'username' }] })
  const [port] = await portsOf(broker.place)
  const names = ['__proto__', '#', 'a/b', '$SYS', 'a, CN=b', 'x'.repeat(5000), '\u{1f600}']
  for (const value of names) {
    const client = await connectAsync(`mqtts://localhost:${port}`, { ca: authority.cert, ...authority.forge([[{ value }]]), reconnectPeriod: 0 })
    t.after(() => { client.end(true) })
  }
  assert.deepEqual(broker.events.flatMap(event => event.event === 'connected' ? [event.username] : []), names)
})

test('a listener with a bad certificate fails with a code, and the others keep running', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const good = authority.issue('server')
  const bad: Array<[string, ListenerOptions['tls'] | undefined]> = [
    ['BROKER_CERTIFICATE_EXPIRED', authority.issue('expired', -1)],
    ['BROKER_CERTIFICATE_INVALID', { cert: good.cert, key: authority.issue('other').key }],
    ['BROKER_CERTIFICATE_INVALID', { cert: 'no certificate', key: good.key }],
    ['BROKER_CERTIFICATE_INVALID', { cert: good.cert, key: 'no key' }],
    ['BROKER_CERTIFICATE_MISSING', undefined]
  ]
  for (const [code, tls] of bad) {
    const broker = await openBroker(t)
    await attachBroker(broker.id, brokerOptions({ listeners: [{ transport: 'tcp', host: '', port: 0 }, { transport: 'tls', ...here, ...tls === undefined ? {} : { tls } }] }))
    const states = await until(() => broker.place.listenerStates, ([, second]) => second?.state === 'failed')
    assert.equal(states[1]?.state === 'failed' && states[1].error.code, code)
    await broker.client()
  }
})

test('a listener that is added or removed leaves the clients of the others alone', async t => {
  const broker = await openBroker(t)
  const first = { transport: 'tcp', host: '', port: 0 } as const
  const client = await broker.client({ clientId: 'stays' })
  await attachBroker(broker.id, brokerOptions({ listeners: [first, { transport: 'ws', ...here }] }))
  const [, ws] = await portsOf(broker.place)
  const second = await connectAsync(`ws://127.0.0.1:${ws}`, { clientId: 'goes', reconnectPeriod: 0 })
  const closed = closing(second)
  await attachBroker(broker.id, brokerOptions({ listeners: [first] }))
  await closed
  await client.publishAsync('a', 'still here', { qos: 1 })
  assert.deepEqual(broker.events.filter(({ event }) => event === 'disconnected').map(event => 'clientId' in event && event.clientId), ['goes'])
})

test('a listener other than the first is closed to the network as well, while there are no users', async t => {
  const broker = await openBroker(t)
  await attachBroker(broker.id, brokerOptions({ listeners: [{ transport: 'tcp', host: '', port: 0 }, { transport: 'ws', host: '0.0.0.0', port: 0 }] }))
  const states = await until(() => broker.place.listenerStates, ([, second]) => second?.state === 'failed')
  assert.equal(states[1]?.state === 'failed' && states[1].error.code, 'BROKER_NETWORK_CLOSED')
})

test('plain HTTP on a WebSocket port, and a WebSocket without the subprotocol mqtt, get an answer that says what the port speaks', async t => {
  const broker = await openBroker(t, { listeners: [{ transport: 'ws', ...here }] })
  const [port] = await portsOf(broker.place)
  const status = await new Promise(resolve => { get({ port, host: '127.0.0.1' }, response => { resolve(response.resume().statusCode) }) })
  assert.equal(status, 426)
  const { WebSocket } = await import('ws')
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, ['chat'])
  const [error] = await once(socket, 'error') as [Error]
  assert.match(error.message, /400/)
})

test('a client that left makes room for the next, over every transport, and a removed listener hangs up at once', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const tls = authority.issue('server')
  const ca = authority.cert
  for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const) {
    const options = brokerOptions({ listeners: [{ transport, ...here, ...transport === 'tls' || transport === 'wss' ? { tls } : {} }], limits: { connectionsPerAddress: 1 } })
    const broker = await openBroker(t, options)
    const [port] = await portsOf(broker.place)
    const url = `${{ tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' }[transport]}://localhost:${port}`
    const come = async (clientId: string): Promise<MqttClient> => await connectAsync(url, { clientId, reconnectPeriod: 0, ca, wsOptions: { ca } })
    for (const clientId of ['first', 'second', 'third']) {
      const client = await until(() => come(clientId).catch(() => undefined), client => client !== undefined) as MqttClient
      await client.endAsync()
    }
    const last = await until(() => come('last').catch(() => undefined), client => client !== undefined) as MqttClient
    const closed = closing(last)
    await attachBroker(broker.id, { ...options, listeners: [] })
    await closed
  }
})

test('a web page connects by WebSocket only from the same host or a listed origin, and what is refused is counted', async t => {
  const listeners: ListenerOptions[] = [{ transport: 'ws', ...here, origins: ['https://dashboard.example'] }]
  const broker = await openBroker(t, { listeners })
  const [port] = await portsOf(broker.place)
  const evil = `evil.example:${port}`
  const tried = {
    'no origin, as programs': {},
    'listed': { origin: 'https://dashboard.example' },
    'same host, another port': { origin: 'http://127.0.0.1:1880' },
    'another website': { origin: 'https://evil.example' },
    'a listed host with another scheme': { origin: 'http://dashboard.example' },
    'a sandboxed page': { origin: 'null' },
    'a name that leads here since a moment ago': { origin: `http://${evil}`, host: evil },
    'nothing that is one': { origin: '//' }
  }
  const outcome: Record<string, number> = {}
  for (const [what, headers] of Object.entries(tried)) outcome[what] = await upgradeStatus(`ws://127.0.0.1:${port}`, headers as Record<string, string>)
  assert.deepEqual(outcome, {
    'no origin, as programs': 101, 'listed': 101, 'same host, another port': 101,
    'another website': 403, 'a listed host with another scheme': 403, 'a sandboxed page': 403, 'a name that leads here since a moment ago': 403, 'nothing that is one': 403
  })
  assert.equal(broker.place.statistics().refusedBy['origin'], 5)
  assert.ok(broker.events.some(event => event.event === 'refused' && event.reason === 'the origin https://evil.example is not in the list of allowed origins'))
})

test('a client that comes by WebSocket through a proxy on this machine counts as a stranger', async t => {
  const broker = await openBroker(t, { listeners: [{ transport: 'ws', ...here }] })
  const [port] = await portsOf(broker.place)
  const come = async (headers: Record<string, string>): Promise<void> => {
    const client = await connectAsync(`ws://127.0.0.1:${port}`, { reconnectPeriod: 0, wsOptions: { headers } })
    await client.endAsync()
  }
  for (const header of ['x-forwarded-for', 'x-real-ip', 'via', 'forwarded', 'x-forwarded-proto', 'cf-connecting-ip']) await assert.rejects(come({ [header]: '192.0.2.1' }), /Not authorized/i, header)
  for (const host of ['mqtt.example.org', '192.0.2.1:8080', '127.0.0.1.example.org']) await assert.rejects(come({ host }), /Not authorized/i, host)
  for (const host of ['localhost:8080', '127.0.0.1', '[::1]:8080']) await come({ host })
})
