import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import type { ListenerOptions, TlsMaterial } from '../../../../lib/broker/broker-options.ts'
import { attachBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker } from '../../../helpers/broker.ts'
import { makeAuthority, withoutOpenssl } from '../../../helpers/certificates.ts'
import { closing, once, until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { upgradeStatus } from '../../../helpers/web-socket.ts'

/** A broker with one listener that takes other certificates. */
async function openWith (t: TestContext, listener: Omit<ListenerOptions, 'host' | 'port'>) {
  const options = (tls: TlsMaterial | undefined = listener.tls) => brokerOptions({ listeners: [{ host: '', port: 0, ...listener, ...tls && { tls } }] })
  const broker = await openBroker(t, options())
  const states: string[] = []
  broker.place.on('listener', ({ state }) => { states.push(state) })
  return {
    broker,
    port: broker.port,
    states,
    deploy: (tls: TlsMaterial) => attachBroker(broker.id, options(tls)),
    async client (given: IClientOptions): Promise<MqttClient> {
      const client = await connectAsync(`${listener.transport === 'wss' ? 'wss' : 'mqtts'}://localhost:${broker.port}`, { reconnectPeriod: 0, ...given, wsOptions: given }, false)
      client.on('error', () => undefined)
      t.after(() => { client.end(true) })
      return client
    }
  }
}

/** The serial number of the certificate that a listener shows to a new connection. @throws when it is refused */
async function shown (port: number, ca: string): Promise<string | undefined> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca })
  try {
    await once(socket, 'secureConnect')
    return socket.getPeerX509Certificate()?.serialNumber
  } finally {
    socket.destroy()
  }
}

for (const transport of ['tls', 'wss'] as const) {
  test(`${transport}: whoever connects while a deploy brings another certificate gets in, and clients stay`, { skip: withoutOpenssl }, async t => {
    const authority = makeAuthority(await temporaryFolder(t))
    const certificates = [authority.issue('one'), authority.issue('two')]
    const { broker, port, states, deploy, client } = await openWith(t, { transport, tls: certificates[0]! })
    const here = await client({ ca: authority.cert })
    const seen = new Set<string | undefined>()
    let isOver = false
    const knocking = Array.from({ length: 4 }, async () => {
      while (!isOver) seen.add(await shown(port, authority.cert))
    })
    for (let i = 1; i <= 20; i++) {
      await deploy(certificates[i % 2]!)
      await shown(port, authority.cert)
    }
    isOver = true
    await Promise.all(knocking)
    await deploy(certificates[1]!)
    const last = await shown(port, authority.cert)
    assert.equal(seen.size, 2, 'both were shown')
    await deploy(certificates[0]!)
    assert.notEqual(await shown(port, authority.cert), last)
    assert.ok(here.connected)
    assert.equal(broker.place.clients().length, 1)
    assert.deepEqual(states, [], 'it never stopped listening')
  })
}

test('another authority for client certificates is in force at once: clients of the former one are disconnected, and do not come back with their session', { skip: withoutOpenssl }, async t => {
  const [server, former, next] = [makeAuthority(await temporaryFolder(t)), makeAuthority(await temporaryFolder(t)), makeAuthority(await temporaryFolder(t))]
  const pair = server.issue('server')
  const { broker, port, deploy, client } = await openWith(t, { transport: 'tls', certificates: 'username', tls: { ...pair, ca: former.cert } })
  const sensor = { ca: server.cert, ...former.issue('sensor') }
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await deploy({ ...pair, ca: former.cert })
    const gone = closing(await client({ ...sensor, clientId: 'sensor' }))
    const session = await sessionOf({ port, maxVersion, ...sensor })
    const before = broker.place.statistics().refusedBy['tls'] ?? 0
    await deploy({ ...pair, ca: next.cert })
    await gone
    await assert.rejects(client({ ...sensor, clientId: 'sensor' }))
    const again = connect({ port, host: 'localhost', maxVersion, session, ...sensor }).on('error', () => undefined)
    t.after(() => { again.destroy() })
    await until(() => broker.place.statistics().refusedBy['tls'], count => count === before + 2)
    await client({ ca: server.cert, ...next.issue('newcomer') })
  }
})

test('a listener whose next certificate is no good stops, and listens again with one that is', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const { broker, deploy, client } = await openWith(t, { transport: 'tls', tls: authority.issue('server') })
  await deploy({ ...authority.issue('server'), key: authority.issue('other').key })
  const state = await until(() => broker.place.listener, ({ state }) => state === 'failed')
  assert.equal(state.state === 'failed' && state.error.code, 'BROKER_CERTIFICATE_INVALID')
  await assert.rejects(client({ ca: authority.cert }))
  await deploy(authority.issue('server'))
  await until(() => broker.place.listener, ({ state }) => state === 'listening')
})

test('other web origins are in force at once and refuse nobody; clients stay unless one is not allowed any more', async t => {
  const options = (origins: string[]) => brokerOptions({ listeners: [{ transport: 'ws', host: '127.0.0.1', port: 0, origins }] })
  const { id, place, port } = await openBroker(t, options([]))
  const states: string[] = []
  place.on('listener', ({ state }) => { states.push(state) })
  const url = `ws://127.0.0.1:${port}`
  const here = await connectAsync(url, { reconnectPeriod: 0 })
  t.after(() => { here.end(true) })
  const statusOf = async (origin: string) => await upgradeStatus(url, { origin })
  const answers = new Set<number>()
  let isOver = false
  const knocking = (async () => { while (!isOver) answers.add(await upgradeStatus(url, {})) })()
  for (const origins of [['https://one.example'], ['https://one.example', 'https://two.example'], ['*'], ['*', 'https://one.example']]) {
    await attachBroker(id, options(origins))
    assert.deepEqual([await statusOf('https://one.example'), await statusOf('https://two.example')], [101, origins.length === 1 && origins[0] !== '*' ? 403 : 101], origins.join())
    assert.equal(here.connected, true)
  }
  isOver = true
  await knocking
  assert.deepEqual([...answers], [101])
  const gone = closing(here)
  await attachBroker(id, options(['https://one.example']))
  await gone
  assert.deepEqual([await statusOf('https://one.example'), await statusOf('https://two.example')], [101, 403])
  assert.deepEqual(states, [], 'it never stopped listening')
})

/** What a client remembers to have a shorter handshake next time. */
async function sessionOf (options: ConnectionOptions): Promise<Buffer> {
  const socket = connect({ host: 'localhost', ...options }).resume()
  try {
    // A TLS 1.3 server gives it out after the handshake.
    const [session] = await once(socket, 'session')
    return session as Buffer
  } finally {
    socket.destroy()
  }
}
