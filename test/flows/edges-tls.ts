import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Authority, SubjectName } from '../helpers/certificates.ts'
import { connectPacket, fuzz, mutated, names, type Hostile } from '../helpers/hostile.ts'
import { rawSocket } from '../helpers/raw-client.ts'
import { upgradeRequest } from '../helpers/raw-web-socket.ts'

export type SecureHostile = Hostile & { authority: Authority }

/** What a client says first, by what it asks for. */
async function clientHello (options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const asks = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', rejectUnauthorized: false, ...options }).on('error', () => undefined)
  const [socket] = await once(server, 'connection') as [Socket]
  const [hello] = await once(socket, 'data') as [Buffer]
  asks.destroy()
  socket.destroy()
  server.close()
  return hello
}

/** A connection with the socket below it; resolves when it is agreed on, or refused. */
async function secure (t: TestContext, port: number, options: ConnectionOptions = {}): Promise<{ socket: TLSSocket, bottom: Socket }> {
  const bottom = await rawSocket(t, port)
  const socket = connect({ socket: bottom, rejectUnauthorized: false, ...options }).on('error', () => undefined)
  await new Promise(resolve => { socket.once('secureConnect', resolve).once('close', resolve) })
  return { socket, bottom }
}

/** Until something comes, it closes, or it is clear that neither will be soon. */
async function answered (socket: Socket): Promise<void> {
  if (socket.destroyed) return
  await new Promise(resolve => {
    socket.once('data', resolve).once('close', resolve)
    setTimeout(resolve, 200)
  })
}

const latin = 20
const wide = 30
const subjects: SubjectName[][][] = [
  [],
  [[{ value: '' }]],
  ...names.map(value => [[{ value }]]),
  [[{ value: 'admin\0' }]],
  [[{ value: '\0' }]],
  [[{ value: 'a\r\nb' }]],
  [[{ value: 'a' }], [{ value: 'b' }]],
  [[{ value: 'a' }, { value: 'b' }]],
  [[{ tag: latin, value: Buffer.from([0xff, 0xfe]) }]],
  [[{ tag: wide, value: Buffer.from([0, 0]) }]],
  Array.from({ length: 500 }, (_, i) => [{ value: `n${i}` }]),
  [[{ oid: [0x2a, 3], value: '__proto__' }]]
]

/** The edges of listeners with TLS: `tls` asks for certificates, whose common names are usernames, `wss` for none. */
export const tlsEdges: Record<string, (t: TestContext, hostile: SecureHostile) => Promise<unknown>> = {
  'bytes on the ports of TLS': async (t, { ports, random }) => await fuzz(() => rawSocket(t, random.one([ports.tls, ports.wss])), () => random.bytes(1 + random.below(200))),
  'MQTT, HTTP and upgrade requests without TLS': async (t, { ports, random }) => await fuzz(() => rawSocket(t, random.one([ports.tls, ports.wss])), () => random.one([connectPacket('plain'), upgradeRequest('/mqtt'), 'GET / HTTP/1.0\r\n\r\n', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n'])),
  'mutated hellos': async (t, { ports, random }) => {
    const hellos = await Promise.all([{}, { servername: 'localhost' }, { maxVersion: 'TLSv1.2' as const }, { ALPNProtocols: ['mqtt', '__proto__'] }].map(clientHello))
    await fuzz(() => rawSocket(t, random.one([ports.tls, ports.wss])), () => {
      const hello = Buffer.from(random.one(hellos))
      for (let i = random.below(6); i > 0; i--) hello[random.below(hello.length)] = random.below(256)
      return hello
    })
  },
  'handshakes that are cut': async (t, { ports, random }) => {
    const hello = await clientHello({ servername: 'localhost' })
    await fuzz(async () => {
      const socket = await rawSocket(t, random.one([ports.tls, ports.wss]))
      socket.write(hello.subarray(0, 1 + random.below(hello.length)))
      if (random.below(2) === 0) socket.end()
      return socket
    }, () => '')
    for (let i = 0; i < 40; i++) {
      const bottom = await rawSocket(t, random.one([ports.tls, ports.wss]))
      connect({ socket: bottom, rejectUnauthorized: false }).on('error', () => undefined)
      await pause(random.below(12))
      bottom.resetAndDestroy()
    }
  },
  'names that no server has': async (t, { ports }) => {
    const hello = await clientHello({ servername: 'localhost' })
    const at = hello.indexOf('localhost')
    for (const name of ['\0ocalhost', '__proto__', '........ ', 'xn--\xff\xff\xff\xff\xff', '127.0.0.1']) {
      const changed = Buffer.from(hello)
      changed.write(name, at, 'latin1')
      for (const port of [ports.tls, ports.wss]) {
        const socket = await rawSocket(t, port)
        socket.write(changed)
        await answered(socket)
        socket.destroy()
      }
    }
    for (const servername of ['', 'x'.repeat(254), 'constructor', '\u{1f600}.example', 'a..b']) {
      for (const port of [ports.tls, ports.wss]) (await secure(t, port, { servername })).socket.destroy()
    }
  },
  'certificates with odd subjects': async (t, { ports, authority }) => {
    for (const subject of subjects) {
      const pair = authority.forge(subject)
      const { socket } = await secure(t, ports.tls, pair)
      socket.write(connectPacket('odd'))
      await answered(socket)
      socket.destroy()
    }
  },
  'certificates of nobody, and none': async (t, { ports, authority }) => {
    for (const options of [{}, { ...authority.issue('late', -1) }]) {
      const { socket } = await secure(t, ports.tls, options)
      socket.write(connectPacket('nobody'))
      await answered(socket.resume())
    }
  },
  'new agreements on the same connection, over and over': async (t, { ports, authority }) => {
    const pair = authority.issue('anew')
    for (const port of [ports.tls, ports.wss]) {
      const { socket } = await secure(t, port, { ...pair, maxVersion: 'TLSv1.2' })
      if (port === ports.tls) socket.write(connectPacket('anew'))
      for (let i = 0; i < 10 && !socket.destroyed; i++) {
        await Promise.race([new Promise(resolve => { if (!socket.renegotiate({}, resolve)) resolve(undefined) }), pause(200)])
      }
      socket.destroy()
    }
  },
  'records that are none in the middle of a session': async (t, { ports, authority, random }) => {
    const pair = authority.issue('broken')
    for (let i = 0; i < 60; i++) {
      const isWeb = i % 2 === 0
      const { socket, bottom } = await secure(t, isWeb ? ports.wss : ports.tls, { ...pair, maxVersion: random.one(['TLSv1.2', 'TLSv1.3'] as const) })
      socket.write(isWeb ? upgradeRequest('/') : connectPacket('broken'))
      if (random.below(2) === 0) await answered(socket)
      const record = Buffer.concat([Buffer.from([random.one([20, 21, 22, 23, 24, 0]), 3, 3, 0, 40]), random.bytes(40)])
      bottom.write(random.below(2) === 0 ? mutated(random, record) : record)
      if (random.below(2) === 0) bottom.resetAndDestroy()
      else await answered(bottom)
      bottom.destroy()
    }
  }
}
