import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { setPriority } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { generate, type Packet } from 'mqtt-packet'
import { connectPacket, openClient, publish, subscribe } from '../client.ts'
import { randomOf, shuffled, type Random } from '../random.ts'
import { serve } from '../actor.ts'

/** Attackers, one after another, each from an address of its own. */

export interface FloodsOrder {
  port: number
  webSocketPort: number
  editorPort: number
  seed: number
  /** Seconds of each flood, and between two. */
  length: number
  between: number
}

export interface FloodReport { name: string, times: Array<{ from: number, to: number }>, sent: number }

export interface FloodsReport {
  floods: FloodReport[]
  /** Refused upgrades whose sockets were still open after `refusalPatience`. */
  held: number
  refused: number
  /** Floods after which a client from the same address was not let in within `admissionPatience`. */
  lockedOut: string[]
}

const refusalPatience = 16_000
const admissionPatience = 30_000
const connectionsAtOnce = 20
/** New connections a second of one flood, at most. */
const connectionRate = 400

interface Flood {
  order: FloodsOrder
  address: string
  random: Random
  report: FloodsReport
  over (): boolean
  sent (count: number): void
}

/** What URL parsers choke on. Not `http://[`: on that Node-RED's own editor ends, whatever is installed. */
const paths = ['//', '///', '//mqtt', '/%', '/mqtt%', '//[', '*', '/\\\\', '/mqtt?//', '//a:b@c:d/', 'http://a:99999/']

const floods: Record<string, (flood: Flood) => Promise<void>> = {
  PINGREQ: flood => pour(flood, repeat({ cmd: 'pingreq' } as Packet)),
  PUBREL: flood => pour(flood, many(id => ({ cmd: 'pubrel', messageId: id }))),
  SUBSCRIBE: flood => pour(flood, many(id => ({ ...subscribe(`chaos/flood/${id % 100}`, 1), messageId: id } as Packet))),
  UNSUBSCRIBE: flood => pour(flood, many(id => ({ cmd: 'unsubscribe', messageId: id, unsubscriptions: [`chaos/flood/${id % 100}`] }))),
  PUBLISH: flood => pour(flood, repeat(publish('chaos/flood', 'x'.repeat(100), 0))),
  CONNECT: flood => connections(flood, () => ({ port: flood.order.port, bytes: connectPacket(`chaos-storm-${Math.floor(flood.random() * 1000)}`), stay: 20 })),
  upgrades: flood => connections(flood, () => upgrade(flood)),
  'GET //': flood => connections(flood, () => {
    return { port: flood.order.editorPort, bytes: upgradeRequest(paths[Math.floor(flood.random() * paths.length)] ?? '', 'mqtt'), stay: 50 }
  }),
  fuzz: flood => connections(flood, () => ({ port: flood.order.port, bytes: mutated(flood.random), stay: 50 }))
}

async function letIn (port: number, localAddress: string): Promise<boolean> {
  for (const deadline = Date.now() + admissionPatience; Date.now() < deadline;) {
    const client = await openClient({ port, clientId: `chaos-after-${localAddress}`, localAddress })
    client?.socket.destroy()
    if (client !== undefined) return true
    await pause(1000)
  }
  return false
}

const blockBytes = 65_536

function repeat (packet: Packet): Buffer {
  const bytes = generate(packet)
  return Buffer.concat(new Array<Buffer>(Math.ceil(blockBytes / bytes.length)).fill(bytes))
}

function many (make: (id: number) => Packet): Buffer {
  return Buffer.concat(Array.from({ length: 3_000 }, (_, i) => generate(make(i + 1))))
}

/** One client that writes as fast as it is read. */
async function pour ({ order: { port }, address, over, sent }: Flood, block: Buffer): Promise<void> {
  while (!over()) {
    const client = await openClient({ port, clientId: `chaos-flood-${address}`, localAddress: address })
    if (client === undefined) {
      await pause(200)
      continue
    }
    const { socket } = client
    socket.removeAllListeners('data').resume()
    while (!over() && !socket.destroyed) {
      sent(1)
      if (!socket.write(block)) await Promise.race([once(socket, 'drain').catch(() => undefined), client.closed, pause(500)])
      while (!over() && !socket.destroyed && socket.writableNeedDrain) await Promise.race([client.closed, pause(5)])
    }
    socket.destroy()
    await pause(20)
  }
}

interface Call {
  port: number
  bytes: Buffer
  /** ms until its sender cuts it off; 0: when it must have been closed. */
  stay: number
}

