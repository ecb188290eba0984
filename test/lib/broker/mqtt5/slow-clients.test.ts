import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { createWebSocketStream, WebSocket } from 'ws'
import type { ListenerOptions } from '../../../../lib/broker/broker-options.ts'
import { reasonCodes } from '../../../../lib/mqtt/reason-codes.ts'
import { attachBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker } from '../../../helpers/broker.ts'
import { makeAuthority, withoutOpenssl } from '../../../helpers/certificates.ts'
import { once, until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { Peer } from '../../../helpers/peer.ts'

/** Messages are held back for clients that acknowledge nothing, and stay unread for clients that read nothing: both are cut off, over every transport. */

const here = { host: '127.0.0.1', port: 0 }
const payload = Buffer.alloc(64 * 1024)

async function streamTo (transport: ListenerOptions['transport'], port: number, ca: string): Promise<Duplex> {
  if (transport === 'tls') {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca })
    await once(socket, 'secureConnect')
    return socket
  }
  const webSocket = new WebSocket(`${transport}://localhost:${port}`, ['mqtt'], { ca })
  const stream = createWebSocketStream(webSocket)
  stream.on('end', () => { stream.end() })
  await once(webSocket, 'open')
  return stream
}

for (const transport of ['tls', 'ws', 'wss'] as const) {
  for (const does of ['acknowledges', 'reads'] as const) {
    test(`a client that ${does} nothing is cut off, over ${transport}, and leaves nothing`, { skip: withoutOpenssl }, async t => {
      const authority = makeAuthority(await temporaryFolder(t))
      const limits = { connectionsPerAddress: 2 }
      const broker = await openBroker(t, { limits })
      const tls = authority.issue('server')
      await attachBroker(broker.id, brokerOptions({ limits, listeners: [{ transport: 'tcp', host: '', port: 0 }, transport === 'ws' ? { transport, ...here } : { transport, ...here, tls }] }))
      const [tcp = 0, other = 0] = (await until(() => [...broker.place.listenerStates], states => states.length === 2 && states.every(({ state }) => state === 'listening')))
        .map(state => state.state === 'listening' ? state.port : 0)
      const stream = await streamTo(transport, other, authority.cert)
      const reader = new Peer(stream)
      t.after(() => { reader.cut() })
      await reader.connect('slow', { clean: false, properties: { sessionExpiryInterval: 1, ...does === 'acknowledges' && { receiveMaximum: 1 } } })
      await reader.subscribe({ topic: 'flood', qos: 1 })
      if (does === 'reads') stream.pause()
      const publisher = await Peer.open(tcp)
      t.after(() => { publisher.cut() })
      await publisher.connect('p')
      for (let i = 0; i < 300 && broker.place.statistics().cutOff === 0; i++) await publisher.publish('flood', payload, { qos: 1 })
      if (does === 'acknowledges') assert.equal(await reader.hungUp(), reasonCodes.quotaExceeded)
      await until(() => broker.place.statistics(), ({ clients, cutOff }) => clients === 1 && cutOff === 1)
      // Its place is free, and its session ends in time.
      await until(async () => {
        const next = await Peer.open(tcp)
        t.after(() => { next.cut() })
        return await next.connect('next').then(() => true, () => false)
      }, Boolean, 5_000)
      await until(() => broker.place.snapshot()?.clients.disconnected, count => count === 0, 5_000)
    })
  }
}
