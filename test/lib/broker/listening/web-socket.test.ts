import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connectAsync } from 'mqtt'
import { generate, type Packet } from 'mqtt-packet'
import { openBroker, type TestBroker, type TestOptions } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { publishPacket, rawSocket } from '../../../helpers/raw-client.ts'
import { binary, frame, rawWebSocket, text, upgradeRequest } from '../../../helpers/raw-web-socket.ts'

const connectPacket = generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'one', keepalive: 0, clean: true } as Packet)
const subscribePacket = generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] } as Packet)

async function openWebSocketBroker (t: TestContext, limits: TestOptions['limits'] = {}): Promise<TestBroker> {
  return await openBroker(t, { listeners: [{ transport: 'ws', host: '127.0.0.1', port: 0 }], limits })
}

/** ms until the other end closed the socket. */
async function closed (socket: Socket): Promise<number> {
  const started = performance.now()
  socket.resume()
  // The other end is gone when it takes nothing any more.
  const knock = setInterval(() => { socket.write('x') }, 200)
  try {
    await until(() => socket.destroyed, gone => gone, 12_000)
  } finally {
    clearInterval(knock)
  }
  return performance.now() - started
}

const refused: Array<[string, string]> = [
  ['no subprotocol', upgradeRequest('/', { 'Sec-WebSocket-Protocol': undefined })],
  ['another subprotocol', upgradeRequest('/', { 'Sec-WebSocket-Protocol': 'chat' })],
  ['20 bytes behind a request without a subprotocol', `${upgradeRequest('/', { 'Sec-WebSocket-Protocol': undefined })}${'x'.repeat(20)}`],
  ['20 bytes behind the request', `${upgradeRequest()}${'x'.repeat(20)}`],
  ['no key', upgradeRequest('/', { 'Sec-WebSocket-Key': undefined })],
  ['version 99', upgradeRequest('/', { 'Sec-WebSocket-Version': '99' })],
  ['another protocol than WebSocket', upgradeRequest('/', { Upgrade: 'h2c' })],
  ['a request that is no upgrade', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a request that is none', 'x\r\n\r\n'],
  ['an expectation', 'GET / HTTP/1.1\r\nHost: x\r\nExpect: roses\r\n\r\n'],
  ['CONNECT', 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n']
]

test('whatever is refused on a WebSocket port is closed within seconds and gives its place back', async t => {
  const { port, place } = await openWebSocketBroker(t, { connectionsPerAddress: refused.length })
  for (const round of [1, 2]) {
    await Promise.all(refused.map(async ([name, request]) => {
      // It does not close its own end.
      const socket = await rawSocket(t, port, { allowHalfOpen: true })
      socket.write(request)
      const ms = await closed(socket)
      assert.ok(ms < 4_000, `${name}, round ${round}: closed after ${ms} ms`)
    }))
  }
  const { refusedBy } = place.statistics()
  assert.equal(refusedBy['connectionsPerAddress'], undefined)
})

test('300 refused upgrades leave the place for those who come after them', async t => {
  const { port } = await openWebSocketBroker(t, { connectionsPerAddress: 310, connectionRate: 0 })
  const sockets = await Promise.all(Array.from({ length: 300 }, () => rawSocket(t, port, { allowHalfOpen: true })))
  for (const socket of sockets) socket.resume().write(upgradeRequest('/', { 'Sec-WebSocket-Protocol': undefined }))
  await Promise.all(sockets.map(closed))
  const client = await connectAsync(`ws://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  await client.endAsync()
})

for (const protocol of ['mqtt', 'mqttv3.1']) {
  test(`the subprotocol ${protocol} is agreed on, also among others`, async t => {
    const { port } = await openWebSocketBroker(t)
    const { answer } = await rawWebSocket(t, port, '/', `chat, ${protocol}`)
    assert.match(answer, /^HTTP\/1\.1 101 /)
    assert.match(answer, new RegExp(`Sec-WebSocket-Protocol: ${protocol}\r\n`))
  })
}

const hostile: Array<[string, Buffer, RegExp | undefined]> = [
  ['MQTT in a text frame', frame(text, publishPacket('a', 'x', 0)), /text frame/],
  ['an empty text frame', frame(text), /text frame/],
  ['a text in fragments', Buffer.concat([frame(text, 'a', { final: false }), frame(0, 'b')]), /text frame/],
  ['a frame without a mask', frame(binary, 'x', { masked: false }), undefined],
  ['reserved bits', frame(binary, 'x', { reserved: 7 }), undefined],
  ['an opcode that means nothing', frame(5), undefined],
  ['a continuation of nothing', frame(0, 'x'), undefined],
  ['a message of 4 GiB', frame(binary, 'x', { length: 2 ** 32 }), undefined],
  ['a long ping', frame(9, Buffer.alloc(126)), undefined],
  ['a close code that means nothing', frame(8, Buffer.from([0, 1])), undefined],
  ['10,000 fragments', Buffer.concat([frame(binary, 'x', { final: false }), ...Array.from({ length: 10_000 }, () => frame(0, 'x', { final: false }))]), undefined],
  ['1,000 pings', Buffer.concat(Array.from({ length: 1_000 }, () => frame(9, 'x'))), /without MQTT/],
  ['1,000 pongs', Buffer.concat(Array.from({ length: 1_000 }, () => frame(10, 'x'))), /without MQTT/],
  ['1,000 empty messages', Buffer.concat(Array.from({ length: 1_000 }, () => frame(binary))), /without MQTT/]
]

for (const [name, bytes, reason] of hostile) {
  test(`${name} ends its connection, and no other`, async t => {
    const { port, events } = await openWebSocketBroker(t)
    const other = await connectAsync(`ws://127.0.0.1:${port}`, { clientId: 'other', reconnectPeriod: 0 })
    t.after(() => { other.end(true) })
    const { socket } = await rawWebSocket(t, port)
    socket.write(frame(binary, connectPacket))
    await once(socket, 'data')
    socket.write(bytes)
    const ms = await closed(socket)
    assert.ok(ms < 4_000, `closed after ${ms} ms`)
    const gone = await until(() => events.find(event => event.event === 'disconnected'), event => event !== undefined)
    assert.equal(gone?.event === 'disconnected' && gone.clientId, 'one')
    if (reason !== undefined) assert.match(gone?.event === 'disconnected' ? gone.reason : '', reason)
    await other.publishAsync('a', 'still here', { qos: 1 })
  })
}

test('a text frame as the first one is refused', async t => {
  const { port, events } = await openWebSocketBroker(t)
  const { socket } = await rawWebSocket(t, port)
  socket.write(frame(text, connectPacket))
  await closed(socket)
  const event = await until(() => events.find(({ event }) => event === 'refused'), event => event !== undefined)
  assert.match(event?.event === 'refused' ? event.reason : '', /text frame/)
})

test('a WebSocket message holds a packet of the limit packetBytes, several packets, or a part of one', async t => {
  const { port } = await openWebSocketBroker(t)
  const { socket } = await rawWebSocket(t, port)
  socket.write(frame(binary, Buffer.concat([connectPacket, subscribePacket])))
  let received = 0
  socket.on('data', (bytes: Buffer) => { received += bytes.length })
  await until(() => received, bytes => bytes >= 9)
  const payload = Buffer.alloc(2_097_152 - 7)
  const packet = publishPacket('a', payload, 0)
  assert.equal(packet.length, 2_097_152)
  socket.write(frame(binary, packet))
  await until(() => received, bytes => bytes >= payload.length)
  socket.write(frame(binary, Buffer.concat([packet, ...Array.from({ length: 100 }, () => publishPacket('a', 'x'.repeat(1000), 0))])))
  await until(() => received, bytes => bytes >= 2 * payload.length + 100_000)
  for (let at = 0; at < packet.length; at += 300_000) socket.write(frame(binary, packet.subarray(at, at + 300_000)))
  await until(() => received, bytes => bytes >= 3 * payload.length + 100_000)
  assert.equal(socket.destroyed, false)
})

test('a stranger sends no WebSocket message of more than 64 KiB', async t => {
  const { port } = await openWebSocketBroker(t, { connectTimeout: 30 })
  const { socket } = await rawWebSocket(t, port)
  socket.write(frame(binary, connectPacket.subarray(0, 3), { length: 65_537 }))
  assert.ok(await closed(socket) < 4_000)
})

test('where CONNECT has no limit, the largest of MQTT 5 fits into one WebSocket message, and a larger one is refused before it comes', async t => {
  const broker = await openWebSocketBroker(t, { connectBytes: 0, propertyBytes: 200_000 })
  const large = (byte: string): string => byte.repeat(65_535)
  const userProperties = { a: Array.from({ length: 3 }, () => 'x'.repeat(65_000)) }
  const connect = {
    cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: large('c'), keepalive: 0, clean: true, username: large('u'), password: Buffer.from(large('p')),
    will: { topic: large('t'), payload: Buffer.from(large('w')), qos: 0, retain: false }, properties: { userProperties }
  }
  const { socket } = await rawWebSocket(t, broker.port)
  socket.write(frame(binary, generate(connect as Packet)))
  const [answer] = await once(socket, 'data') as [Buffer]
  // A frame with CONNACK, which is success.
  assert.deepEqual([answer[2], answer[5]], [0x20, 0])
  const { socket: greedy } = await rawWebSocket(t, broker.port)
  greedy.write(frame(binary, Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5])))
  assert.ok(await closed(greedy) < 5_000)
})