/** Connections that each send something, as many as are let through. */
async function connections (flood: Flood, call: () => Call): Promise<void> {
  await Promise.all(Array.from({ length: connectionsAtOnce }, async () => {
    while (!flood.over()) {
      const { port, bytes, stay } = call()
      // Half open: an attacker does not close because the other side did.
      const socket = connectSocket({ port, host: '127.0.0.1', localAddress: flood.address, noDelay: true, allowHalfOpen: stay === 0 })
      const closed = new Promise<void>(resolve => { socket.once('close', () => { resolve() }) })
      socket.on('error', () => undefined).resume()
      socket.write(bytes)
      flood.sent(1)
      await Promise.race([closed, pause(Math.max(stay, 1000 * connectionsAtOnce / connectionRate))])
      if (stay === 0) watch(flood.report, socket, closed)
      else socket.destroy()
    }
  }))
}

/**
 * Nobody on this side closes it. Whether the other side did, and not only its half, a byte tells that is written behind
 * another one: the system answers the first with a reset, which a socket that read its end meets at the next write.
 */
function watch (report: FloodsReport, socket: Socket, closed: Promise<void>): void {
  report.refused++
  void Promise.race([closed, pause(refusalPatience, undefined, { ref: false })]).then(async () => {
    for (let i = 0; i < 3 && !socket.destroyed; i++) {
      socket.write('x')
      await Promise.race([closed, pause(300, undefined, { ref: false })])
    }
    const open = !socket.destroyed
    if (open) report.held++
    socket.destroy()
  })
}

function upgradeRequest (path: string, protocol: string | undefined, behind = ''): Buffer {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']
  return Buffer.from([...lines, ...protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`], '', behind].join('\r\n'))
}

/** Without a subprotocol, and half of them with bytes behind the request. */
function upgrade ({ order: { webSocketPort, editorPort }, random }: Flood): Call {
  return { port: random() < 0.7 ? webSocketPort : editorPort, bytes: upgradeRequest('/mqtt', random() < 0.8 ? undefined : 'nonsense', random() < 0.5 ? 'x'.repeat(20) : ''), stay: 0 }
}

/** Some packets as they should be, some bytes of them changed, added or cut off. */
function mutated (random: Random): Buffer {
  const below = (most: number): number => Math.floor(random() * most)
  const packets: Packet[] = [
    publish('agent/message', '{"agent":{"uuid":"fuzz"},"metrics":[{"type":"n","value":1}]}', below(3) as 0 | 1 | 2, 1 + below(5)),
    publish('chaos/fuzz', 'x'.repeat(below(200)), below(2) as 0 | 1, 1 + below(5)),
    subscribe('chaos/#', 1),
    { cmd: 'pubrel', messageId: 1 + below(5) },
    { cmd: 'pubrec', messageId: 1 + below(5) },
    { cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['chaos/#'] },
    { cmd: 'pingreq' } as Packet
  ]
  const bytes = Buffer.concat([connectPacket(`chaos-fuzz-${below(100)}`), ...Array.from({ length: 1 + below(4) }, () => generate(packets[below(packets.length)] ?? { cmd: 'pingreq' } as Packet))])
  // CONNECT is left whole most of the time: behind a broken one nothing is read.
  const from = random() < 0.8 ? 30 : 0
  for (let i = below(4); i > 0; i--) bytes[from + below(bytes.length - from)] = below(256)
  return random() < 0.2 ? bytes.subarray(0, below(bytes.length)) : bytes
}

await serve<FloodsOrder>(async ({ order, stopping, answer }) => {
  setPriority(10)
  const random = randomOf(order.seed)
  const names = Object.keys(floods)
  const report: FloodsReport = { floods: names.map(name => ({ name, times: [], sent: 0 })), held: 0, refused: 0, lockedOut: [] }
  const checks = new Set<Promise<void>>()
  answer(() => report)
  while (!stopping.aborted) {
    for (const name of shuffled(random, names)) {
      await pause(order.between * 1000, undefined, { signal: stopping }).catch(() => undefined)
      if (stopping.aborted) break
      const figures = report.floods.find(flood => flood.name === name)
      const from = Date.now()
      const end = from + order.length * 1000
      const address = `127.0.3.${names.indexOf(name) + 1}`
      const sent = (count: number): void => { if (figures !== undefined) figures.sent += count }
      await floods[name]?.({ order, address, random, report, over: () => stopping.aborted || Date.now() > end, sent })
      figures?.times.push({ from, to: Date.now() })
      const check = letIn(order.port, address).then(ok => { if (!ok) report.lockedOut.push(name) }).finally(() => checks.delete(check))
      checks.add(check)
    }
  }
  await Promise.all(checks)
})
