import { connect as connectSocket, type Socket } from 'node:net'
import { generate, parser, type IConnackPacket, type IConnectPacket, type Packet } from 'mqtt-packet'

export interface ClientOptions {
  port: number
  clientId: string
  /** Default true. */
  clean?: boolean
  /** Where it comes from; each flood has an address of its own, so that what locks it out meets nobody else. */
  localAddress?: string
  /** What the broker publishes for it when its connection is lost. */
  will?: Will
}

export interface Will { topic: string, payload: string }

/** An MQTT client that does only what its owner does. */
export interface Client {
  readonly socket: Socket
  /** What CONNACK said. */
  sessionPresent: boolean
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>
  send (...packets: Packet[]): void
  onPacket: (packet: Packet, client: Client) => void
}

const patience = 10_000

/**
 * @param onPacket gets what comes after CONNACK, also what comes in one piece with it
 * @returns undefined when there is no CONNACK that says yes within 10 s
 */
export async function openClient ({ port, clientId, clean = true, localAddress = '127.0.0.1', will }: ClientOptions, onPacket: Client['onPacket'] = () => undefined): Promise<Client | undefined> {
  const socket = connectSocket({ port, host: '127.0.0.1', localAddress, noDelay: true })
  const closed = new Promise<void>(resolve => { socket.once('close', () => { resolve() }) })
  const client: Client = {
    socket,
    closed,
    sessionPresent: false,
    send: (...packets) => { socket.write(Buffer.concat(packets.map(packet => generate(packet)))) },
    onPacket
  }
  const reader = parser()
  const connack = new Promise<IConnackPacket>(resolve => {
    reader.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connack') {
        client.sessionPresent = packet.sessionPresent
        resolve(packet)
      } else {
        client.onPacket(packet, client)
      }
    })
  })
  reader.on('error', () => { socket.destroy() })
  socket.on('error', () => undefined)
  socket.on('data', bytes => { reader.parse(bytes) })
  socket.write(connectPacket(clientId, clean, will))

  const timer = setTimeout(() => { socket.destroy() }, patience)
  const answer = await Promise.race([closed, connack])
  clearTimeout(timer)
  if (answer?.returnCode === 0) return client
  socket.destroy()
  return undefined
}

export function connectPacket (clientId: string, clean = true, will?: Will): Buffer {
  const packet = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean, keepalive: 0 } as IConnectPacket
  return generate(will === undefined ? packet : { ...packet, will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: false } })
}

export function publish (topic: string, payload: string | Buffer, qos: 0 | 1 | 2, messageId?: number, { dup = false, retain = false } = {}): Packet {
  return { cmd: 'publish', topic, payload, qos, dup, retain, ...messageId === undefined ? {} : { messageId } }
}

export function subscribe (topic: string, qos: 0 | 1 | 2): Packet {
  return { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos }] } as Packet
}