test('incomplete WebSocket messages count towards the limit of incoming bytes: the largest are disconnected, and a client that sends little is served', async t => {
  const { port, place } = await openWebSocketBroker(t, { incomingBytes: 2_000_000 })
  const enter = async (clientId: string): Promise<Socket> => {
    const { socket } = await rawWebSocket(t, port)
    socket.write(frame(binary, generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, keepalive: 0, clean: true } as Packet)))
    await once(socket, 'data')
    return socket.resume()
  }
  const modest = await enter('modest')
  const greedy = await Promise.all(Array.from({ length: 10 }, async (_, i) => await enter(`greedy ${i}`)))
  // In one frame, and in fragments.
  for (const [i, socket] of greedy.entries()) {
    socket.write(frame(binary, Buffer.alloc(500_000 + i), i % 2 === 0 ? { length: 2_000_000 } : { final: false }))
  }
  const cutOff = await until(() => place.statistics().refusedBy['incomingBytes'] ?? 0, count => count >= 6)
  assert.ok(cutOff < 10)
  await until(() => greedy.filter(({ destroyed }) => destroyed).length, count => count === cutOff)
  modest.write(frame(binary, publishPacket('a', 'x'.repeat(10_000), 1, 1)))
  const [answer] = await once(modest, 'data') as [Buffer]
  assert.equal(answer[2], 0x40)

  for (const socket of greedy) socket.destroy()
  await until(() => place.statistics().clients, clients => clients === 1)
  modest.write(frame(binary, publishPacket('a', Buffer.alloc(1_900_000), 1, 2)))
  const [again] = await once(modest, 'data') as [Buffer]
  assert.equal(again[2], 0x40)
  assert.equal(place.statistics().refusedBy['incomingBytes'], cutOff)
})

test('pings between the fragments of a WebSocket message do not count as part of it', async t => {
  const { port, place } = await openWebSocketBroker(t, { incomingBytes: 5_000 })
  const { socket } = await rawWebSocket(t, port)
  let received = Buffer.alloc(0)
  socket.on('data', (bytes: Buffer) => { received = Buffer.concat([received, bytes]) })
  socket.write(frame(binary, connectPacket))
  await until(() => received.length, length => length > 0)
  const packet = publishPacket('a', 'x', 1, 1)
  socket.write(frame(binary, packet.subarray(0, 3), { final: false }))
  for (let round = 0; round < 3; round++) {
    const before = received.length
    socket.write(Buffer.concat(Array.from({ length: 30 }, () => frame(9, Buffer.alloc(125)))))
    await until(() => received.length - before, length => length >= 30 * 127)
  }
  socket.write(frame(0, packet.subarray(3)))
  await until(() => received.includes(Buffer.from([0x40, 2, 0, 1])), Boolean)
  assert.equal(place.statistics().refusedBy['incomingBytes'], undefined)
})
