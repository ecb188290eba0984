import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { generate, type Packet } from 'mqtt-packet'
import type { ListenerOptions } from '../../../../lib/broker/broker-options.ts'
import { attachBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, type TestBroker } from '../../../helpers/broker.ts'
import { makeAuthority, withoutOpenssl } from '../../../helpers/certificates.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { rawSocket } from '../../../helpers/raw-client.ts'

const here = { host: '127.0.0.1', port: 0 }
const mqtt = generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'one', keepalive: 0, clean: true } as Packet)
const hello = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 200]), Buffer.alloc(200)])
const proxy2 = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.from([0x21, 0x11, 0, 12]), Buffer.alloc(12)])

async function refusalOf (broker: TestBroker, knock: () => unknown): Promise<{ reason: string, address: string | undefined }> {
  const before = broker.events.length
  await knock()
  const event = await until(() => broker.events.slice(before).find(({ event }) => event === 'refused'), event => event !== undefined)
  assert.ok(event?.event === 'refused')
  return { reason: event.reason, address: event.address }
}

async function send (t: TestContext, port: number, bytes: Buffer | string): Promise<void> {
  const socket = await rawSocket(t, port)
  socket.write(bytes)
}

for (const [name, bytes, reason] of [
  ['a TLS client', hello, /TLS/],
  ['a PROXY header of version 1', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', /PROXY/],
  ['a PROXY header of version 2', proxy2, /PROXY/],
  ['an HTTP request', 'GET / HTTP/1.1\r\n\r\n', /HTTP/],
  ['an HTTP 2 client', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /HTTP/]
] as const) {
  test(`${name} on the plain port is named in the log`, async t => {
    const broker = await openBroker(t)
    const refusal = await refusalOf(broker, () => send(t, broker.port, bytes))
    assert.match(refusal.reason, reason)
    assert.equal(refusal.address, '127.0.0.1')
  })
}

test('TLS on a port for plain WebSocket is named in the log', async t => {
  const broker = await openBroker(t, { listeners: [{ transport: 'ws', ...here }] })
  const { reason, address } = await refusalOf(broker, () => send(t, broker.port, hello))
  assert.match(reason, /TLS/)
  assert.equal(address, '127.0.0.1')
})

for (const transport of ['tls', 'wss'] as const) {
  test(`a client without TLS or with the wrong certificate is refused with a reason and its address: ${transport}`, { skip: withoutOpenssl }, async t => {
    const authority = makeAuthority(await temporaryFolder(t))
    const stranger = makeAuthority(await temporaryFolder(t))
    const tls: ListenerOptions['tls'] = { ...authority.issue('server'), ca: authority.cert }
    const broker = await openBroker(t, { listeners: [{ transport, ...here, tls, certificates: 'required' }] })
    const knock = (options: object) => (): void => {
      const socket = connect({ host: '127.0.0.1', port: broker.port, ca: authority.cert, servername: 'localhost', ...options }).on('error', () => undefined)
      t.after(() => { socket.destroy() })
    }
    const foreign = stranger.issue('one')
    const cases: Array<[string, () => unknown, RegExp]> = [
      ['expired', knock(authority.issue('one', -1)), /certificate has expired \(CERT_HAS_EXPIRED\)/],
      ['another authority', knock(foreign), /another authority/],
      ['another authority, with its chain', knock({ key: foreign.key, cert: `${String(foreign.cert)}\n${String(stranger.cert)}` }), /another authority/],
      ['none', knock({}), /peer did not return a certificate/],
      ['MQTT in clear text', () => send(t, broker.port, mqtt), /does not speak TLS/],
      ['HTTP', () => send(t, broker.port, 'GET / HTTP/1.1\r\n\r\n'), /HTTP/]
    ]
    for (const [name, act, reason] of cases) {
      const refusal = await refusalOf(broker, act)
      assert.match(refusal.reason, reason, name)
      assert.equal(refusal.address, '127.0.0.1', name)
    }
  })
}

const withoutIpv6 = Object.values(networkInterfaces()).flat().some(address => address?.address === '::1') ? false : 'This machine has no ::1.'

for (const transport of ['tcp', 'ws'] as const) {
  test(`the standard listener is reached at ::1 as well, until it is removed: ${transport}`, { skip: withoutIpv6 }, async t => {
    const broker = await openBroker(t, { listeners: [{ transport, host: '', port: 0 }] })
    const socket = connectTcp({ host: '::1', port: broker.port }).on('error', () => undefined)
    t.after(() => { socket.destroy() })
    await once(socket, 'connect')
    if (transport === 'tcp') {
      socket.write(mqtt)
      const connected = await until(() => broker.events.find(({ event }) => event === 'connected'), event => event !== undefined)
      assert.equal(connected?.event === 'connected' && connected.address, '::1')
    }
    await attachBroker(broker.id, brokerOptions({ listeners: [] }))
    await until(() => socket.resume().destroyed, gone => gone)
    const [error] = await once(connectTcp({ host: '::1', port: broker.port }), 'error') as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNREFUSED')
  })
}

test('a port that another program has at ::1 is no reason to fail', { skip: withoutIpv6 }, async t => {
  const other = createServer().listen(0, '::1')
  t.after(() => { other.close() })
  await once(other, 'listening')
  const broker = await openBroker(t, { port: (other.address() as { port: number }).port })
  await broker.client()
  assert.equal(broker.place.listener.state, 'listening')
})
