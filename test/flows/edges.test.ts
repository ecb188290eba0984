import assert from 'node:assert/strict'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connectAsync } from 'mqtt'
import { generate, type Packet } from 'mqtt-packet'
import { makeAuthority, withoutOpenssl } from '../helpers/certificates.ts'
import { closing, once } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { connectPacket, fuzz, mutated, names, Random, seed, type Hostile } from '../helpers/hostile.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'
import { publishPacket, rawClient, rawSocket } from '../helpers/raw-client.ts'
import { binary, frame, rawWebSocket, text, upgradeRequest } from '../helpers/raw-web-socket.ts'
import { answering, loginEdges } from './edges-login.ts'
import { tlsEdges } from './edges-tls.ts'

// Every place at which a stranger's bytes reach this package in a real Node-RED. Whatever comes in there, the process lives, nothing is left
// uncaught, and other clients keep their connections. A new listener, endpoint, input or outgoing connection belongs into this table.

const packets: Buffer[] = [
  ...names.flatMap(name => [publishPacket(name.replace(/[#+]/g, 'x'), name, 1, 7), generate({ cmd: 'subscribe', messageId: 8, subscriptions: [{ topic: name, qos: 2 }] } as Packet), generate({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: [name] } as Packet)]),
  ...(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const).map(cmd => generate({ cmd, messageId: 77 } as Packet)),
  publishPacket('a', Buffer.alloc(2000), 2, 10),
  generate({ cmd: 'pingreq' } as Packet)
]
const payloads = ['', '\0', 'null', '[]', '{}', '"', '{"agent":{"uuid":{"__proto__":1}}}', '{"agent":{"uuid":"__proto__"},"metrics":[{"type":"__proto__","value":1}]}', '['.repeat(100_000), '{"a":'.repeat(50_000), '{"agent":{"uuid":"x"},"metrics":[{"type":"t","value":1e999}]}', '{"agent":{"uuid":"x"},"metrics":[{"type":"t","value":1}],"timestamp":8640000000000001}', '{"agent":{"uuid":"\\ud800"},"metrics":[{"type":"\\ud800","value":"\\ud800"}]}', `{"agent":{"uuid":"x","pid":${'9'.repeat(5000)}},"metrics":[]}`, Buffer.from([0xff, 0xfe, 0]).toString('latin1')]

async function post (url: string, path: string, body: string, type = 'application/json'): Promise<void> {
  const response = await fetch(new URL(path, url), { method: 'POST', body, headers: { 'content-type': type } })
  await response.text()
}

const bodies = ['', '{', 'null', '[]', '"x"', '0', '{"password":{}}', '{"text":{"__proto__":[]}}', '{"rules":[null]}', '{"rules":[{"subject":{}}]}', '{"client":"__proto__"}', '{"client":{}}', '{"client":"pg","host":{},"port":"x"}', '{"client":"mysql2","host":"\\u0000","port":-1}', '{"client":"sqlite","filename":"\\u0000"}', '{"__proto__":{"client":"sqlite"}}', '['.repeat(50_000), `{"text":"${'x:'.repeat(40_000)}"}`]

const edges: Record<string, (t: TestContext, hostile: Hostile) => Promise<unknown>> = {
  'bytes on the port of MQTT': async (t, { ports, random }) => await fuzz(() => rawSocket(t, ports.tcp), () => random.bytes(1 + random.below(200))),
  'mutated packets on the port of MQTT': async (t, { ports, random }) => await fuzz(async () => {
    const socket = await rawSocket(t, ports.tcp)
    socket.write(connectPacket(random.one(['x', 'y', ...names.slice(0, 4)]), random.below(2) === 0))
    return socket
  }, () => random.below(4) === 0 ? random.one(packets) : mutated(random, random.one(packets))),
  'mutated packets and frames over WebSocket': async (t, { ports, random }) => await fuzz(async () => {
    const { socket } = await rawWebSocket(t, ports.ws)
    socket.write(frame(binary, connectPacket('ws')))
    return socket
  }, () => random.below(4) === 0 ? mutated(random, frame(random.below(16), random.bytes(random.below(130)))) : frame(binary, mutated(random, random.one(packets)))),
  'upgrade requests on Node-RED\'s own server and on the port of WebSocket': async (t, { ports, random }) => await fuzz(() => rawSocket(t, random.one([ports.http, ports.ws])), () => {
    const headers = { [random.one(['Host', 'Origin', 'Upgrade', 'Connection', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions', 'X-Forwarded-For'])]: random.one([undefined, '', '//', '[', 'null', 'mqtt,mqtt', ',', 'permessage-deflate; server_max_window_bits=99', 'http://[::1', '\x7f']) }
    return `${upgradeRequest(random.one(['//', '/mqtt', '/mqtt//', '///mqtt', '/%', '*', '?', '/\\', '/mqtt?//']), headers)}${random.below(2) === 0 ? 'x'.repeat(random.below(40)) : ''}`
  }),
  'text frames': async (t, { ports }) => {
    const { socket } = await rawWebSocket(t, ports.http, '/mqtt')
    socket.write(frame(text, connectPacket('text')))
    await closing(socket.resume())
  },
  'a hundred resets in the middle of a handshake': async (t, { ports }) => {
    for (const port of [ports.tcp, ports.ws, ports.http]) {
      for (let i = 0; i < 33; i++) {
        const socket = await rawSocket(t, port)
        socket.write(upgradeRequest('/mqtt', { 'Sec-WebSocket-Protocol': i % 2 === 0 ? 'mqtt' : 'chat' }))
        socket.resetAndDestroy()
      }
    }
  },
  'payloads on the topics of agents': async (t, { ports }) => {
    for (const topic of ['agent/connected', 'agent/disconnected', 'agent/message']) {
      const socket = await rawClient(t, ports.tcp, `payloads-${topic}`)
      for (const [i, payload] of payloads.entries()) socket.write(publishPacket(topic, payload, 1, i + 1))
      await once(socket, 'data')
      socket.destroy()
    }
  },
  'subscribers that leave under load': async (t, { ports }) => {
    const subscribers = await Promise.all(Array.from({ length: 10 }, async (_, i) => {
      const socket = await rawClient(t, ports.tcp, `leaves-${i}`)
      socket.write(generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'load/#', qos: 0 }] } as Packet))
      await once(socket, 'data')
      return socket.resume()
    }))
    const burst = Buffer.concat(Array.from({ length: 1000 }, (_, i) => publishPacket(`load/${i}`, 'x', 1, i + 1)))
    for (let i = 0; i < 10; i++) (await rawClient(t, ports.tcp, `loads-${i}`)).resume().write(burst)
    await pause(50)
    for (const subscriber of subscribers) subscriber.destroy()
  },
  'bodies on the admin API': async (_t, { nodeRed }) => {
    for (const path of ['hash', 'users/parse', 'rules/parse', 'rules/format'].map(name => `platziverse/broker/${name}`).concat('platziverse/database/test')) {
      for (const body of bodies) await post(nodeRed.url, path, body)
      await post(nodeRed.url, path, 'x', 'text/plain')
    }
    await fetch(new URL('platziverse/metrics?x[__proto__]=1', nodeRed.url)).then(response => response.text())
  },
  'servers that are no databases, or none that the driver understands': async (t, { nodeRed, random }) => {
    for (const client of ['postgresql', 'mysql']) {
      for (const answer of ['R\0\0\0\x08\0\0\0\x07', 'R\0\0\0\x08\0\0\0\xff', 'T\0\0\0\x08\x7f\xff\0\0', 'D\0\0\0\x0a\0\x01\x7f\xff\xff\xff', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'SSH-2.0-x\r\n', '\x03\0\0\0\x0a1\0', '', random.bytes(200)]) {
        const server = createServer(socket => {
          socket.on('error', () => undefined).write(Buffer.from(answer as string, 'latin1'))
          setTimeout(() => { socket.destroy() }, 50)
        }).listen(0, '127.0.0.1')
        t.after(() => { server.close() })
        await once(server, 'listening')
        const { port } = server.address() as AddressInfo
        const { ok } = await nodeRed.api<{ ok: boolean }>('platziverse/database/test', { body: { id: '', config: { client, host: '127.0.0.1', port, database: 'x' }, credentials: { user: 'a', password: 'b' } } })
        assert.equal(ok, false)
      }
    }
  },
  'messages on the inputs of nodes': async (_t, { nodeRed }) => {
    for (const node of ['broker', 'metric-store', 'agent-out', 'agent-in']) {
      for (const topic of ['', null, {}, '__proto__', 'disconnect', 'endSession', 'forgetAgent', 'clients', 'clearRetained', 'reload', 'login', 'agent/message', 'agent/connected', 'a/#']) {
        for (const payload of [null, '', 0, [], {}, { clientId: {} }, { users: [null] }, { id: '__proto__', allow: true }, { agent: null }, 'x\0']) await post(nodeRed.url, `feed/${node}`, JSON.stringify({ topic, payload, delivery: { id: {} } }))
      }
    }
  }
}

/** Stands for the broker that the bridge and the agent connect to: it answers with CONNACK at times, and with garbage. */
async function garbageServer (t: TestContext, random: Random): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket.on('error', () => undefined))
    socket.on('data', () => {
      if (random.below(2) === 0) socket.write(Buffer.from([0x20, 2, 0, 0]))
      socket.write(random.below(2) === 0 ? random.bytes(60) : mutated(random, random.one(packets)))
      if (random.below(3) === 0) socket.resetAndDestroy()
    })
  }).listen(0, '127.0.0.1')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('whatever comes in at any edge, Node-RED lives on, nothing is left uncaught, and others stay connected', { timeout: 400_000 }, async t => {
  const random = new Random(seed)
  const [tcp, ws, tls, wss, asked] = [await freePort(), await freePort(), await freePort(), await freePort(), await freePort()]
  const folder = await temporaryFolder(t)
  const authority = withoutOpenssl === false ? makeAuthority(folder) : undefined
  authority?.issue('server')
  const material = { id: 'edge-tls', type: 'tls-config', cert: join(folder, 'server.crt'), key: join(folder, 'server.key'), ca: join(folder, 'ca.crt'), verifyservercert: true }
  const elsewhere = `mqtt://127.0.0.1:${await garbageServer(t, random)}`
  const listeners = [
    { transport: 'ws', host: '127.0.0.1', port: ws, path: '', certificates: 'none' },
    { transport: 'path', host: '', port: '', path: '/mqtt', certificates: 'none' },
    ...authority === undefined ? [] : [{ transport: 'tls', host: '127.0.0.1', port: tls, path: '', certificates: 'username' }, { transport: 'wss', host: '127.0.0.1', port: wss, path: '', certificates: 'none' }]
  ]
  const limits = { connectionRate: 0 }
  const main = await exampleFlow('Monitor agents', { 'platziverse-broker': { port: tcp, listeners, limits, prometheus: true, ...authority && { tls: material.id } } }, ['platziverse-agent', 'debug']) as Array<{ id: string, type: string, z?: string }>
  const idOf = (type: string): string => main.find(node => node.type === type)?.id ?? ''
  const z = main.find(({ type }) => type === 'agent-in')?.z
  const broker = idOf('platziverse-broker')
  const inputs = Object.entries({ broker: 'platziverse-broker', 'metric-store': 'metric-store', 'agent-out': 'agent-out', 'agent-in': 'agent-in' }).flatMap(([name, type], i) => [
    { id: `feed-${i}`, type: 'http in', z, url: `/feed/${name}`, method: 'post', x: 1, y: 1, wires: [[`turn-${i}`]] },
    { id: `turn-${i}`, type: 'function', z, func: 'const { req, res, payload } = msg; node.send([null, { req, res, payload: "" }]); return { ...payload }', outputs: 2, x: 1, y: 1, wires: [[idOf(type)], [`answer-${i}`]] },
    { id: `answer-${i}`, type: 'http response', z, x: 1, y: 1, wires: [] }
  ])
  const outward = [
    { id: 'edge-bridge', type: 'platziverse-bridge', z, broker, url: elsewhere, topics: [{ direction: 'both', filter: '#', qos: 1, localPrefix: '', remotePrefix: 'far/' }], x: 1, y: 1, wires: [[]] },
    { id: 'edge-agent', type: 'platziverse-agent', z, broker: '', url: elsewhere, interval: 1, cpu: true, memory: true, x: 1, y: 1, wires: [[]] }
  ]
  const asking = [
    { id: 'edge-asks', type: 'platziverse-broker', z, host: '127.0.0.1', port: asked, login: 'flow', limits, x: 1, y: 1, wires: [['edge-answers'], []] },
    { id: 'edge-answers', type: 'function', z, func: answering, outputs: 1, x: 1, y: 1, wires: [['edge-asks']] }
  ]
  const nodeRed = await startNodeRed({ flows: [...main, ...inputs, ...outward, ...asking, ...authority === undefined ? [] : [material]] })
  t.after(async () => {
    const uncaught = /^.*(Uncaught|Unhandled)[^]{0,1500}/im.exec(nodeRed.log)?.[0]
    if (uncaught !== undefined) t.diagnostic(uncaught)
    await nodeRed.stop()
  })
  let hangUps = 0
  const others = await Promise.all([
    { url: `mqtt://127.0.0.1:${tcp}` },
    { url: `mqtt://127.0.0.1:${asked}`, username: 'honest', password: 'x' },
    ...authority === undefined ? [] : [{ url: `mqtts://localhost:${tls}`, ca: authority.cert, ...authority.issue('honest') }, { url: `wss://localhost:${wss}`, ca: authority.cert }]
  ].map(async ({ url, ...options }, i) => {
    const client = await connectAsync(url, { clientId: `honest-${i}`, reconnectPeriod: 0, ...options })
    t.after(() => { client.end(true) })
    client.on('close', () => { hangUps++ })
    await client.subscribeAsync(`honest/${i}`, { qos: 1 })
    return client
  }))
  const othersAreServed = async (): Promise<void> => {
    for (const [i, honest] of others.entries()) {
      const heard = once(honest, 'message', { signal: AbortSignal.timeout(10_000) })
      await honest.publishAsync(`honest/${i}`, 'x', { qos: 1 })
      await heard
    }
    await nodeRed.api('settings')
    assert.equal(hangUps, 0)
    // What a flow of its own rejects is logged by Node-RED, and is the flow's.
    assert.doesNotMatch(nodeRed.log, /Uncaught|Unhandled|RangeError|TypeError|ERR_INVALID_URL/i)
  }
  /** What Node-RED counted of a kind. */
  const counted = async (kind: string): Promise<number> => {
    const text = await nodeRed.api<string>('platziverse/metrics')
    return [...text.matchAll(new RegExp(`^platziverse_broker_refused_total{[^}]*"${kind}"[^}]*} (\\d+)`, 'gm'))].reduce((sum, [, count]) => sum + Number(count), 0)
  }
  const hostile = { ports: { tcp, ws, http: nodeRed.port, tls, wss, asked }, nodeRed, random }

  for (const [name, attack] of Object.entries(edges)) {
    await t.test(name, async t => {
      await attack(t, hostile)
      await othersAreServed()
    })
  }

  for (const [name, attack] of Object.entries(tlsEdges)) {
    await t.test(`TLS: ${name}`, { skip: withoutOpenssl, timeout: 60_000 }, async t => {
      const before = await counted('tls')
      await attack(t, { ...hostile, authority: authority! })
      await othersAreServed()
      t.diagnostic(`${await counted('tls') - before} refused`)
    })
  }
  if (authority !== undefined) assert.ok(await counted('tls') > 100 && await counted('certificate') > 0)

  for (const [name, attack] of Object.entries(loginEdges)) {
    await t.test(`logins by the flow: ${name}`, { timeout: 60_000 }, async t => {
      await attack(t, { ...hostile, assertCode: (username, code, wanted) => { assert.ok(code !== undefined && wanted.includes(code), `${JSON.stringify(username)} got ${code}`) } })
      await othersAreServed()
    })
  }
  // Each answer that is none is told to the flow.
  assert.match(nodeRed.log, /allow must be true or false.*\(BROKER_COMMAND_INVALID\)/)
  assert.match(nodeRed.log, /No question with this id is open.*\(BROKER_COMMAND_INVALID\)/)
})
