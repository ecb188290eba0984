import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { generate, parser, type IConnectPacket, type Packet } from 'mqtt-packet'

/** A connection of a worker to a broker that does what a test says. */
export interface Peer {
  socket: Socket
  connect: IConnectPacket
  version: 4 | 5
  /** What came after CONNECT. */
  got: Packet[]
  send (packet: object): void
  /** Called with what comes. */
  on (heard: (packet: Packet) => void): void
}

export interface ScriptedBroker {
  url: string
  /** Connections that take messages, and those that publish. */
  consumers: Peer[]
  senders: Peer[]
}

/** Called with a connection, and how many came before it. */
type Act = (peer: Peer, before: number) => void

/** As a broker should be: answers all that is asked of it. @param options `connack`: its properties, with MQTT 5 */
export function answers (peer: Peer, { sessionPresent = true, connack = {} } = {}): void {
  const properties = peer.version === 5 ? { properties: {} } : {}
  peer.on(packet => {
    if (packet.cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(() => 1), ...properties })
    if (packet.cmd === 'unsubscribe') peer.send({ cmd: 'unsuback', messageId: packet.messageId, granted: packet.unsubscriptions.map(() => 0), ...properties })
    if (packet.cmd === 'publish' && packet.qos === 1) peer.send({ cmd: 'puback', messageId: packet.messageId })
    if (packet.cmd === 'pingreq') peer.send({ cmd: 'pingresp' })
  })
  peer.send({ cmd: 'connack', sessionPresent, returnCode: 0, reasonCode: 0, ...peer.version === 5 ? { properties: connack } : {} })
}

/**
 * A broker that is not as it should be.
 * @param consumer has the connections that take messages
 * @param sender has those that publish
 * @param at absent: a free port of 127.0.0.1
 */
export async function scriptedBroker (
  t: TestContext, consumer: Act, sender: Act = peer => { answers(peer) }, { host, port } = { host: '127.0.0.1', port: 0 }
): Promise<ScriptedBroker> {
  const consumers: Peer[] = []
  const senders: Peer[] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => { sockets.delete(socket) })
    let peer: Peer | undefined
    const heard: Array<(packet: Packet) => void> = []
    const packets = parser()
    packets.on('error', () => { socket.destroy() })
    packets.on('packet', (packet: Packet) => {
      if (packet.cmd !== 'connect') {
        peer?.got.push(packet)
        for (const each of heard) each(packet)
        return
      }
      const version = packet.protocolVersion === 5 ? 5 : 4
      const send = (packet: object): void => { socket.write(generate(packet as Packet, { protocolVersion: version })) }
      peer = { socket, connect: packet, version, got: [], send, on: each => { heard.push(each) } }
      const [peers, act] = packet.clientId.endsWith('-send') ? [senders, sender] as const : [consumers, consumer] as const
      peers.push(peer)
      act(peer, peers.length - 1)
    })
    socket.on('data', bytes => { packets.parse(bytes) })
  }).listen(port, host)
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  return { url: `mqtt://${host}:${(server.address() as AddressInfo).port}`, consumers, senders }
}

/** How brokers that do not speak MQTT 5 answer a CONNECT of it, before they hang up; undefined: not at all. */
export const waysToRefuseVersion5 = [
  ['says so', { sessionPresent: false, returnCode: 1, reasonCode: 1 }],
  ['says so as MQTT 5 has it', { sessionPresent: false, returnCode: 0x84, reasonCode: 0x84, properties: {} }],
  ['hangs up', undefined]
] as const
